# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the memory of a machine what the plan says, and reads each number back."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from ...engine.changes import LIVE
from ...engine.errors import FleetError
from ...engine.plan import Plan
from ...host.kernel_memory import KSM, folder_of
from ...host.machine_memory import number
from . import kept, planned
from .declared import NAME, RUN, Declared, Pages, Setting, file_of_pages
from .found import Found
from .reader import ROOT, UPDATE_GRUB
from .rules import is_detour, number_now

GRUB_TIMEOUT_S = 600
Progress = Callable[[], None]


class Machine:
    """The files of a machine below a root folder."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root

    def number(self, file: str) -> int:
        """What a file of the kernel has now."""
        return number(self.root / file) or 0

    def write_number(self, file: str, value: int) -> None:
        """Into a file of the kernel; OSError where it refuses that."""
        (self.root / file).write_text(f"{value}\n", encoding="ascii")

    def write(self, file: str, text: str) -> None:
        """A file of settings as a whole, so that nobody ever reads half of it."""
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(text)
        Path(made).chmod(path.stat().st_mode & 0o7777 if path.exists() else 0o644)
        Path(made).replace(path)

    def remove(self, file: str) -> None:
        """A file of settings."""
        (self.root / file).unlink()

    def update_grub(self) -> str:
        """Have the boot loader take up its settings; what is wrong if it cannot, else nothing."""
        command = [str(self.root / UPDATE_GRUB)]
        try:
            done = subprocess.run(
                command, capture_output=True, check=False, text=True, timeout=GRUB_TIMEOUT_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        return "" if done.returncode == 0 else done.stderr.strip() or "it failed"


def apply(machine: Machine, declared: Declared, found: Found, plan: Plan, made: Progress) -> None:
    """All changes of a plan; FleetError at the first that the kernel does not make.

    `made` is called after each. What gives memory back comes first, and what the next boot sets
    last: a number that the kernel refused is not kept.
    """
    live = {change.field for change in plan.changes if change.effect == LIVE}
    pages = [
        each._replace(number=number_now(each, found))
        for each in declared.pages
        if each.key in live and not each.at_boot
    ]
    for each in sorted(pages, key=lambda one: one.number - found.pages[one.size, one.node].lasting):
        _reserve(machine, each)
        made()
    settings = [s for s in declared.settings if s.key in live and s.key[0] == "ksm"]
    _set_ksm(machine, settings, is_detour(declared, found), made)
    text = planned.tmpfiles_after(declared, found)
    if text != found.tmpfiles:
        machine.write(kept.TMPFILES, text)
        made()
    at_boot = planned.at_boot_after(declared, found)
    if kept.with_pages("", at_boot) != kept.with_pages("", found.at_boot):
        _keep_for_boot(machine, found, kept.with_pages(found.snippet, at_boot))
        made()


# ---- huge pages


def _reserve(machine: Machine, pages: Pages) -> None:
    """The kernel says nothing where it finds fewer, and takes back later what is in use."""
    folder, file = folder_of(pages.size, pages.node), file_of_pages(pages)
    surplus = f"{folder}/surplus_hugepages"
    before, loose = machine.number(file), machine.number(surplus)
    field = ".".join(pages.key)
    _write(machine, file, pages.number, field)
    got, still_loose = machine.number(file), machine.number(surplus)
    if got - still_loose == pages.number and still_loose <= loose:
        return
    _write(machine, file, before - loose, field)
    if pages.number > before - loose:
        why = (
            f"{pages.number} pages were wanted, and the kernel found memory in one piece for "
            f"{got - still_loose}; there are {machine.number(file)} again, as before. Fewer can be "
            "had, or reserved_at: boot reserves them before memory is in pieces"
        )
    else:
        why = (
            f"{pages.number} pages were wanted, and programs use {got}; there are "
            f"{machine.number(file)} again, as before. Stop the VMs that have them first"
        )
    raise FleetError(why, NAME, field)


# ---- KSM


def _set_ksm(machine: Machine, settings: list[Setting], detour: bool, made: Progress) -> None:
    """Whether it runs comes last. To change what is merged across nodes all is unmerged first."""
    run = f"{KSM}/run"
    before = machine.number(run)
    if detour:
        _write(machine, run, RUN["unmerge"], "ksm.merge_across_nodes")
    try:
        for setting in settings:
            _set(machine, setting)
            made()
    finally:
        if detour and not any(setting.file == run for setting in settings):
            _write(machine, run, before, "ksm.run")


def _set(machine: Machine, setting: Setting) -> None:
    field = ".".join(setting.key)
    _write(machine, setting.file, setting.number, field)
    got = machine.number(setting.file)
    if got != setting.number:
        why = f"{setting.number} was written to /{setting.file}, and the kernel has {got}"
        raise FleetError(why, NAME, field)


def _write(machine: Machine, file: str, value: int, field: str) -> None:
    try:
        machine.write_number(file, value)
    except OSError as error:
        raise FleetError(f"/{file} takes no {value}: {error.strerror}", NAME, field) from error


# ---- the next boot


def _keep_for_boot(machine: Machine, found: Found, text: str) -> None:
    """What GRUB does not take up is put back, so that the next run tries again."""
    machine.write(kept.GRUB_SNIPPET, text)
    wrong = machine.update_grub()
    if not wrong:
        return
    if found.snippet:
        machine.write(kept.GRUB_SNIPPET, found.snippet)
    else:
        machine.remove(kept.GRUB_SNIPPET)
    why = f"update-grub: {wrong}; /{kept.GRUB_SNIPPET} is as before"
    raise FleetError(why, NAME, "huge_pages")
