# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The MAC address that a NIC of a VM gets, before there is either."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mac
short_description: The MAC address that a NIC of a VM gets
version_added: 0.1.0
description:
  - M(kvm.fleet.vm) derives the MAC address of a new NIC from the names of the VM and the NIC, if
    none is declared. This filter returns the same one, for DHCP servers, firewalls and DNS that
    have to know it before.
  - It has 24 bits of its own. Among 100 NICs two are the same in one of 3400 cases, among 1000 in
    one of 34. On one host the modules refuse it and ask for O(kvm.fleet.vm#module:nics[].mac); over
    several hosts on one network nobody does, so look for twins where that is to be ruled out, as in
    the example.
positional: nic
options:
  _input:
    description: The name of the VM.
    type: str
    required: true
  nic:
    description: The name of the NIC in O(kvm.fleet.vm#module:nics).
    type: str
    required: true
seealso:
  - module: kvm.fleet.vswitch
author:
  - kvm.fleet contributors
"""

EXAMPLES = r"""
- name: The MAC address of the NIC lan of the VM web
  ansible.builtin.debug:
    msg: "{{ 'web' | kvm.fleet.mac('lan') }}"

- name: No two VMs of the whole fleet have the same
  ansible.builtin.assert:
    that: macs | unique | length == macs | length
  vars:
    macs: "{{ fleet_vms | map('kvm.fleet.mac', 'lan') | list }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The MAC address, in small letters with colons.
  type: str
"""

from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.kinds.vm.derived import derived_mac


def mac(vm: str, nic: str) -> str:
    """The MAC address of a NIC without a declared one."""
    for name in (vm, nic):
        if not isinstance(name, str) or not name:
            raise AnsibleFilterError(f"{name!r} is no name; write VM | kvm.fleet.mac(NIC)")
    return derived_mac(vm, nic)


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> dict[str, Any]:
        return {"mac": mac}
