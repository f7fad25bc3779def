#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module migration_check: whether a VM can move to another KVM host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_check
short_description: Tells whether a VM can move to another KVM host, and what stands against it
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Looks at every prerequisite of a move on both hosts, and tells of each whether it is met, what
    was found on both sides, and what to do. Every failure is told, not only the first.
  - It has no effect on either host. M(kvm.fleet.migration) looks at the same before it moves a VM,
    and moves none against which something stands.
  - What cannot be known from where the module runs is a warning and never passes. Files, clocks and
    locks of a host are known to a module that runs there, or to a snapshot that was taken there.
options:
  fail:
    description:
      - Whether the task fails where something stands against the move. Otherwise RV(ok) is false.
    type: bool
    default: false
extends_documentation_fragment:
  - kvm.fleet.common.moves
attributes:
  check_mode:
    description: Can run in check mode; it changes nothing in any mode.
    support: full
  diff_mode:
    description: Returns no differences, since it changes nothing.
    support: N/A
requirements:
  - python3-libvirt (libvirt-python) on the machine where the module runs, but for snapshots
seealso:
  - module: kvm.fleet.migration
  - module: kvm.fleet.vm_info
  - module: kvm.fleet.host_snapshot
"""

EXAMPLES = r"""
- name: Can the VM move?
  kvm.fleet.migration_check:
    name: web
    host: kvm2
    hosts:
      kvm1: {uri: qemu+ssh://kvm1/system}
      kvm2: {uri: qemu+ssh://kvm2/system}
  register: found

- name: What stands against it, and what to do
  ansible.builtin.debug:
    msg: "{{ found.text | select('match', 'fail ') }}"

- name: Stop here where it cannot
  kvm.fleet.migration_check:
    name: web
    host: kvm2
    hosts:
      kvm1: {uri: qemu+ssh://kvm1/system}
      kvm2: {uri: qemu+ssh://kvm2/system}
    network: 10.0.30.12
    map:
      pools: {fast: nvme}
      vswitches: {prod: prod-b}
    fail: true

- name: The same from two snapshots, without either host
  kvm.fleet.migration_check:
    name: web
    host: kvm2
    hosts:
      kvm1: {uri: "snapshot:{{ playbook_dir }}/snapshots/kvm1.json"}
      kvm2: {uri: "snapshot:{{ playbook_dir }}/snapshots/kvm2.json"}
  delegate_to: localhost
"""

RETURN = r"""
ok:
  description: Whether nothing stands against the move. Warnings do not.
  returned: success
  type: bool
  sample: false
report:
  description: The findings, in the order of the checks. Several can be of one check.
  returned: success
  type: list
  elements: dict
  contains:
    check:
      description: The prerequisite.
      type: str
      sample: nics
    result:
      description: V(pass), V(warn) or V(fail).
      type: str
      sample: fail
    about:
      description: What of the VM it is about; empty of the whole.
      type: str
      sample: nics.lan
    message:
      description: What was found.
      type: str
      sample: the VLAN is another there
    source:
      description: What the source has; empty where that says nothing more.
      type: str
      sample: VLAN 10
    target:
      description: What the target has.
      type: str
      sample: VLAN 20
    todo:
      description: What to do about it; empty of what passes.
      type: str
      sample: give both port groups the same VLAN
text:
  description: The same for a reader, a line for each finding, failures first.
  returned: success
  type: list
  elements: str
  sample:
    - >-
      fail nics nics.lan: the VLAN is another there (source: VLAN 10, target: VLAN 20); give both
      port groups the same VLAN
source:
  description: The host where the VM lives; empty where it is at the target already.
  returned: success
  type: str
  sample: kvm1
mode:
  description: By which mode it would move (C(name)), with which C(storage), and C(why).
  returned: where it is not at the target already
  type: dict
  sample: {name: live, storage: copied, why: "the VM is running; disks.root to be copied"}
disks:
  description:
    - What becomes of each disk and drive (C(how)), and C(why). It is C(shared), C(copied) as a
      whole, C(layer) where the target has the image that it stands on, C(flattened) together with
      that, C(empty), or C(local) where it cannot go.
  returned: success
  type: list
  elements: dict
  sample:
    - name: disks.root
      target: vda
      how: copied
      source: /srv/fast/web.qcow2
      there: /srv/nvme/web.qcow2
      pool_there: nvme
      volume_there: web.qcow2
      format: qcow2
      capacity: 21474836480
      allocation: 1288490188
      why: it is on storage of the source alone
"""

from ..module_utils.moving.hosts import HOSTS_SPEC
from ..module_utils.moving.options import OPTIONS_SPEC
from ..module_utils.run.checking_moves import FAIL_SPEC, run
from ..module_utils.run.module import create_module


def main() -> None:
    """Look at the move of one VM."""
    run(create_module({**HOSTS_SPEC, **OPTIONS_SPEC, **FAIL_SPEC}))


if __name__ == "__main__":
    main()
