# SPDX-License-Identifier: GPL-3.0-or-later
"""The power states of VMs, as options and results call them."""

from __future__ import annotations

RUNNING, PAUSED, STOPPED, SAVED, CRASHED = "running", "paused", "stopped", "saved", "crashed"

# The place in a VM's definition where a move between hosts notes what it is at.
MOVES = "metadata/fleet-move:move"
