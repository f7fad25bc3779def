#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vswitch_info: tells of the virtual switches of a KVM host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vswitch_info
short_description: Tells of the virtual switches of a KVM host
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Reads the virtual switches of a host over one connection, with their DHCP leases and the VMs
    that are on them.
options:
  names:
    description:
      - The vswitches to tell of, all if none is named. One that does not exist has the state
        V(absent).
    type: list
    elements: str
extends_documentation_fragment:
  - kvm.fleet.common
  - kvm.fleet.common.reads
seealso:
  - module: kvm.fleet.vswitch
"""

EXAMPLES = r"""
- name: All vswitches of this host, and who is on them
  kvm.fleet.vswitch_info:
  register: found

- name: The addresses that DHCP gave on each
  ansible.builtin.debug:
    msg: "{{ item.leases | map(attribute='ip') }}"
  loop: "{{ found.vswitches | selectattr('state', 'equalto', 'active') }}"
  loop_control:
    label: "{{ item.name }}"

- name: Stop where a vswitch does not yet do what it was told
  ansible.builtin.assert:
    that: item.pending_restart == []
  loop: "{{ found.vswitches }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
vswitches:
  description: The vswitches, by name. Options that are not set are left out.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the vswitch.
      type: str
      returned: always
      sample: lan
    state:
      description: V(active), V(inactive) or V(absent). Of an absent vswitch nothing else is told.
      type: str
      returned: always
      sample: active
    uuid:
      description: The network's UUID.
      type: str
      sample: 4f5ab1bf-3ae5-5b4b-9d44-0b3e3c3a4f0e
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
      description: Whether it is defined, and not only active until it is stopped.
      type: bool
      sample: true
    protected:
      description: Whether it must not be removed.
      type: bool
      sample: false
    type:
      description:
        - V(nat), V(isolated), V(routed), V(bridge), or libvirt's word for another forward mode.
      type: str
      sample: nat
    bridge:
      description: Its bridge on the host.
      type: str
      sample: vs-lan
    stp:
      description: Whether the bridge speaks the spanning tree protocol.
      type: bool
      sample: true
    forward_delay_s:
      description: Seconds before a port that was connected forwards frames.
      type: int
      sample: 0
    mtu:
      description: The MTU of the bridge; 0 where the kernel chooses.
      type: int
      sample: 1400
    address:
      description: The host's IPv4 address on it.
      type: str
      sample: 192.168.50.1/24
    address6:
      description: The host's IPv6 address on it.
      type: str
      sample: fd00:50::1/64
    dhcp:
      description: DHCP ranges and reservations for IPv4, as options of M(kvm.fleet.vswitch).
      type: dict
      sample:
        ranges: [{start: 192.168.50.100, end: 192.168.50.199}]
        hosts: [{mac: "52:54:00:50:00:10", ip: 192.168.50.10, name: web}]
    dhcp6:
      description: The same for IPv6.
      type: dict
      sample:
        ranges: [{start: "fd00:50::100", end: "fd00:50::1ff"}]
    domain:
      description: The DNS domain.
      type: str
      sample: lan.example
    dns:
      description: The DNS server, as options of M(kvm.fleet.vswitch).
      type: dict
      sample: {enabled: true, forwarders: [{address: 192.0.2.53}]}
    port_groups:
      description: The port groups, as options of M(kvm.fleet.vswitch).
      type: list
      elements: dict
      sample: [{name: normal, default: true}]
    nics:
      description: The NICs of VMs on it, those of running VMs as they run, others as stored.
      type: list
      elements: dict
      contains:
        vm:
          description: The VM.
          type: str
          sample: web
        mac:
          description: The MAC address of the NIC.
          type: str
          sample: "52:54:00:50:00:10"
        target:
          description: The tap device of the NIC on the host; empty where the VM does not run.
          type: str
          sample: vnet3
        running:
          description: Whether the VM runs.
          type: bool
          sample: true
        by_name:
          description: Whether the NIC names the vswitch, and not only its bridge.
          type: bool
          sample: true
    leases:
      description: The addresses that DHCP has given on an active vswitch.
      type: list
      elements: dict
      contains:
        ip:
          description: The address.
          type: str
          sample: 192.168.50.100
        mac:
          description: The MAC address of the NIC.
          type: str
          sample: "52:54:00:50:00:10"
        hostname:
          description: The name that the VM said, if it did.
          type: str
          sample: web
        client_id:
          description: The client's identity, for IPv6 its DUID.
          type: str
          sample: "01:52:54:00:50:00:10"
        expires:
          description: When the lease ends, in seconds since 1970; 0 if it does not.
          type: int
          sample: 1796042400
    pending_restart:
      description: The fields that take effect when the vswitch is next started.
      type: list
      elements: str
      sample: [mtu]
    unmanaged:
      description:
        - What the stored definition says and no option of M(kvm.fleet.vswitch) can, as paths in its
          XML. Every change keeps it.
        - An option whose value is none that one could declare is not told as such, but here, such
          as the type of a network on a device of the host (macvtap).
      type: list
      elements: str
      sample: [forward/interface, ip/tftp]
"""

from ..module_utils.information.module import tell
from ..module_utils.information.vswitch_facts import gather


def main() -> None:
    """Tell of the vswitches of one host."""
    tell({"names": {"type": "list", "elements": "str"}}, gather)


if __name__ == "__main__":
    main()
