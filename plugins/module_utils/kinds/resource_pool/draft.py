# SPDX-License-Identifier: GPL-3.0-or-later
"""What is special about plans for resource pools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from ...engine.changes import LIVE, Change, Kept, Mended
from ...engine.codecs import Value
from ...engine.comparing import EffectOf
from ...engine.errors import FleetError
from ...engine.keys import Values, named
from ...engine.planner import Draft, Removal
from ...engine.traits import STATE
from ...engine.xmltree import Element
from . import rules, told
from .naming import unit_of
from .paths import name_of, parent_of, vms_in
from .table import AT_REST, PRESENT, ROWS, TRAITS

DESCRIPTION, UNIT, DROP_INS = ("description",), ("unit",), ("drop_ins",)


# ---- what goes


def _used_by(draft: PoolDraft) -> None:
    have = draft.have
    if have.facts.get("elsewhere"):
        raise FleetError(
            f"has its unit file at {have.facts['elsewhere']}, where it is not this collection's; "
            "remove it there",
            draft.wanted.resource,
        )
    populated = have.live is not None and have.live.get("populated") == "yes"
    if populated and not vms_in(have.name, draft.world.facts.everything("vm").values()):
        raise FleetError(
            f"has processes in it which are no VM's of this libvirt (systemctl status "
            f"{unit_of(have.name)} shows them); stop them first",
            draft.wanted.resource,
        )


def _drop_ins(draft: PoolDraft) -> Iterable[Change]:
    """What others say of the slice stays, and counts again for the next pool of the name."""
    files = sorted({file for _said, file in draft.shadowed.values()})
    return [Kept(draft.wanted.resource, DROP_INS, ", ".join(files))] if files else []


# ---- what comes or changes


class PoolDraft(Draft):
    """A plan for one resource pool in the making."""

    rows = ROWS
    traits = TRAITS
    ours = AT_REST
    removal = Removal(("protected",), _used_by, stays=(_drop_ins,))

    @cached_property
    def shadowed(self) -> Mapping[str, tuple[str, str]]:
        """The options that drop-ins of others say, each with what that is, and the file."""
        return dict(self.have.facts.get("shadowed", {}))

    @property
    def will_run(self) -> bool:
        """Whether its slice is active, as it is while there is a VM in it, and often after."""
        return self.have.live is not None and self.will[STATE] == PRESENT

    def resolve(self) -> Values:
        if self.have.exists:
            return self.wanted.values
        return {DESCRIPTION: f"kvm.fleet resource pool {self.wanted.name}", **self.wanted.values}

    def new(self) -> Element:
        return Element("unit")

    def check(self) -> None:
        self._check_place()
        self._check_unit()
        rules.check_amounts(self.after, self.mistakes)
        rules.check_cgroups(self.after, self.world.host, self.mistakes)
        if self.have.live is not None:
            used = int(self.have.live.get("memory") or 0)
            self.warnings += rules.below_use(self.after, used)
        for option, (said, file) in self.shadowed.items():
            if any(named(key) == option for key in self.want):
                value = told.shown_beside(option, said)
                self.warnings.append(
                    f"{option} is {value}, which is what {file} says, whatever the unit file says; "
                    "remove that file (systemctl revert does), and run again"
                )

    def effects(self) -> EffectOf:
        return lambda *_: LIVE

    def beside(self) -> list[Change]:
        if not self.have.facts.get("unread"):
            return []
        note = "written by a run that was interrupted"
        return [Mended(self.wanted.resource, UNIT, "not read by systemd", "read", LIVE, note=note)]

    def facts(self) -> Mapping[str, Value]:
        kept = {k: v for k, v in self.have.facts.items() if k in ("shadowed", "twin")}
        return {**super().facts(), **kept}

    # ---- rules

    def _check_place(self) -> None:
        """The pool that it is in is there, or comes before it."""
        path, parent = self.wanted.name, parent_of(self.wanted.name)
        if not parent:
            return
        ring = self._ring()
        if ring:
            self.mistakes.add(f"is in itself: {' in '.join(ring)}", "parent")
        elif not self.world.will_be(self.have.kind, parent).exists:
            near = [one for one in self._others() if name_of(one) == name_of(parent)]
            meant = f"; {' or '.join(near)} is" if near else ""
            message = f"resource_pool/{parent} is not there and not declared{meant}"
            if self.world.assume_missing:
                self.warnings.append(f"{message}; the plan assumes that it will be")
            else:
                self.mistakes.add(message, "parent")
        if not self.have.exists:
            self.warnings += self._not_moved(path)

    def _ring(self) -> list[str]:
        """The names on the way up that lead back to this one, if each is where it is declared."""
        above = {
            name_of(name): name_of(parent_of(name))
            for kind, name in self.world.declared
            if kind == self.have.kind
        }
        way = [name_of(self.wanted.name)]
        while way[-1] in above and above[way[-1]]:
            way.append(above[way[-1]])
            if way[-1] in way[:-1]:
                return way
        return []

    def _others(self) -> list[str]:
        """The other pools, there or declared."""
        kind, path = self.have.kind, self.wanted.name
        declared = {name for of, name in self.world.declared if of == kind}
        return sorted({*self.world.everything(kind), *declared} - {path})

    def _not_moved(self, path: str) -> Iterator[str]:
        """A slice cannot be moved: with another parent it is another pool."""
        for other in self._others():
            declared = (self.have.kind, other) in self.world.declared
            if name_of(other) == name_of(path) and not declared:
                vms = vms_in(other, self.world.everything("vm").values())
                users = f", with {', '.join(vms)} in it" if vms else ""
                yield (
                    f"is made beside {other}, which stays where it is{users}: a slice cannot be "
                    f"moved. To move VMs, give them resource_pool: {path}, restart them, and "
                    "declare the former pool absent"
                )

    def _check_unit(self) -> None:
        facts = self.have.facts
        if facts.get("twin"):
            self.mistakes.add(
                f"{facts['twin']} is a slice of the same name, escaped otherwise than systemd and "
                f"libvirt do ({unit_of(self.wanted.name)}): no VM would be in it; remove that file",
                "name",
            )
        if facts.get("masked"):
            unit = unit_of(self.wanted.name)
            self.mistakes.add(f"its slice is masked; systemctl unmask '{unit}' first", "name")
