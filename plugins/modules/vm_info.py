#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_info: tells of the virtual machines of a KVM host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_info
short_description: Tells of the virtual machines of a KVM host
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Reads the VMs of a host over one connection, as they are stored and as they run, with the
    addresses of their NICs and on request their statistics.
options:
  names:
    description:
      - The VMs to tell of, all if none is named. One that does not exist has the state V(absent).
    type: list
    elements: str
  addresses:
    description:
      - Where to look for the addresses of NICs, everywhere if nothing is said. An empty list looks
        nowhere.
      - V(lease) are those that the DHCP servers of vswitches gave.
      - V(agent) asks the QEMU guest agent where it has opened its channel. One that does not
        answer within 5 seconds is told of as V(unresponsive). Afterwards the time that libvirt
        gives the agent of that VM is libvirt's own default again.
      - V(arp) are those in the ARP table of the host. libvirt 9.0 cannot read that of recent
        kernels, which gives a warning where V(arp) is in the list.
    type: list
    elements: str
    choices: [lease, agent, arp]
  statistics:
    description:
      - Whether to tell the statistics of running VMs too. A VM that is busy with something else
        in libvirt is not waited for; what it would have to be asked for is left out.
    type: bool
    default: false
  resources:
    description:
      - Whether to tell what running VMs were promised and limited to, what the kernel has for them,
        and what they use of it (RV(vms[].resources)).
      - What the kernel has is read from the cgroup of each VM, where cgroups are of version 2 and
        the module runs on the VMs' own machine, for the system's libvirt daemon. Elsewhere what is
        declared and what libvirt counts is told, and the rest is left out.
    type: bool
    default: false
extends_documentation_fragment:
  - kvm.fleet.common
  - kvm.fleet.common.reads
seealso:
  - module: kvm.fleet.vm
  - module: kvm.fleet.host_info
"""

EXAMPLES = r"""
- name: All VMs of this host
  kvm.fleet.vm_info:
  register: found

- name: The addresses of each that runs
  ansible.builtin.debug:
    msg: "{{ item.addresses | map(attribute='address') }}"
  loop: "{{ found.vms | selectattr('state', 'equalto', 'running') }}"
  loop_control:
    label: "{{ item.name }}"

- name: Wait until a VM has an address
  kvm.fleet.vm_info:
    names: [web]
    addresses: [lease, agent]
  register: web
  until: web.vms[0].addresses | default([]) | length > 0
  retries: 30
  delay: 2

- name: Stop where a VM does not yet do what it was told
  ansible.builtin.assert:
    that: item.pending_restart == []
  loop: "{{ found.vms }}"
  loop_control:
    label: "{{ item.name }}"

- name: What one VM uses
  kvm.fleet.vm_info:
    names: [web]
    addresses: []
    statistics: true
- name: What the kernel holds for VMs that were promised memory
  kvm.fleet.vm_info:
    addresses: []
    resources: true
  register: found
  failed_when: >-
    found.vms | selectattr('resources.memory.reservation_bytes', 'defined')
    | rejectattr('resources.memory.held_bytes', '>', 0) | list | length > 0
