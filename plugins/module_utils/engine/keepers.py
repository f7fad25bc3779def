# SPDX-License-Identifier: GPL-3.0-or-later
"""Who keeps a host's network over its starts, and what the files for that are called here."""

from __future__ import annotations

NETWORKD, NETWORK_MANAGER, IFUPDOWN = "networkd", "NetworkManager", "ifupdown"
BY_NETWORK_MANAGER = "networkmanager"  # as it is declared
SERVICES = {NETWORKD: "systemd-networkd", BY_NETWORK_MANAGER: "NetworkManager"}
KEEPERS = {NETWORKD: NETWORKD, BY_NETWORK_MANAGER: NETWORK_MANAGER}  # of each backend
# Before what netplan, cloud-init and people write: of several files for one interface networkd
# takes the first. NetworkManager goes by priorities.
PREFIX = "05-kvm-fleet-"
# Of the units of systemd that see at a start that switches are whole.
UNIT_PREFIX, UNIT_ENDING = "kvm-fleet-switch-", ".service"
UNITS = "units"  # beside the backends, among our files
