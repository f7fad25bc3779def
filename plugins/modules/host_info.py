#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module host_info: tells what a KVM host is and carries."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Tells what a KVM host is and carries
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Reads from a host's libvirt what the host is, what VMs can be on it, what is there, and how
    much of it is taken. The number of calls does not grow with the number of VMs, but for
    O(promises).
  - M(kvm.fleet.host_probe) answers on a machine that has no libvirt yet.
options:
  promises:
    description:
      - Whether to tell what VMs and resource pools hold of the host, and what is free
        (RV(promises.held), RV(promises.free), RV(promises.consolidation)). Each VM is looked at for
        that.
    type: bool
    default: false
extends_documentation_fragment:
  - kvm.fleet.common
  - kvm.fleet.common.reads
seealso:
  - module: kvm.fleet.host_probe
  - module: kvm.fleet.vm_info
  - module: kvm.fleet.storage_info
  - module: kvm.fleet.vswitch_info
"""

EXAMPLES = r"""
- name: What this host is
  kvm.fleet.host_info:
  register: host

- name: Insist on acceleration
  ansible.builtin.assert:
    that: host.acceleration.accelerated
    fail_msg: "VMs would be emulated here: {{ host.acceleration.reason }}"

- name: Say how much memory is promised to VMs that run
  ansible.builtin.debug:
    msg: >-
      {{ (100 * host.allocated.running.memory_maximum_bytes / host.memory.total_bytes) | round }} %

- name: What can still be promised
  kvm.fleet.host_info:
    promises: true
  register: host

- name: Say it
  ansible.builtin.debug:
    msg: >-
      {{ host.promises.free.cpu }} cores and {{ host.promises.free.memory_bytes | human_readable }}
"""

RETURN = r"""
hypervisor:
  description: The software.
  returned: success
  type: dict
  contains:
    driver:
      description: libvirt's driver.
      type: str
      sample: QEMU
    hostname:
      description: The host's name.
      type: str
      sample: kvm1.example.org
    libvirt_version:
      description: The version of libvirt on the host.
      type: str
      sample: 9.0.0
    hypervisor_version:
      description: The version of QEMU.
      type: str
      sample: 7.2.22
cpu:
  description: The CPU.
  returned: success
  type: dict
  contains:
    arch:
      description: The architecture.
      type: str
      sample: x86_64
    model:
      description: The model of libvirt's that is nearest to it.
      type: str
      sample: EPYC-Rome
    vendor:
      description: The vendor.
      type: str
      sample: AMD
    count:
      description: How many logical CPUs are online.
      type: int
      sample: 48
    topology:
      description: Sockets, dies, cores and threads, of one NUMA cell.
      type: dict
      sample: {sockets: 1, dies: 1, cores: 24, threads: 2}
numa_cells:
  description: The NUMA cells.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The number of the cell.
      type: int
      sample: 0
    memory_bytes:
      description: Its memory.
      type: int
      sample: 67458273280
    cpus:
      description: Its logical CPUs.
      type: list
      elements: int
      sample: [0, 1, 2, 3]
memory:
  description: The memory. Where libvirt's driver has no figures, only the total.
  returned: success
  type: dict
  contains:
    total_bytes:
      description: All of it.
      type: int
      sample: 67458273280
    free_bytes:
      description: What nobody uses.
      type: int
      sample: 12079595520
    cached_bytes:
      description: What caches hold. Most of it is given up when it is needed.
      type: int
      sample: 31138512896
guests:
  description: What VMs of the host's own architecture can be.
  returned: success
  type: dict
  contains:
    virt_types:
      description: The types that libvirt offers. See RV(acceleration) for whether KVM works.
      type: list
      elements: str
      sample: [kvm, qemu]
    machine_families:
      description: The families of machine types, each with its newest version.
      type: dict
      sample: {pc: pc-i440fx-7.2, q35: pc-q35-7.2}
    efi:
      description: Whether there is UEFI firmware.
      type: bool
      sample: true
    secure_boot:
      description: Whether there is UEFI firmware with secure boot.
      type: bool
      sample: true
