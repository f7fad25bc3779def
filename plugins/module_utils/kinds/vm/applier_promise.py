# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the kernel keep what is promised to a VM that runs: the part that is no libvirt's."""

from __future__ import annotations

from typing import Any

from ...engine.plan import Plan


def settle(_dom: Any, _plan: Plan) -> None:
    """Record what is promised, and have it enforced (which nothing on a host does yet)."""
