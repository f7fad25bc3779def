# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the kernel keep what is promised to a VM that runs: the part that is no libvirt's."""

from __future__ import annotations

from typing import Any

from ...engine.plan import Plan


def settle(_dom: Any, _plan: Plan) -> None:
    """Record what is promised, and have it enforced (which nothing on a host does yet)."""
