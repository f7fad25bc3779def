#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module host_memory: huge pages and merged pages of the machine where it runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_memory
short_description: Declare huge pages and KSM of a KVM host
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Reserves huge pages for VMs, at run time or at boot, in all or by NUMA node, and sets whether
    and how the kernel merges equal pages of VMs (KSM). What is not declared stays as it is.
  - It is about the machine where the module runs, and needs no libvirt. What it sets holds at once
    and after each boot, by C(/etc/tmpfiles.d/kvm-fleet-host-memory.conf), which systemd applies
    before libvirt starts. Lines of others in that file stay.
  - Each number is read back. The kernel may find fewer huge pages than were asked for, without
    an error. Then the former number is put back, and the task fails with what was wanted and found.
  - Huge pages that programs use are never taken, and neither is memory that is not there. Both are
    errors before anything is changed. A tenth of the memory, at most 2 GiB, stays with the host.
  - Where the host's policy admits strictly, memory that running VMs or resource pools were promised
    is not put into huge pages either.
options:
  ksm:
    description:
      - Merging of equal pages, C(/sys/kernel/mm/ksm). VMs whose memory is not to be merged say so
        themselves.
    type: dict
    suboptions:
      run:
        description:
          - V(merge) merges (the kernel's C(run) is 1).
          - V(off) stops it, and leaves merged what is (0).
          - V(unmerge) stops it and undoes what is merged (2), which takes memory.
        type: str
        choices: [merge, "off", unmerge]
      pages_to_scan:
        description:
          - How many pages are looked at before each pause. The kernel refuses another number while
            it chooses one itself (C(advisor_mode), Linux 6.8 and later).
        type: int
      sleep_ms:
        description: How long each pause is, in milliseconds (C(sleep_millisecs)).
        type: int
      merge_across_nodes:
        description:
          - Whether pages of different NUMA nodes are merged. While any are merged, the kernel does
            not let it change. So all is unmerged first, as a note in the plan says, which takes
            memory for a while.
        type: bool
      use_zero_pages:
        description: Whether empty pages are merged with the kernel's page of zeros.
        type: bool
  huge_pages:
    description:
      - How many huge pages are reserved, by size, each with a number for all NUMA nodes together or
        with one for each node that is named.
    type: list
    elements: dict
    suboptions:
      size:
        description: The size of a page, as far as the kernel has it, such as V(2MiB) or V(1GiB).
        type: str
        required: true
      count:
        description:
          - How many. With V(0) those that are there are given back.
          - Pages that are in use stay until they are free, also above that number, with a warning.
            A VM that needs more than are free has them made for its start
            (O(kvm.fleet.vm#module:memory.huge_pages)); what is declared here is what there is
            again when it has ended and the module runs. So neither undoes the other at each run.
        type: int
        required: true
      node:
        description: The NUMA node. Others keep what they have.
        type: int
      reserved_at:
        description:
          - V(run_time) reserves them now, and again as systemd comes up at each boot. On a host
            that has run for long there may not be enough memory in one piece, above all for
            V(1GiB).
          - V(boot) has the kernel reserve them as it boots, before anything else has memory, by
            C(hugepagesz=) and C(hugepages=) on its command line. So it takes effect at the next
            boot, and waits in RV(pending_restart) until then. The module does not reboot.
          - V(boot) is for hosts that GRUB boots as on Debian and Ubuntu. It writes
            C(/etc/default/grub.d/kvm-fleet-huge-pages.cfg) and runs C(update-grub). Elsewhere it
            is refused, with the words that the command line needs. By node, it needs Linux 5.17.
        type: str
        choices: [run_time, boot]
        default: run_time
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  platform:
    platforms: linux
    support: full
    details: Without systemd nothing sets it at the next boot, of which there is a warning.
seealso:
  - module: kvm.fleet.host_info
  - module: kvm.fleet.vm
"""

EXAMPLES = r"""
- name: Merge equal pages of VMs, in no hurry
  kvm.fleet.host_memory:
    ksm:
      run: merge
      pages_to_scan: 200
      sleep_ms: 50

- name: Merge nothing, and give back what is merged
  kvm.fleet.host_memory:
    ksm:
      run: unmerge

- name: Reserve 8 GiB in pages of 2 MiB, on both nodes alike
  kvm.fleet.host_memory:
    huge_pages:
      - {size: 2MiB, node: 0, count: 2048}
      - {size: 2MiB, node: 1, count: 2048}

- name: Have the kernel reserve 16 pages of 1 GiB as it boots
  kvm.fleet.host_memory:
    huge_pages:
      - {size: 1GiB, count: 16, reserved_at: boot}
  register: memory

- name: Boot where that waits for it
  ansible.builtin.reboot:
  when: memory.pending_restart | length > 0
"""

RETURN = r"""
plan:
  description: The changes, in check mode those that would be made.
  returned: always
  type: list
  elements: dict
  sample:
    - resource: host_memory
      field: huge_pages.2MiB
      before: 0
      after: 512
      class: live
  contains:
    resource:
      description: Always V(host_memory).
      type: str
    field:
      description: What it is of, such as V(ksm.run) or V(huge_pages.1GiB.node0.at_boot).
      type: str
    before:
      description: What the kernel has, of V(stored) what the next boot would have set.
      type: raw
    after:
      description: What it will be.
      type: raw
    class:
      description:
        - V(live) takes effect now, and is kept for the next boot.
        - V(stored) is so already, and is kept for the next boot.
        - V(restart) takes effect when the host is booted.
      type: str
    note:
      description: What else it does.
      type: str
      returned: where there is something
summary:
  description: The plan in one line.
  returned: always
  type: str
  sample: "plan: 1 change (1 live)"
pending_restart:
  description: What takes effect when the host is next booted. The fields are those of RV(plan).
  returned: always
  type: list
  elements: dict
  sample: []
host_memory:
  description: What is set, in check mode what would be.
  returned: always
  type: dict
  contains:
    ksm:
      description: The options of O(ksm) that this kernel has.
      type: dict
      sample:
        run: merge
        pages_to_scan: 200
        sleep_ms: 50
        merge_across_nodes: true
        use_zero_pages: false
    huge_pages:
      description: How many there are now, by size, on all nodes together.
      type: list
      elements: dict
      sample:
        - {size: 2MiB, count: 512}
        - {size: 1GiB, count: 0}
errors:
  description: Each thing that is wrong.
  returned: failure
  type: list
  elements: str
"""

from ..module_utils.kinds.host_memory.declared import SPEC
from ..module_utils.run.module import create_module
from ..module_utils.run.on_this_machine import run


def main() -> None:
    """Converge this machine's memory."""
    run(create_module(SPEC))


if __name__ == "__main__":
    main()
