# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses of a host are in a network."""

from __future__ import annotations

DOCUMENTATION = r"""
name: addresses_in
short_description: Which addresses of a host are in a network
version_added: 0.1.0
description:
  - Of a list of addresses those that are in a network, in their order. The role
    P(kvm.fleet.kvm_host#role) finds the address of a host on the migration network by it.
positional: network
options:
  _input:
    description: Addresses, such as C(ansible_facts['all_ipv4_addresses']).
    type: list
    elements: str
    required: true
  network:
    description: The network, such as C(10.0.30.0/24).
    type: str
    required: true
author:
  - kvm.fleet contributors
"""

EXAMPLES = r"""
- name: The address of this host on the migration network
  ansible.builtin.debug:
    msg: "{{ ansible_facts['all_ipv4_addresses'] | kvm.fleet.addresses_in(network) | first }}"
  vars:
    network: 10.0.30.0/24
"""

RETURN = r"""
_value:
  description: The addresses in the network.
  type: list
  elements: str
"""

import ipaddress
from collections.abc import Iterable
from typing import Any

from ansible.errors import AnsibleFilterError


def addresses_in(addresses: Iterable[str], network: str) -> list[str]:
    """The addresses in the network, in their order."""
    try:
        within = ipaddress.ip_network(network)
        return [one for one in addresses if ipaddress.ip_address(one) in within]
    except ValueError as error:
        raise AnsibleFilterError(f"{error}; write a network as 10.0.30.0/24") from error


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> dict[str, Any]:
        return {"addresses_in": addresses_in}
