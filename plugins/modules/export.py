#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module export: writes the declarations of all that a KVM host carries."""

from __future__ import annotations

DOCUMENTATION = r"""
module: export
short_description: Writes the declarations of all that a KVM host carries
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Reads the storage pools, volumes, vswitches and VMs of a host, whoever made them, and tells how
    one would declare them for M(kvm.fleet.host_config). Declared again on that host they change
    nothing. This is how to begin with a host that is there already.
  - Everything is sorted, and what would be so anyway is left out, so that two exports of one host
    are the same text.
  - Disks and CD-ROMs that others made are called by their targets (V(vda)), NICs after what they
    are on; these are found again by their MAC address.
  - What no option can say is not in it. It is named by the C(unmanaged) of M(kvm.fleet.vm_info),
    M(kvm.fleet.vswitch_info) and M(kvm.fleet.storage_info), and every change keeps it. Of CPU time,
    memory and NUMA nodes there is a warning too, since without it less would be promised elsewhere.
  - No secrets are in it. Passwords of consoles are no options, and of a pool it is only told which
    secret of libvirt it uses. An C(extra_xml) with a password in it is left out, with a warning.
  - Each declaration is tried against the host. An option that would change something nevertheless
    is left out with a warning, and so is what is there only until it stops.
options:
  dest:
    description:
      - A file on the KVM host to write the declarations to, as variables for C(host_vars). Without
        it they are only returned, and RV(yaml) can be written where the inventory is.
    type: path
  prefix:
    description: What the names of the variables begin with.
    type: str
    default: kvm_
  volumes:
    description:
      - Which volumes are declared. V(used) are those that disks of VMs stand on, with the images
        that these are made from; V(all) are all of active pools.
      - A volume that is declared is made again where it is missing, empty or from its image. With
        V(none) only the disks say what they are on, and a volume that is missing is an error.
    type: str
    choices: [used, all, none]
    default: used
extends_documentation_fragment:
  - kvm.fleet.common
  - kvm.fleet.common.attributes
seealso:
  - module: kvm.fleet.host_config
  - module: kvm.fleet.vm_info
"""

EXAMPLES = r"""
- name: How this host would be declared
  kvm.fleet.export:
  register: exported

- name: Write it to the inventory
  ansible.builtin.copy:
    content: "{{ exported.yaml }}"
    dest: "{{ inventory_dir }}/host_vars/{{ inventory_hostname }}/kvm.yml"
    mode: "0644"
  delegate_to: localhost

- name: See that the declarations change nothing
  kvm.fleet.host_config:
    resource_pools: "{{ exported.declarations.resource_pools }}"
    storage_pools: "{{ exported.declarations.storage_pools }}"
    storage_volumes: "{{ exported.declarations.storage_volumes }}"
    vswitches: "{{ exported.declarations.vswitches }}"
    vms: "{{ exported.declarations.vms }}"
  check_mode: true
  register: again
  failed_when: again is changed

- name: Keep a copy on the host
  kvm.fleet.export:
    dest: /var/backups/kvm.yml
"""

RETURN = r"""
declarations:
  description: The declarations, by the options of M(kvm.fleet.host_config).
  returned: success
  type: dict
  contains:
    storage_pools:
      description: The storage pools.
      type: list
      elements: dict
      returned: always
      sample: [{name: default, type: dir, path: /var/lib/libvirt/images, autostart: true}]
    storage_volumes:
      description: The volumes.
      type: list
      elements: dict
      returned: always
      sample: [{pool: default, name: web.qcow2, format: qcow2, capacity: 20GiB}]
    vswitches:
      description: The vswitches.
      type: list
      elements: dict
      returned: always
      sample: [{name: default, type: nat, bridge: virbr0, address: 192.168.122.1/24}]
    vms:
      description: The VMs.
      type: list
      elements: dict
      returned: always
      sample:
        - name: web
          state: running
          cpu: {count: 2}
          memory: {size: 2GiB}
          disks: [{name: vda, file: /var/lib/libvirt/images/web.qcow2, format: qcow2}]
          nics: [{name: default, vswitch: default, mac: "52:54:00:6b:3c:58"}]
yaml:
  description: The same as a file of variables, O(prefix) before each name.
  returned: success
  type: str
diff:
  description: What O(dest) was and is, in diff mode.
  returned: when O(dest) is given
  type: dict
"""

from ..module_utils.information.module import found_in
from ..module_utils.run.exporting import VOLUMES, export
from ..module_utils.run.host_config import KINDS
from ..module_utils.run.host_vars import written
from ..module_utils.run.module import URI_SPEC, create_module, write_file

SPEC = {
    "dest": {"type": "path"},
    "prefix": {"type": "str", "default": "kvm_"},
    "volumes": {"type": "str", "choices": list(VOLUMES), "default": "used"},
}


def main() -> None:
    module = create_module({**URI_SPEC, **SPEC})
    params = module.params
    exported = found_in(module, KINDS, lambda _host, world: export(world, params["volumes"]))
    for warning in exported.warnings:
        module.warn(warning)
    variables = {f"{params['prefix']}{name}": told for name, told in exported.sections.items()}
    text = written(variables, "What this host carries, as kvm.fleet.export found it.")
    done = write_file(module, params["dest"], text) if params["dest"] else {"changed": False}
    module.exit_json(declarations=exported.sections, yaml=text, **done)


if __name__ == "__main__":
    main()
