#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module evacuation: says where the VMs of a host can go, or how they come back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: evacuation
short_description: Says where the VMs of a host can go, or how they come back
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Tells for each VM of a host whether it can leave, where to and in which turn, and why not. Every
    VM is asked by the pre-flight of the migration before anything moves. It moves nothing itself;
    the playbooks C(kvm.fleet.evacuate) and C(kvm.fleet.return_home) do, by what it returns.
  - The VMs take turns. The first named host that has room takes a VM, and what was placed before
    counts. Room is memory for what runs (O(memory_ratio)), and what the host can still promise of
    CPU time and memory, by the same arithmetic and policy as at a start.
  - What leaves is noted in the VM's own metadata, with the host where it is at home (by its name in
    O(hosts)), so that it goes along and no file on a controller can get lost. A VM that had left
    another host before stays at home there.
options:
  host:
    description:
      - The host that is to be emptied, or to which its VMs come back.
    type: str
    required: true
  hosts:
    description:
      - The hosts by their names, each with the C(uri) of its libvirt as it is reached from where
        the module runs, and with C(migration_uri) where the hosts reach it by another one. In check
        mode a host may be a snapshot.
    type: dict
    required: true
  state:
    description:
      - V(evacuated) tells where the VMs of O(host) can go, and notes of those that can where they
        are at home.
      - V(home) tells how those that are at home on O(host) come back from wherever they are in
        O(hosts), and which of them are to be started again. Of those that are back it takes the
        note away.
    type: str
    choices: [evacuated, home]
    default: evacuated
  to:
    description:
      - The hosts that may take VMs, in the order in which they are filled. If omitted, all others
        of O(hosts) in the order of their names.
    type: list
    elements: str
  on_evacuate:
    description:
      - What becomes of VMs by their names, V(migrate), V(shutdown) or V(stay). The name V(*) is all
        others. A VM that is not named here goes by its own tag C(on_evacuate)
        (O(kvm.fleet.vm#module:tags)). Without any of it it is migrated.
    type: dict
    default: {}
  order:
    description:
      - VMs that come first, in this order. Then what runs comes before what does not, the largest
        first, and by name.
    type: list
    elements: str
    default: []
  at_once:
    description:
      - How many moves there may be at the same time. Those of one turn go together, and the next
        turn begins when all of them have ended.
    type: dict
    default: {}
    suboptions:
      per_host:
        description:
          - Of which one host is the source or the target.
        type: int
        default: 2
      per_link:
        description:
          - Between the same two hosts.
        type: int
        default: 2
  memory_ratio:
    description:
      - How much memory running VMs may have on a host that takes some, for each byte that it has
        for them. Above V(1) hosts swap when all VMs use what they have.
    type: float
    default: 1.0
  migration:
    description:
      - How the VMs are to move, in the options of M(kvm.fleet.migration), such as C(bandwidth) and
        C(transport). The pre-flight goes by it.
    type: dict
    default: {}
requirements:
  - python3-libvirt (libvirt-python) on the machine where the module runs, but for snapshots
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details: It tells the same in check mode, and notes nothing.
  diff_mode:
    support: none
  platform:
    platforms: linux
seealso:
  - module: kvm.fleet.migration
  - module: kvm.fleet.cpu_baseline
"""

EXAMPLES = r"""
- name: Where the VMs of kvm1 can go
  kvm.fleet.evacuation:
    host: kvm1
    to: [kvm2, kvm3]
    hosts: &hosts
      kvm1: {uri: qemu+ssh://root@kvm1/system}
      kvm2: {uri: qemu+ssh://root@kvm2/system}
      kvm3: {uri: qemu+ssh://root@kvm3/system}
    on_evacuate: {build: shutdown, monitoring: stay}
    at_once: {per_host: 2, per_link: 1}
  check_mode: true
  register: evacuation

- name: Say it
  ansible.builtin.debug:
    msg: "{{ evacuation.table }}"

- name: How they come back
  kvm.fleet.evacuation:
    host: kvm1
    hosts: *hosts
    state: home
  register: way_home
"""

RETURN = r"""
moves:
  description: Who moves, from where to where, in the order in which they were placed.
  returned: success
  type: list
  elements: dict
  sample: [{name: web, source: kvm1, host: kvm2}]
turns:
  description: The same moves, by turns; those of one turn may go at once.
  returned: success
  type: list
  elements: list
  sample: [[{name: web, source: kvm1, host: kvm2}]]
shutdowns:
  description: Who is to be shut down.
  returned: success
  type: list
  elements: str
  sample: [build]
starts:
  description: Who is at home again, and is to be started.
  returned: success
  type: list
  elements: str
  sample: []
stays:
  description: Who stays on the host.
  returned: success
  type: list
  elements: str
  sample: [monitoring]
refused:
  description: Who can go nowhere, and why, of each host that was asked.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the VM.
      type: str
      sample: db
    reasons:
      description: What stands against it.
      type: list
      elements: str
      sample: ["kvm2: disks.root: is a device of the host; move it by itself"]
notes:
  description: At which VMs it is noted where they are at home, or no longer (null).
  returned: success
  type: list
  elements: dict
  sample: [{name: web, home: kvm1}]
table:
  description: All of it as lines of a table.
  returned: success
  type: list
  elements: str
  sample:
    - VM   memory  from  to
    - web  2GiB    kvm1  kvm2  turn 1, live, shared storage
errors:
  description: Every mistake.
  returned: failure
  type: list
  elements: str
  sample: ["evacuation host: kvm9 is none of hosts, which are kvm1, kvm2"]
"""

from ..module_utils.run.evacuating import EVACUATION_SPEC, run
from ..module_utils.run.module import create_module


def main() -> None:
    """Say where the VMs of a host can go, or how they come back."""
    run(create_module(EVACUATION_SPEC))


if __name__ == "__main__":
    main()
