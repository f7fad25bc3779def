#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vswitch: declares a virtual switch of a KVM host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vswitch
short_description: Declares a virtual switch of a KVM host
version_added: "0.1.0"
description:
  - Makes a virtual switch be as it is declared, as a libvirt network.
  - A switch of type V(nat), V(isolated) or V(routed) is a Linux bridge that libvirt runs, with an
    address of the host on it, DHCP and DNS (dnsmasq) and firewall rules. One of type V(bridge) is a
    bridge that the host has already, to which libvirt only connects VMs.
  - An option that is omitted is not managed. On a vswitch that is there it keeps what it has.
  - DHCP ranges and reservations, DNS hosts and port groups of a vswitch that is active are changed
    in place. A change of DHCP ranges makes libvirt start its dnsmasq again, which keeps its leases.
    All else is stored, and takes effect when the vswitch is next started; see O(apply).
  - The bridge's MAC address and the network's UUID are derived from the name, so a vswitch that is
    made again is the same vswitch.
author:
  - kvm.fleet contributors (@kvm-fleet)
extends_documentation_fragment:
  - kvm.fleet.common.plans
  - kvm.fleet.common.attributes
options:
  name:
    description:
      - Name of the vswitch, which is that of the libvirt network.
    type: str
    required: true
  state:
    description:
      - V(active) means defined and active, V(inactive) means defined and stopped. One that was
        stopped under running VMs takes their NICs up again when it starts.
      - V(present) means defined, and leaves alone whether it is active. A new one is not.
      - V(inactive) and V(absent) are refused while running VMs are attached.
    type: str
    choices: [active, inactive, present, absent]
    default: active
  type:
    description:
      - V(nat) reaches other networks through the host's own address.
      - V(routed) reaches them with the VMs' addresses; other routers have to know the way back.
      - V(isolated) connects VMs with each other and with the host.
      - V(bridge) is a bridge of the host, named in O(bridge), which this module does not make.
      - The type of an existing vswitch cannot become or cease to be V(bridge).
      - Networks of other types, which others made (on a device of the host by macvtap, C(hostdev),
        C(open)), keep theirs. All else that they have can be declared without this option.
      - A new vswitch is V(nat) where nothing is said.
    type: str
    choices: [nat, isolated, routed, bridge]
  bridge:
    description:
      - Name of the bridge on the host, of up to 15 characters.
      - Required for O(type=bridge). A new vswitch of another type has V(vs-NAME), or a name derived
        from its own where that is too long.
    type: str
  stp:
    description:
      - Whether the bridge speaks the spanning tree protocol. A new vswitch does.
    type: bool
  forward_delay_s:
    description:
      - Seconds before a port that was connected forwards frames, from 0 to 30. A new vswitch has
        V(0).
    type: int
  mtu:
    description:
      - MTU of the bridge and of the NICs on it, from 68 to 65535. V(0) leaves it to the kernel.
      - VMs that run take it up when they are next started.
    type: int
  address:
    description:
      - IPv4 address of the host on the vswitch, with the length of the network's prefix, such as
        V(192.168.50.1/24). An empty string takes it away, with its DHCP.
      - The network must not overlap with that of another vswitch or interface of the host.
    type: str
  dhcp:
    description:
      - DHCP on the IPv4 address.
    type: dict
    suboptions:
      ranges:
        description:
          - Ranges of addresses to give to VMs.
        type: list
        elements: dict
        suboptions:
          start:
            description:
              - First address. It identifies the range.
            type: str
            required: true
          end:
            description:
              - Last address. Required for a new range.
            type: str
          state:
            description:
              - Whether the range is to be there.
            type: str
            choices: [present, absent]
            default: present
      hosts:
        description:
          - Addresses reserved for certain VMs. Each is known by a MAC address, be it by
            O(dhcp.hosts[].mac) or by O(dhcp.hosts[].vm) and O(dhcp.hosts[].nic); without any by its
            O(dhcp.hosts[].name).
        type: list
        elements: dict
        suboptions:
          mac:
            description:
              - MAC address of the VM's NIC, in small or capital letters.
            type: str
          vm:
            description:
              - Name of the VM, with O(dhcp.hosts[].nic) in place of O(dhcp.hosts[].mac). The
                reservation is for the MAC address that the NIC is declared with in the same task,
                or else has on the host, or else will get. The filter P(kvm.fleet.mac#filter) tells
                that one too.
            type: str
          nic:
            description:
              - Name of the VM's NIC.
            type: str
          ip:
            description:
              - Address that is reserved. Required for a new reservation.
            type: str
          name:
            description:
              - Host name that the VM is given, which DNS then knows too. Without a MAC address it
                is the name that the VM itself gives, by which it is known then.
            type: str
          state:
            description:
              - Whether the reservation is to be there.
            type: str
            choices: [present, absent]
            default: present
  address6:
    description:
      - IPv6 address of the host on the vswitch, with the length of the network's prefix, such as
        V(fd00:50::1/64). An empty string takes it away, with its DHCP.
    type: str
  dhcp6:
    description:
      - DHCP on the IPv6 address.
    type: dict
    suboptions:
      ranges:
        description:
          - Ranges of addresses to give to VMs.
        type: list
        elements: dict
        suboptions:
          start:
            description:
              - First address. It identifies the range.
            type: str
            required: true
          end:
            description:
              - Last address. Required for a new range.
            type: str
          state:
            description:
              - Whether the range is to be there.
            type: str
            choices: [present, absent]
            default: present
      hosts:
        description:
          - Addresses reserved for certain VMs. Each is known by its O(dhcp6.hosts[].id), or without
            one by its O(dhcp6.hosts[].name).
        type: list
        elements: dict
        suboptions:
          id:
            description:
              - DUID of the VM, bytes in hexadecimal with colons, in small or capital letters.
            type: str
          ip:
            description:
              - Address that is reserved. Required for a new reservation.
            type: str
          name:
            description:
              - Host name that the VM is given, which DNS then knows too. Without a DUID it is the
                name that the VM itself gives, by which it is known then.
            type: str
          state:
            description:
              - Whether the reservation is to be there.
            type: str
            choices: [present, absent]
            default: present
  domain:
    description:
      - DNS domain of the vswitch. An empty string takes it away.
    type: str
  dns:
    description:
      - The DNS server on the vswitch's addresses.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether there is a DNS server. libvirt runs one where nothing is said.
        type: bool
      forwarders:
        description:
          - DNS servers to ask for what the vswitch's own does not know, in place of the host's.
        type: list
        elements: dict
        suboptions:
          address:
            description:
              - Address of the DNS server. It identifies the forwarder.
            type: str
            required: true
          domain:
            description:
              - Ask it for names in this domain only. An empty string takes the limit away.
            type: str
          state:
            description:
              - Whether the forwarder is to be there.
            type: str
            choices: [present, absent]
            default: present
      hosts:
        description:
          - Names that the DNS server knows by itself.
        type: list
        elements: dict
        suboptions:
          ip:
            description:
              - Address of the host. It identifies the entry.
            type: str
            required: true
          hostnames:
            description:
              - All names of the host. Required for a new entry.
            type: list
            elements: str
          state:
            description:
              - Whether the entry is to be there.
            type: str
            choices: [present, absent]
            default: present
  port_groups:
    description:
      - Settings that NICs share. A NIC names its port group, or gets the default one.
      - A change does not reach NICs that are connected. They take it up when their VMs start again,
        or with the next restart of the vswitch, see O(apply). Limits of their own go before.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the port group.
        type: str
        required: true
      default:
        description:
          - Whether NICs that name no port group belong to this one. Only one can be the default.
        type: bool
      bandwidth:
        description:
          - Limits for each NIC.
          - libvirt has the kernel count a kilobyte as 1000 bytes here, so the limit is 2.3 % below
            what is written.
        type: dict
        suboptions:
          inbound:
            description:
              - Of what the VM receives.
            type: dict
            suboptions:
              average:
                description:
                  - Bytes a second in the long run, such as V(10MiB), a multiple of 1 KiB.
                    V(0B) takes the limit away.
                type: str
              peak:
                description:
                  - Bytes a second for a short time. V(0B) takes it away.
                type: str
              burst:
                description:
                  - Bytes that may be sent at peak speed, such as V(512KiB). V(0B) takes it away.
                type: str
          outbound:
            description:
              - Of what the VM sends.
            type: dict
            suboptions:
              average:
                description:
                  - Bytes a second in the long run, such as V(10MiB), a multiple of 1 KiB.
                    V(0B) takes the limit away.
                type: str
              peak:
                description:
                  - Bytes a second for a short time. V(0B) takes it away.
                type: str
              burst:
                description:
                  - Bytes that may be sent at peak speed, such as V(512KiB). V(0B) takes it away.
                type: str
      state:
        description:
          - Whether the port group is to be there.
        type: str
        choices: [present, absent]
        default: present
  autostart:
    description:
      - Whether the vswitch starts with the host. A new vswitch does if it is to be active.
    type: bool
  protected:
    description:
      - Whether the vswitch must not be removed, neither by O(state=absent) nor by pruning.
    type: bool
  scope:
    description:
      - The set of declarations that the vswitch belongs to. One task of M(kvm.fleet.host_config)
        that prunes leaves alone what is of another scope than its own. An empty string takes it
        away.
    type: str
  purge:
    description:
      - Whether things are removed that are not in a list. It concerns the lists that are given,
        be they empty; a list that is omitted stays as it is.
    type: bool
    default: false
  apply:
    description:
      - What may happen to a vswitch that is active.
      - V(live) changes in place what can be, stores the rest, and reports it in
        RV(pending_restart).
      - V(next_boot) only stores changes.
      - V(restart) also stops the vswitch and starts it again when something waits for that. The
        NICs of running VMs are connected again; they are without network for some seconds. The plan
        names them. With O(state=present) a run that is interrupted between stop and start leaves it
        inactive. What an interrupted run leaves unconnected is connected by the next one, unless
        that has V(next_boot).
    type: str
    choices: [live, next_boot, restart]
    default: live
seealso:
  - module: kvm.fleet.vswitch_info
"""

EXAMPLES = r"""
- name: A vswitch behind NAT, with DHCP and a reserved address
  kvm.fleet.vswitch:
    name: lan
    type: nat
    address: 192.168.50.1/24
    domain: lan.example
    dhcp:
      ranges:
        - {start: 192.168.50.100, end: 192.168.50.199}
      hosts:
        - {mac: "52:54:00:50:00:10", ip: 192.168.50.10, name: web}

- name: An address for a NIC of a VM that is made later
  kvm.fleet.vswitch:
    name: lan
    dhcp:
      hosts:
        - {vm: web, nic: lan, ip: 192.168.50.10}

- name: A vswitch between VMs only, with jumbo frames
  kvm.fleet.vswitch:
    name: storage
    type: isolated
    mtu: 9000

- name: Limits for the NICs of a port group, and a default without any
  kvm.fleet.vswitch:
    name: lan
    port_groups:
      - {name: normal, default: true}
      - name: slow
        bandwidth:
          inbound: {average: 10MiB, peak: 20MiB, burst: 1MiB}
          outbound: {average: 10MiB}

- name: Exactly these reservations, and no others
  kvm.fleet.vswitch:
    name: lan
    purge: true
    dhcp:
      hosts:
        - {mac: "52:54:00:50:00:11", ip: 192.168.50.11, name: db}

- name: Another MTU at once, though the vswitch has to be started again for that
  kvm.fleet.vswitch:
    name: lan
    mtu: 1400
    apply: restart

- name: No such vswitch
  kvm.fleet.vswitch:
    name: storage
    state: absent
"""

RETURN = r"""
summary:
  description: The plan in one line, as it ends the diff; how many changes of which class, what is
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
    vswitch/lan:
      digest: 1f0d8ae2b3c94a5d9d1c6a3c5f2e7b80
      facts: {"vswitch lan": 8c1f2d3e4b5a6978}
      plan: 0a1b2c3d4e5f6071
plan:
  description: All that changes, in check mode all that would change.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: What is changed.
      type: str
      returned: always
      sample: vswitch/lan
    field:
      description: The option.
      type: str
      returned: always
      sample: mtu
    before:
      description: Its value as it was stored.
      type: raw
      returned: always
      sample: 0
    after:
      description: Its value as it will be.
      type: raw
      returned: always
      sample: 1400
    live:
      description: Its value in the vswitch that runs, where that is another than the stored one.
      type: raw
      returned: when it differs
      sample: 1500
    class:
      description:
        - V(live) takes effect now, V(restart) when the vswitch is next started. V(stored) is a
          change of the definition that needs no effect on what runs.
      type: str
      returned: always
      sample: restart
    note:
      description: What else happens, such as which VMs lose their network for some seconds.
      type: str
      returned: when there is something to say
pending_restart:
  description: Fields that take effect when the vswitch is next started, as in RV(plan).
  returned: always
  type: list
  elements: dict
vswitch:
  description: The vswitch as it is stored, in the terms of the options, and its state.
  returned: success
  type: dict
  sample:
    name: lan
    uuid: 4f5ab1bf-3ae5-5b4b-9d44-0b3e3c3a4f0e
    managed: true
    state: active
    autostart: true
    persistent: true
    type: nat
    bridge: vs-lan
    stp: true
    forward_delay_s: 0
    mtu: 0
    dns: {enabled: true}
    protected: false
    address: 192.168.50.1/24
    dhcp:
      ranges:
        - {start: 192.168.50.100, end: 192.168.50.199}
"""

from ..module_utils.kinds.vswitch.kind import KIND
from ..module_utils.run.module import CHANGES_SPEC, create_module
from ..module_utils.run.runner import run


def main() -> None:
    """Converge one vswitch."""
    module = create_module({**CHANGES_SPEC, **KIND.spec()})
    run(module, (KIND,), KIND.parse, shown=KIND.name)


if __name__ == "__main__":
    main()
