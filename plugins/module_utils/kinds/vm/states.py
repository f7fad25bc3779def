# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power states of VMs, as options and results call them."""

from __future__ import annotations

RUNNING, PAUSED, STOPPED, SAVED, CRASHED = "running", "paused", "stopped", "saved", "crashed"
