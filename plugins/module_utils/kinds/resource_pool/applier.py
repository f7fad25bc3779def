# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes unit files of resource pools, and has systemd read them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.plan import DELETE, Plan
from ...engine.steps import defines
from ...host import cgroups, enforcing, noted
from ...host.writing import write_whole
from . import reader
from .naming import cgroup_of, unit_of
from .paths import name_of
from .reader import Places
from .table import MANAGED, NAME_OF
from .unit import text_of

MODE = 0o644
DEFINE, RELOAD, UNDEFINE = "define", "reload", "undefine"
TIMEOUT_S = 90.0  # a reload may wait for what systemd is about


def apply_pool(plan: Plan) -> None:
    """Take its step. A run that is killed leaves what the next one sees."""
    STEPS[step_of(plan)](plan, reader.SYSTEM)


def step_of(plan: Plan) -> str:
    """What is to be called for a plan."""
    if plan.action == DELETE:
        return UNDEFINE
    return DEFINE if defines(plan) else RELOAD


def _define(plan: Plan, places: Places) -> None:
    tree = xmltree.clone(plan.after.definition)
    xmltree.put(tree, "/".join(NAME_OF), name_of(plan.wanted.name))
    file = places.at(reader.SETTINGS, unit_of(plan.wanted.name))
    unread = places.unread(plan.wanted.name)
    try:
        unread.parent.mkdir(parents=True, exist_ok=True)
        unread.touch()
        _write(file.resolve(), text_of(tree, MANAGED))
    except OSError as error:
        raise _failed(plan, f"{file} could not be written", error) from error
    _reload(plan, places)


def _write(file: Path, text: str) -> None:
    mode = file.stat().st_mode & 0o777 if file.exists() else MODE
    write_whole(file, text.encode(errors="surrogateescape"), mode)


def _reload(plan: Plan, places: Places) -> None:
    """systemd reads all unit files, and brings what has changed to the slices that are active.

    What VMs in them and around were promised needs other weights and minimums then.
    """
    _systemctl(plan, places, "daemon-reload")
    if plan.action != DELETE and reader.is_behind(places, plan.wanted.name):
        cgroups.renew(places.held, cgroup_of(plan.wanted.name))
    try:
        lacks = enforcing.settle(places.held)
    except OSError as error:
        raise _failed(plan, "what VMs were promised could not be enforced", error) from error
    for lack in lacks:
        noted.fault(places.held, lack)
    places.unread(plan.wanted.name).unlink(missing_ok=True)


def _stop(plan: Plan, places: Places) -> None:
    """Stop the slice, which takes its cgroup away; everything in it would be killed."""
    group = places.cgroup(plan.wanted.name)
    if not group.is_dir():
        return
    if reader.is_populated(group):
        raise FleetError("is in use by now, and was left as it is", plan.resource)
    unit = unit_of(plan.wanted.name)
    _systemctl(plan, places, "stop", "--", unit)
    if group.is_dir():
        raise FleetError(f"systemd has not stopped {unit}; see systemctl status", plan.resource)


def _undefine(plan: Plan, places: Places) -> None:
    """The file goes last: as long as it is there, the next run goes on where this one ended."""
    unit = unit_of(plan.wanted.name)
    _stop(plan, places)
    file = places.at(reader.SETTINGS, unit)
    try:
        enforcing.forget_unit(places.held, unit)
        file.unlink(missing_ok=True)
    except OSError as error:
        raise _failed(plan, f"{file} could not be removed", error) from error
    _reload(plan, places)
    with suppress(OSError):
        places.unread(plan.wanted.name).parent.rmdir()


def _systemctl(plan: Plan, places: Places, *arguments: str) -> None:
    command, what = [*places.systemctl, *arguments], f"systemctl {' '.join(arguments)} failed"
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip()
        raise FleetError(f"{what}: {said}", plan.resource) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(plan, what, error) from error


def _failed(plan: Plan, what: str, error: Exception) -> FleetError:
    return FleetError(f"{what}: {error}", plan.resource)


STEPS: dict[str, Callable[[Plan, Places], None]] = {
    DEFINE: _define,
    RELOAD: _reload,
    UNDEFINE: _undefine,
}