acceleration:
  description: Whether VMs run under KVM.
  returned: success
  type: dict
  contains:
    accelerated:
      description:
        - Whether they do. On the machine where the module runs it is proven, see
          M(kvm.fleet.host_probe); on others it is what libvirt says.
      type: bool
      sample: false
    virt_type:
      description: What V(auto) means as O(kvm.fleet.vm#module:virt_type).
      type: str
      sample: qemu
    reason:
      description: Why, or why not.
      type: str
      sample: /dev/kvm opens, but the CPU has neither vmx nor svm
nested:
  description:
    - Whether VMs may run VMs of their own. Null while no KVM module is loaded, and for a host other
      than the machine where the module runs.
  returned: success
  type: bool
  sample: true
vms:
  description: How many VMs there are in each state.
  returned: success
  type: dict
  sample: {running: 12, paused: 0, stopped: 3, saved: 1, crashed: 0}
allocated:
  description: What VMs have of the host. 0 where libvirt's driver has no figures.
  returned: success
  type: dict
  contains:
    running:
      description:
        - What those that are running or paused have at present, and what they can have without a
          restart.
      type: dict
      sample:
        vcpus: 30
        vcpus_maximum: 64
        memory_bytes: 34359738368
        memory_maximum_bytes: 68719476736
    defined:
      description: The same of all VMs, as if all of them ran.
      type: dict
      sample:
        vcpus: 36
        vcpus_maximum: 72
        memory_bytes: 42949672960
        memory_maximum_bytes: 85899345920
storage_pools:
  description: The storage pools, by name. M(kvm.fleet.storage_info) tells more of them.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name.
      type: str
      sample: images
    state:
      description: V(active) or V(inactive).
      type: str
      sample: active
vswitches:
  description: The vswitches, by name. M(kvm.fleet.vswitch_info) tells more of them.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name.
      type: str
      sample: lan
    state:
      description: V(active) or V(inactive).
      type: str
      sample: active
promises:
  description: What the host can promise to VMs, and who sees that it holds.
  returned: success
  type: dict
  contains:
    capacity:
      description:
        - Its cores and memory, how much of that is in huge pages, and what is kept for the host
          itself (C(reserve)), as its policy says or by its size.
      type: dict
      sample:
        cpu: 48
        memory_bytes: 67458273280
        huge_pages_bytes: 0
        reserve: {cpu: 1.0, memory_bytes: 3373268992}
    policy:
      description:
        - What C(/etc/kvm-fleet/admission.json) says of what is admitted, or the default. Null for a
          host other than the machine where the module runs.
      type: dict
      sample: {admission: strict, vcpu_per_core: null, memory_ratio: null}
    enforced_by:
      description:
        - The hook, the version of it that is C(installed), empty without one, and whether the
          daemon that runs has C(called) it; the version of cgroups, and whether systemd runs. Null
          as above.
      type: dict
      sample: {hook: {installed: 3f2a9c, called: true}, cgroup: 2, systemd: true}
    faults:
      description: What went wrong with the hook, or is wrong with the policy.
      type: list
      elements: str
      sample: []
    held:
      description:
        - What VMs that run or start with the host hold, QEMU's own memory included, and resource
          pools; cores, and bytes beside huge pages.
      returned: with O(promises)
      type: dict
      sample: {cpu: 12.5, memory_bytes: 34359738368}
    free:
      description: What can still be promised, also of huge pages by size and in each pool.
      returned: with O(promises)
      type: dict
      sample:
        cpu: 34.5
        memory_bytes: 29725265920
        huge_pages: {"2MiB": 0, "1GiB": 0}
        resource_pools: {gold: {cpu: 4.0, memory_bytes: 8589934592}}
    consolidation:
      description:
        - How many vCPUs those VMs have, how many that is for each core, and how much memory of what
          the host has for VMs.
      returned: with O(promises)
      type: dict
      sample: {vcpus: 96, vcpu_per_core: 2.0, memory_ratio: 0.871}
huge_pages:
  description:
    - Huge pages by size, in all (C(node) is null) and by NUMA node; C(used) are those that programs
      have or were promised. Of another host than the machine where the module runs only the total.
  returned: success
  type: list
  elements: dict
  sample:
    - {size: 2MiB, node: null, total: 512, free: 448, used: 64}
    - {size: 2MiB, node: 0, total: 512, free: 448, used: 64}
ksm:
  description:
    - How equal pages of VMs are merged, in the words of M(kvm.fleet.host_memory), what is merged
      (C(shared_bytes)) and how much memory that saves (C(saved_bytes)). Of another host than the
      machine where the module runs without C(run).
  returned: success
  type: dict
  sample:
    run: merge
    pages_to_scan: 100
    sleep_ms: 20
    merge_across_nodes: true
    use_zero_pages: false
    shared_bytes: 62914560
    saved_bytes: 251658240
pressure:
  description:
    - How long tasks on the host waited for C(cpu), C(io) or C(memory), in percent of the last 10,
      60 and 300 seconds and in total; C(some) of them, or C(full), all at once. Empty for another
      host, and where the kernel does not count it.
  returned: success
  type: dict
  sample:
    memory:
      some: {avg10: 0.0, avg60: 0.04, avg300: 0.0, total_us: 290264185}
      full: {avg10: 0.0, avg60: 0.04, avg300: 0.0, total_us: 56050505}
"""

from ..module_utils.information.hypervisor_facts import gather
from ..module_utils.information.module import tell


def main() -> None:
    """Tell of one host."""
    tell({"promises": {"type": "bool", "default": False}}, gather)


if __name__ == "__main__":
    main()
