#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module reservation: promises CPU and memory to a VM that is there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: reservation
short_description: Promises CPU and memory to a VM that is there
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Sets what a virtual machine is promised of its host and what it may take of it, and nothing
    else. The VM has to be there, whether M(kvm.fleet.vm) made it, virt-install or anybody else.
  - The options are those of M(kvm.fleet.vm), and so are the plan, the classes of its changes and
    the checks. An option that is omitted is not managed, and all else of the definition stays.
  - A VM that is declared with M(kvm.fleet.vm) or in M(kvm.fleet.host_config) has its place for
    these options there. Declared in both with different values, the two undo each other's work.
notes:
  - Sizes are written with their unit, such as V(2GiB) or V(512MiB), never as a bare number. The
    units are B, KiB, MiB, GiB, TiB and PiB.
options:
  vm:
    description:
      - Name of the VM, which has to be there. Who made it does not matter.
    type: str
    required: true
  cpu:
    description:
      - What of the CPU is promised to the VM, and kept from it.
    type: dict
    suboptions:
      reservation:
        description:
          - How many cores' time is promised to the VM, such as V(2) or V(0.5), with 3 decimals at
            most. No more than its vCPUs can use (O(kvm.fleet.vm#module:cpu.count)), and not above
            O(cpu.limit). V(0) takes it away.
          - The kernel has no such thing. It is kept in the VM's metadata, no more is promised than
            the host has, and the weights of control groups (C(cpu.weight)) are such that the VM
            gets at least this when all are busy.
          - Changes live.
        type: float
      limit:
        description:
          - How many cores' time the VM can use at most, such as V(2) or V(0.5), with 3 decimals at
            most. All its threads count, also those of the emulator. V(0) takes the limit away.
          - In the kernel it is the quota of the VM's control group (C(cpu.max), or
            C(cpu.cfs_quota_us) in version 1), in libvirt C(global_quota) of C(cputune), of a
            C(global_period) of 100 ms. Where somebody set another period, it is kept.
          - Changes live.
        type: float
      shares:
        description:
          - How much of the CPU the VM gets, against others beside it, where not all can have what
            they want. Twice the shares are twice the time. V(low), V(normal) and V(high) are 50,
            100 and 200 for each vCPU of O(kvm.fleet.vm#module:cpu.count), 10000 at most, and are
            stored and shown as that number. A number is from 2 to 10000. V(0) takes them away, and
            what counts is the kernel's own weight, which is 100.
          - In the kernel it is the weight of the VM's control group (C(cpu.weight), or
            C(cpu.shares) in version 1), in libvirt C(shares) of C(cputune).
          - Changes live, but for V(0).
        type: str
      dedicated:
        description:
          - Whether each vCPU has a CPU of the host of its own. They are chosen among those that no
            other VM has alone, and kept from then on, as O(cpu.pinning.vcpus), or are the ones that
            are written there. They are of one NUMA node where one has enough, whole cores come
            before single threads of cores, and the core of CPU 0 comes last. There is one for each
            vCPU up to O(kvm.fleet.vm#module:cpu.maximum), and one at least is left for all else.
          - All other threads of the VM run apart, on what is nobody's own, as
            O(cpu.pinning.emulator) and O(cpu.pinning.iothreads) where these are not written.
          - What is dedicated counts as O(cpu.reservation). V(false) takes the pins away as well.
          - In the kernel it is the pinning, and that the control groups of all other VMs are kept
            off these CPUs (C(AllowedCPUs) of systemd) by what the role P(kvm.fleet.kvm_host#role)
            installs. Other processes of the host are not kept off.
          - Changes live, but where vCPUs are to run anywhere again.
        type: bool
      pinning:
        description:
          - On which CPUs of the host the VM's threads run, each a list such as V(0-3,8). A CPU that
            the host does not have is an error.
          - In the kernel these are the CPUs of a thread's control group (C(cpuset.cpus)) and the
            affinity of the thread, in libvirt C(vcpupin), C(emulatorpin) and C(iothreadpin) of
            C(cputune).
          - Changes live, but where a thread that was pinned is to run anywhere again.
        type: dict
        suboptions:
          vcpus:
            description:
              - The CPUs of each vCPU, which are counted from 0. A vCPU that is left out is not
                pinned, and V({}) takes all of it away.
            type: dict
          emulator:
            description:
              - The CPUs of all threads that are neither of a vCPU nor for I/O. An empty string
                takes it away.
            type: str
          iothreads:
            description:
              - The CPUs of each I/O thread by its number. One that is left out is not pinned, and
                V({}) takes all of it away.
            type: dict
  memory:
    description:
      - What of the memory is promised to the VM, and kept from it.
    type: dict
    suboptions:
      reservation:
        description:
          - How much of its memory the host holds for the VM, a multiple of 1 KiB, at most
            O(kvm.fleet.vm#module:memory.maximum). V(0B) reserves nothing. Changes live.
          - In the kernel a size is C(memory.min) of the VM's control group and of those above it,
            set by the hook of the role P(kvm.fleet.kvm_host#role) at each start. What is there is
            not reclaimed as long as it is within. Without the hook nothing holds it.
          - V(all) is all that the VM may have, whatever that becomes. It brings O(memory.locked)
            unless the memory is in huge pages, and takes that away again when it goes.
          - Libvirt has no word for it (its C(min_guarantee) is refused for QEMU), so it stands in
            the definition's metadata.
        type: str
      limit:
        description:
          - How much memory the VM may take of the host, what QEMU itself needs included, a multiple
            of 1 KiB. V(0B) is no limit. Changes live where the VM has a control group for memory.
          - In the kernel it is C(memory.max) of the VM's control group (libvirt's C(hard_limit)).
            The kernel kills a VM that passes it, so a limit is refused that is less than
            O(kvm.fleet.vm#module:memory.maximum) and what QEMU needs beside it. What a guest shall
            have is O(kvm.fleet.vm#module:memory.size).
          - Huge pages are not charged to a VM and do not count.
        type: str
      locked:
        description:
          - Whether all of QEMU's memory is locked (C(mlockall)), so that nothing of it is ever
            swapped out. All of O(kvm.fleet.vm#module:memory.maximum) is then taken from the host at
            the start.
          - With O(memory.limit) that has to have place for all that QEMU maps, several hundred MiB
            more than the guest has.
        type: bool
      ksm:
        description:
          - Whether the kernel may merge pages of the VM that others have too (C(madvise) with
            C(MADV_MERGEABLE)). It does where KSM runs on the host. V(false) keeps the pages of this
            VM to itself (libvirt's C(nosharepages)).
        type: bool
      huge_pages:
        description:
          - The size of the huge pages in which the VM's memory is, such as V(2MiB) or V(1GiB), or
            V(none). In the kernel they come from the host's pool of pages of that size (hugetlbfs),
            are never swapped out, and are not charged to the VM's control group.
          - A VM starts only where enough of them are free. Where they are not, the plan has a
            change C(host_huge_pages) that grows the host's pool before the start. The pages stay
            there until the host restarts. What the kernel cannot find memory in one piece for is an
            error, and the pool is then as it was.
        type: str
  numa:
    description:
      - Where on the host's NUMA nodes the VM is.
    type: dict
    suboptions:
      placement:
        description:
          - On which NUMA nodes of the host the VM's memory is. A node that the host does not have
            is an error.
          - In the kernel it is the memory policy of QEMU (C(mbind)) and C(cpuset.mems) of the VM's
            control group, in libvirt C(memory) of C(numatune). What others wrote there for single
            cells stays.
          - The kernel moves no memory that is in use, so it takes effect at the next start.
        type: dict
        suboptions:
          mode:
            description:
              - V(strict) takes memory of these nodes alone, and the VM fails where they have none
                left. V(preferred) takes it elsewhere then, V(interleave) takes it in turn of each.
                V(none) takes the placement away, and the kernel takes memory of the node on which
                the thread runs that asks for it.
              - Where only O(numa.placement.nodes) are written, it is V(strict).
            type: str
            choices: [strict, preferred, interleave, none]
          nodes:
            description:
              - Numbers of nodes as a list, such as V(0) or V(0-1). An empty string takes the
                placement away.
            type: str
  apply:
    description:
      - What may happen to a VM that runs.
      - V(live) changes what can be changed at once, stores the rest, and returns it in
        RV(pending_restart).
      - V(next_boot) only stores changes.
      - V(restart) also shuts the VM down, as O(shutdown) says, and starts it again when something
        waits for that. Without such changes it does not. A run that is interrupted between the two
        leaves a mark in the VM's metadata, and the next one starts the VM.
      - The image of a saved VM cannot be changed. What changes waits until it has been restored and
        restarted. With O(kvm.fleet.vm#module:state=running) it is restored first, and then changed
        as one that runs.
    type: str
    choices: [live, next_boot, restart]
    default: live
extends_documentation_fragment:
  - kvm.fleet.common.plans
  - kvm.fleet.common.vms
  - kvm.fleet.common.admission
  - kvm.fleet.common.attributes
seealso:
  - module: kvm.fleet.vm
  - module: kvm.fleet.vm_info
  - module: kvm.fleet.resource_pool
"""

EXAMPLES = r"""
- name: Two cores for a VM that virt-install made, and half of its memory
  kvm.fleet.reservation:
    vm: imported
    cpu: {reservation: 2, shares: high}
    memory: {reservation: 4GiB}

- name: No more than half a core, and a place in a pool
  kvm.fleet.reservation:
    vm: build
    cpu: {limit: 0.5, shares: low}
    resource_pool: batch

- name: Cores of its own, and all of its memory
  kvm.fleet.reservation:
    vm: trading
    cpu: {dedicated: true}
    memory: {reservation: all, huge_pages: 2MiB}
    apply: restart

- name: Nothing is promised any more
  kvm.fleet.reservation:
    vm: imported
    cpu: {reservation: 0, limit: 0, shares: 0, dedicated: false}
    memory: {reservation: 0B, limit: 0B}
    resource_pool: ""
"""

RETURN = r"""
summary:
  description: The plan in one line, as it ends RV(diff); how many changes of which class, what is
    restarted, what waits for a restart, and what is removed.
  returned: always
  type: str
  sample: "plan: 3 changes (2 live, 1 restart); waits for a restart: vm/web"
made_from:
  description:
    - By what the plan can be known again, of each resource that would be changed; for O(expect).
  returned: in check mode
  type: dict
  contains:
    digest:
      description: A digest of all that the plan was made from, and of the plan.
      type: str
    facts:
      description: The digest of each fact that the plan was made from.
      type: dict
    plan:
      description: The digest of the rows of RV(plan).
      type: str
  sample:
    vm/web:
      digest: 1f0d8ae2b3c94a5d9d1c6a3c5f2e7b80
      facts: {"vm web": 8c1f2d3e4b5a6978}
      plan: 0a1b2c3d4e5f6071
plan:
  description:
    - All that changes, in check mode all that would change.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: What is changed.
      type: str
      returned: always
      sample: vm/web
    field:
      description: The option; the threads of a mapping are one field.
      type: str
      returned: always
      sample: cpu.limit
    before:
      description: Its value as it was stored.
      type: raw
      returned: always
      sample: 0
    after:
      description: Its value as it will be.
      type: raw
      returned: always
      sample: 1.5
    live:
      description: Its value in the VM that runs, where that is another than the stored one.
      type: raw
      returned: when it differs
      sample: 1
    class:
      description:
        - V(live) takes effect now, V(hotplug) too, as a device that comes or goes, V(restart) when
          the VM is next powered on. V(stored) is a change of the definition that needs no effect on
          what runs.
      type: str
      returned: always
      sample: live
    note:
      description: What else happens, such as the steps to another power state.
      type: str
      returned: when there is something to say
      sample: shutdown
diff:
  description: The same as a before and after in YAML, for each thing that changes, and RV(summary).
  returned: always
  type: list
  elements: dict
pending_restart:
  description:
    - Fields in which what is stored will differ from what runs, as in RV(plan). RV(plan[].before)
      is what runs, RV(plan[].after) what is stored.
  returned: always
  type: list
  elements: dict
  sample:
    - {resource: vm/web, field: cpu.maximum, before: 4, after: 8, class: restart}
vm:
  description: The VM as it is stored, in the terms of the options, its UUID and its state.
  returned: success
  type: dict
  sample:
    name: web
    uuid: 5c3a9b7e-6f0f-5d38-9d6c-9a6f7c1f0c55
    managed: false
    state: running
    cpu: {count: 4, maximum: 4, reservation: 2, limit: 0, shares: 400}
    memory: {size: 8GiB, maximum: 8GiB, reservation: 4GiB}
    resource_pool: gold
errors:
  description: Every mistake in the declaration, or what failed.
  returned: failure
  type: list
  elements: str
  sample: ["vm/web cpu.reservation: 3 cores are more than its vCPUs can use: cpu.count is 2"]
warnings:
  description: What to know about the plan, such as what it takes for granted.
  returned: when there is something to say
  type: list
  elements: str
  sample: ["vm/web: does not exist yet; the plan assumes that it will"]
"""

from ..module_utils.kinds.vm.reservation import KIND as RESERVATION
from ..module_utils.run.module import ADMISSION_SPEC, CHANGES_SPEC, create_module
from ..module_utils.run.planning import Promising, Rule
from ..module_utils.run.runner import run


def _rules_of_changes() -> tuple[Rule, ...]:
    from ..module_utils.kinds.together.vm_rules import RULES

    return RULES


def _promising() -> Promising:
    from ..module_utils.run import promising

    return promising


def main() -> None:
    module = create_module({**CHANGES_SPEC, **ADMISSION_SPEC, **RESERVATION.spec()})
    run(
        module,
        kinds=(RESERVATION,),
        parse=RESERVATION.parse,
        shown=RESERVATION.name,
        rules_of_changes=_rules_of_changes,
        promising=_promising,
    )


if __name__ == "__main__":
    main()