"""

RETURN = r"""
vms:
  description: The VMs, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the VM.
      type: str
      returned: always
      sample: web
    state:
      description:
        - V(running), V(paused), V(stopped), V(saved), V(crashed) or V(absent). Of an absent VM
          nothing else is told.
      type: str
      returned: always
      sample: running
    uuid:
      description: The VM's UUID.
      type: str
      sample: 5c3a9b7e-6f0f-5d38-9d6c-9a6f7c1f0c55
    managed:
      description:
        - Whether this collection made it, by a mark for this very UUID in its metadata. Pruning by
          M(kvm.fleet.host_config) takes no other. A clone by another program is not managed.
      type: bool
      sample: true
    autostart:
      description: Whether it starts with the host.
      type: bool
      sample: true
    persistent:
      description: Whether it is defined, and not only running until it is stopped.
      type: bool
      sample: true
    cpu:
      description:
        - The vCPUs as they are stored. This and everything else that is stored is told beside it,
          as options of M(kvm.fleet.vm), without those that are not set.
      type: dict
      sample: {count: 2, maximum: 8, mode: host-model}
    memory:
      description: The memory as it is stored.
      type: dict
      sample: {size: 2GiB, maximum: 8GiB, balloon: virtio, balloon_stats_period_s: 0}
    disks:
      description: The disks as they are stored.
      type: list
      elements: dict
      sample:
        - name: root
          file: /var/lib/libvirt/images/web-root.qcow2
          bus: virtio
          format: qcow2
    nics:
      description: The NICs as they are stored.
      type: list
      elements: dict
      sample:
        - {name: lan, vswitch: lan, mac: "52:54:00:2a:77:91", model: virtio, link: up}
    unmanaged:
      description:
        - What the stored definition says and no option of M(kvm.fleet.vm) can, as paths in its
          XML, a disk or NIC by its name. Every change keeps it.
        - An option whose value is none that one could declare is not told as such, but here.
      type: list
      elements: str
      sample: [devices/hostdev, "devices/interface[lan]/filterref"]
    live:
      description:
        - The same options as the VM runs with them, null where it does not run. Of a saved VM, what
          it will run with.
        - The memory's size is the stored one, since the guest's driver follows it as it can. What
          it has reached is in RV(vms[].statistics).
      type: dict
      sample:
        cpu: {count: 2, maximum: 4, mode: host-model}
    pending_restart:
      description: The fields that take effect when the VM is next powered on.
      type: list
      elements: str
      sample: [cpu.maximum]
    snapshots:
      description: The snapshots that libvirt has a record of, the oldest first.
      type: list
      elements: dict
      contains:
        name:
          description: The name of the snapshot.
          type: str
          sample: before-upgrade
        state:
          description: What the VM did when it was taken, or C(disk-snapshot) of disks alone.
          type: str
          sample: disk-snapshot
        disk_only:
          description: Whether it was taken of the disks of a running VM without its memory.
          type: bool
          sample: true
        internal:
          description: Whether images of disks hold it, rather than overlays above them.
          type: bool
          sample: false
        current:
          description: Whether it is the one from which the VM went on.
          type: bool
          sample: true
        parent:
          description: The name of the snapshot before it, empty of the first.
          type: str
          sample: ""
        created:
          description: When it was taken.
          type: str
          sample: "2026-11-26T12:20:47Z"
    backing_chains:
      description:
        - Of each disk that stands on other images, by the disk's name, all of them from the one
          that the VM writes to downwards, as after a snapshot or of a linked clone.
        - Of VMs that run on them where they run. What only headers of images tell is not told by
          a host that is not the machine where the module runs.
      type: dict
      sample:
        root:
          - /var/lib/libvirt/images/web-root.before-upgrade
          - /var/lib/libvirt/images/web-root.qcow2
    migration:
      description:
        - Whether it can move to another host as it is now, C(live) or C(offline), as far as its own
          host tells. C(reasons) say what binds it to its host, by which of the modes is ruled out,
          and what to do. That it runs or not at the moment is none.
        - What a host has to have for it M(kvm.fleet.migration_check) tells.
      type: dict
      sample:
        live: false
        offline: false
        reasons:
          - >-
            live: devices/filesystem: shares the folder /srv of its host (virtiofs); unmount it in
            the guest and take it out first, or move the VM offline
    guest_agent:
      description:
        - V(none) where the VM has no channel for it, V(disconnected) where nobody in the guest has
          opened that, V(connected), or V(unresponsive) where it was asked and did not answer.
      type: str
      sample: connected
    addresses:
      description: The addresses of its NICs, each once.
      type: list
      elements: dict
      contains:
        nic:
          description: The NIC by its name in the VM.
          type: str
          sample: lan
        mac:
          description: The NIC's MAC address.
          type: str
          sample: "52:54:00:2a:77:91"
        address:
          description: The IPv4 or IPv6 address.
          type: str
          sample: 192.168.50.117
        prefix:
          description: The length of the network's prefix, 0 where only the ARP table knows.
          type: int
          sample: 24
        sources:
          description: Who knows the address, of V(agent), V(arp) and V(lease).
          type: list
          elements: str
          sample: [agent, lease]
    statistics:
      description: What a running VM used since it was started.
      returned: when it was asked for and the VM runs
      type: dict
      contains:
        cpu:
          description: CPU time in nanoseconds, of the guest and of the emulator for it.
          type: dict
          sample: {time_ns: 8164881000, user_ns: 6725103000, system_ns: 1439777000}
        memory:
          description:
            - What the balloon leaves to the guest, how much that can be, and what the process has
              of the host's memory (C(rss_bytes)).
            - The rest is what the guest's driver reports, how much it sees, how much nobody uses,
              and how much it could have without swapping.
          type: dict
          sample:
            balloon_bytes: 2147483648
            maximum_bytes: 8589934592
            rss_bytes: 1207959552
            available_bytes: 2063597568
            unused_bytes: 901775360
            usable_bytes: 1499463680
        disks:
          description: Disks and CD-ROMs, with their target in the definition.
          type: list
          elements: dict
          sample:
            - name: root
              target: vda
              read_requests: 6213
              read_bytes: 201326592
              write_requests: 1822
              write_bytes: 41943040
              capacity_bytes: 21474836480
              allocation_bytes: 1288490188
        nics:
          description: NICs, with their tap device on the host; received and sent by the VM.
          type: list
          elements: dict
          sample:
            - name: lan
              target: vnet3
              received_bytes: 3134
              received_packets: 49
              received_errors: 0
              received_drops: 0
              sent_bytes: 516
              sent_packets: 6
              sent_errors: 0
              sent_drops: 0
    resources:
      description:
        - What a running VM was promised and limited to, what the kernel has for it, and what it
          uses. What was not declared, or is not told here, is left out.
      returned: when it was asked for and the VM runs
      type: dict
      contains:
        resource_pool:
          description: The pool in which it runs, empty where it is in none.
          type: str
          sample: gold
        cgroup:
          description: Its cgroup, below C(/sys/fs/cgroup).
          type: str
          sample: '/machine.slice/machine-gold.slice/machine-qemu\x2d1\x2dweb.scope'
        cpu:
          description:
            - C(reservation) and C(limit) in cores, C(shares) and C(dedicated) are what it runs
              with.
            - C(weight) is the kernel's C(cpu.weight), C(max) the tightest C(cpu.max) in cores, null
              without one, and C(allowed) the CPUs on which it may run.
            - C(usage_us) is its CPU time, C(throttled_us) how long its limit held it, and
              C(delay_ns) how long its vCPUs waited for a CPU, which the guest sees as steal.
          type: dict
          sample:
            reservation: 1.5
            limit: 3.5
            shares: 400
            weight: 400
            max: 3.5
            allowed: 0-7
            usage_us: 815200
            throttled_us: 0
            delay_ns: 7481432201
        memory:
          description:
            - C(reservation_bytes), C(limit_bytes), C(locked) and C(huge_page_bytes), the size of a
              page, are what it runs with.
            - C(min_bytes) is the kernel's C(memory.min), C(held_bytes) the least that it and all
              cgroups around it have of that, and C(max_bytes) the tightest C(memory.max), null
              without one.
            - C(current_bytes) and C(swap_bytes) are what the kernel counts for it, without huge
              pages and without what KSM has merged, which is C(merged_bytes).
            - The rest is that of RV(vms[].statistics.memory).
          type: dict
          sample:
            reservation_bytes: 2147483648
            min_bytes: 2231369728
            held_bytes: 2231369728
            max_bytes: null
            current_bytes: 1207959552
            swap_bytes: 0
            merged_bytes: 0
            balloon_bytes: 2147483648
            usable_bytes: 1499463680
        pressure:
          description:
            - How long something in it waited for C(cpu), C(io) or C(memory), in percent of the last
              10, 60 and 300 seconds and in total; C(some) of it, or C(full), all at once.
          type: dict
          sample:
            cpu:
              some: {avg10: 4.36, avg60: 7.24, avg300: 2.76, total_us: 9640599}
              full: {avg10: 4.26, avg60: 5.43, avg300: 1.97, total_us: 6906197}
"""

from ..module_utils.information.module import tell
from ..module_utils.information.vm_facts import gather
from ..module_utils.kinds.vm.reader_addresses import SOURCES


def main() -> None:
    """Tell of the VMs of one host."""
    spec = {
        "names": {"type": "list", "elements": "str"},
        "addresses": {"type": "list", "elements": "str", "choices": list(SOURCES)},
        "statistics": {"type": "bool", "default": False},
        "resources": {"type": "bool", "default": False},
    }
    tell(spec, gather)


if __name__ == "__main__":
    main()
