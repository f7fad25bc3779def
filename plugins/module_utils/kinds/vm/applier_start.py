# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts VMs and lets them go on. A run that was killed may have begun just that.

libvirt goes on with what such a run asked for, and shows a VM that is starting as paused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...host.connection import libvirt
from .reader import power_state
from .states import PAUSED, RUNNING


def start(dom: Any) -> None:
    """Start a VM, or wake it, and let it run."""
    _to_run(dom, lambda: dom.createWithFlags(0))
    if power_state(dom) == PAUSED:  # so it was when it was saved, and so it was restored
        resume(dom)


def resume(dom: Any) -> None:
    """Let a VM run that is paused."""
    _to_run(dom, dom.resume)


def _to_run(dom: Any, call: Callable[[], Any]) -> None:
    """What libvirt refuses since the VM runs meanwhile was done."""
    try:
        call()
    except libvirt.libvirtError:
        if power_state(dom) != RUNNING:
            raise
