# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is declared and what there is to the plan of a machine's memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...engine.changes import LIVE, RESTART, STORED, Change, Changed
from ...engine.errors import Mistakes
from ...engine.keys import Key
from ...engine.plan import NONE, UPDATE, Have, Plan, Wanted
from ...engine.units import format_size
from ...host.kernel_memory import KSM, folder_of
from . import kept, rules
from .declared import KSM_FILES, NAME, Declared, Pages, Setting, key_of_pages, shown
from .found import Found


@dataclass(frozen=True)
class OfMachine(Wanted):
    """A declaration of something that a machine has once, so that it needs no name."""

    @property
    def resource(self) -> str:
        """How errors and plans call it."""
        return self.kind


def plan_of(declared: Declared, found: Found) -> Plan:
    """What a run does; FleetErrors has all that the machine cannot have."""
    mistakes = Mistakes(NAME)
    rules.check(declared, found, mistakes)
    mistakes.raise_any()
    changes = [*_of_settings(declared, found), *_withdrawn(declared, found)]
    changes += _at_boot(declared, found)
    have = Have(NAME, "")
    return Plan(
        OfMachine(NAME, "", "present"),
        UPDATE if changes else NONE,
        have,
        have,
        tuple(changes),
        pending=tuple(_waiting(declared, found)),
        warnings=tuple(rules.warnings(declared, found)),
    )


# ---- what the kernel has, and what systemd-tmpfiles sets at boot


def _of_settings(declared: Declared, found: Found) -> list[Change]:
    """A change is live where the kernel has something else; else it is of the next boot alone."""
    changes: list[Change] = []
    now = {each.key: rules.number_now(each, found) for each in declared.pages if not each.at_boot}
    for setting in declared.settings:
        live, stored = found.number(setting), found.stored.get(setting.file)
        number = now.get(setting.key, setting.number)
        after = shown(setting.key, number)
        if live != number:
            before = shown(setting.key, live)
            note = rules.note(setting, found)
            changes.append(Changed(NAME, setting.key, before, after, LIVE, note=note))
        elif stored != setting.number:
            before = shown(setting.key, stored)
            after = shown(setting.key, setting.number)
            note = KEPT_NOTE if number == setting.number else LATER_NOTE
            changes.append(Changed(NAME, setting.key, before, after, STORED, note=note))
    return changes


KEPT_NOTE = "the kernel has it already; the next boot will set it"
LATER_NOTE = "the next boot will set it; those in use above stay until then, or until they are free"


def _withdrawn(declared: Declared, found: Found) -> list[Change]:
    """What was kept of pages that are declared in another way now."""
    return [
        Changed(NAME, setting.key, setting.number, None, STORED)
        for setting in withdrawn(declared, found)
    ]


def withdrawn(declared: Declared, found: Found) -> list[Setting]:
    """The lines of systemd-tmpfiles that would undo what is declared."""
    gone = []
    for size in {each.size for each in declared.pages}:
        of_size = [each for each in declared.pages if each.size == size]
        for node in (None, *found.nodes):
            file = f"{folder_of(size, node)}/nr_hugepages"
            if file in found.stored and not any(_is_kept_by(each, node) for each in of_size):
                key = key_of_pages(size, node, at_boot=False)
                gone.append(Setting(key, file, found.stored[file]))
    return sorted(gone)


def _is_kept_by(pages: Pages, node: int | None) -> bool:
    """Whether a line of that node may stay beside it."""
    return not pages.at_boot and (pages.node is None) == (node is None)


def tmpfiles_after(declared: Declared, found: Found) -> str:
    """The text of systemd-tmpfiles that keeps what is declared."""
    numbers: dict[str, int | None] = {each.file: None for each in withdrawn(declared, found)}
    numbers.update({setting.file: setting.number for setting in declared.settings})
    if all(found.stored.get(file) == number for file, number in numbers.items()):
        return found.tmpfiles
    return kept.with_numbers(found.tmpfiles, numbers)


# ---- the kernel's command line


def at_boot_after(declared: Declared, found: Found) -> kept.AtBoot:
    """What the next boot is to reserve: other nodes and sizes as they are."""
    after = {size: dict(counts) for size, counts in found.at_boot.items()}
    for pages in declared.pages:
        if not pages.at_boot:
            after.pop(pages.size, None)
    for pages in (each for each in declared.pages if each.at_boot):
        before = after.get(pages.size, {})
        alike = {n: c for n, c in before.items() if (n is None) == (pages.node is None)}
        after[pages.size] = {**alike, pages.node: pages.number}
    return after


def _at_boot(declared: Declared, found: Found) -> list[Change]:
    before, after = _flat(found.at_boot), _flat(at_boot_after(declared, found))
    booted = _flat(found.booted_with)
    return [
        Changed(
            NAME,
            key,
            before.get(key),
            after.get(key),
            STORED if (booted.get(key) or 0) == (after.get(key) or 0) else RESTART,
        )
        for key in sorted({*before, *after})
        if (before.get(key) or 0) != (after.get(key) or 0)
    ]


def _waiting(declared: Declared, found: Found) -> list[Change]:
    """What is to be reserved at boot, and was not at this one."""
    after, booted = _flat(at_boot_after(declared, found)), _flat(found.booted_with)
    asked = {each.key: each.number for each in declared.pages if each.at_boot}
    return [
        Changed(NAME, key, booted.get(key), after.get(key), RESTART, note="until the host boots")
        for key in asked
        if (booted.get(key) or 0) != (after.get(key) or 0)
    ]


def _flat(pages: kept.AtBoot) -> dict[Key, int]:
    return {
        key_of_pages(size, node, at_boot=True): count
        for size, counts in pages.items()
        for node, count in counts.items()
    }


# ---- as it is told


def told(found: Found) -> dict[str, Any]:
    """What is set, in the words of the options."""
    ksm = {}
    for name, file in KSM_FILES.items():
        number = found.numbers.get(f"{KSM}/{file}")
        if number is not None:
            ksm[name] = shown(("ksm", name), number)
    pages = [
        {"size": format_size(size), "count": found.pages[size, None].lasting}
        for size in found.sizes
    ]
    return {"ksm": ksm, "huge_pages": pages}


def told_after(declared: Declared, found: Found) -> dict[str, Any]:
    """The same as it will be."""
    after = told(found)
    after["ksm"].update({n: shown(("ksm", n), value) for n, value in declared.ksm.items()})
    more = rules.growth(declared, found)
    for each, size in zip(after["huge_pages"], found.sizes):
        each["count"] += sum(pages for (of, _node), pages in more.items() if of == size)
    return after
