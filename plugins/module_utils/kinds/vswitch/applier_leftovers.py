# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends and removes what was left of a network that its libvirtd did not outlive."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.xmltree import Element
from ...host.connection import wait_until
from ...host.processes import runs
from . import applier_firewall, tree
from .leftovers import Left

END_TIMEOUT_S = 5.0


def clear(network: Element, left: Left, resource: str) -> None:
    """End and remove it. FleetError says what cannot be removed."""
    for _program, process in left.daemons:
        _end(process, resource)
    bridge = xmltree.get(network, "bridge/@name") or ""
    applier_firewall.remove_rules(bridge, tree.subnets_of(network))
    if left.bridge:
        _delete_bridge(left.bridge, resource)


def _delete_bridge(bridge: str, resource: str) -> None:
    command = ["ip", "link", "delete", "dev", bridge]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FleetError(
            f"an interrupted start or stop left the bridge {bridge}, which cannot be removed: "
            f"{done.stderr.strip()}; remove it and run again",
            resource,
        )


def _end(process: int, resource: str) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(process, number)
        if wait_until(lambda: not runs(process), END_TIMEOUT_S, 0.05):
            return
    raise FleetError(
        f"an interrupted start or stop left the process {process}, which does not end; "
        "end it and run again",
        resource,
    )
