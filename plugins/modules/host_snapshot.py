#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module host_snapshot: a KVM host as a file, for plans without the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_snapshot
short_description: Takes a snapshot of a KVM host, for which plans can be made without it
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Asks a host all that declarations of any kind may ask of it, and writes the answers to one file
    of sorted JSON. All modules that change something take it in check mode, as O(uri) with the
    prefix C(snapshot:), and make the plan of the host at that time.
  - No secret is in it that is one by its place, its name or its text. In the place of a password is
    a token, by which another one is told from the same, and which is too short to find it by.
  - It tells what the host is and carries nevertheless, the paths of files among it. Treat it as you
    treat an inventory.
  - Pools are looked at anew before, as C(virsh pool-refresh) does; nothing else is touched. (On
    another machine libvirt stops a pool whose folder is gone when it looks.)
options:
  dest:
    description:
      - The file to write, on the machine where the module runs. Without it the snapshot is only
        returned. A new file is readable by its owner alone.
    type: path
  paths:
    description:
      - Files that declarations may name though nothing on the host does so yet, and folders of
        such, with all that is below them.
      - What is in the folders of pools and beside the images of VMs is in the snapshot anyway.
    type: list
    elements: path
    default:
      - /var/lib/libvirt/images
      - /var/lib/libvirt/boot
      - /usr/share/OVMF
      - /usr/share/edk2
      - /usr/share/AAVMF
      - /usr/share/qemu/firmware
extends_documentation_fragment:
  - kvm.fleet.common
  - kvm.fleet.common.attributes
seealso:
  - module: kvm.fleet.host_config
  - module: kvm.fleet.export
"""

EXAMPLES = r"""
- name: Take a snapshot of this host
  kvm.fleet.host_snapshot:
  register: taken

- name: Keep it where pipelines find it
  ansible.builtin.copy:
    content: "{{ taken.text }}"
    dest: "{{ playbook_dir }}/snapshots/{{ inventory_hostname }}.json"
    mode: "0600"
  delegate_to: localhost

- name: Plan for the host without it (run with --check --diff)
  kvm.fleet.host_config:
    uri: "snapshot:{{ playbook_dir }}/snapshots/{{ inventory_hostname }}.json"
    vms: "{{ kvm_vms }}"
  delegate_to: localhost
"""

RETURN = r"""
digest:
  description: The digest of all that the snapshot says.
  returned: success
  type: str
  sample: sha256:5f1c...
text:
  description: The snapshot, as it is written to a file.
  returned: when O(dest) is not given
  type: str
diff:
  description: What O(dest) was and is, in diff mode.
  returned: when O(dest) is given
  type: dict
"""

from ..module_utils.information.module import found_on
from ..module_utils.run.module import URI_SPEC, create_module, write_file
from ..module_utils.run.taking import PATHS, as_text, take


def main() -> None:
    paths = {"type": "list", "elements": "path", "default": list(PATHS)}
    module = create_module({**URI_SPEC, "dest": {"type": "path"}, "paths": paths})
    snapshot = found_on(module, lambda host: take(host, module.params["paths"]))
    text, dest = as_text(snapshot), module.params["dest"]
    done = write_file(module, dest, text, 0o600) if dest else {"changed": False, "text": text}
    module.exit_json(digest=snapshot["digest"], **done)


if __name__ == "__main__":
    main()
