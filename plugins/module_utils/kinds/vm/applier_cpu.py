# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings CPU time to VMs that run. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...engine.changes import Change
from ...engine.xmltree import Element
from ...host.connection import libvirt
from . import cpu_time

NO_QUOTA = -1


def bring_time(dom: Any, runs: Element, changes: Iterable[Change]) -> None:
    """Set shares and the quota; that is of the period which runs."""
    parameters = {}
    for change in changes:
        if change.field == cpu_time.SHARES:
            parameters["cpu_shares"] = change.after
        elif change.after:
            period_us = cpu_time.period_of(runs)
            parameters["global_quota"] = cpu_time.quota(change.after, period_us)
        else:
            parameters["global_quota"] = NO_QUOTA
    dom.setSchedulerParametersFlags(parameters, libvirt.VIR_DOMAIN_AFFECT_LIVE)
