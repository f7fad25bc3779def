# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pre-flight finds: of each prerequisite whether it is met, seen on both sides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..engine.errors import FleetError

PASS, WARN, FAIL = "pass", "warn", "fail"


class Finding(NamedTuple):
    """One prerequisite: what was found at the source and at the target, and what to do about it."""

    check: str  # disks, cpu, ...
    result: str
    message: str
    about: str = ""  # what of the VM: disks.root
    source: str = ""
    target: str = ""
    todo: str = ""  # empty where nothing is to be done

    def told(self) -> dict[str, str]:
        """As a module returns it."""
        return self._asdict()

    def text(self) -> str:
        """As a reviewer reads it, in one line."""
        about = f" {self.about}" if self.about else ""
        sides = ", ".join(
            f"{name}: {said}"
            for name, said in (("source", self.source), ("target", self.target))
            if said
        )
        found = f" ({sides})" if sides else ""
        todo = f"; {self.todo}" if self.todo else ""
        return f"{self.result} {self.check}{about}: {self.message}{found}{todo}"

    def as_error(self, resource: str) -> FleetError:
        """As an error tells it."""
        said = self.text().split(": ", 1)[1]
        return FleetError(said, resource, self.about or self.check)


@dataclass(frozen=True)
class Report:
    """All that a pre-flight found."""

    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing stands against the move."""
        return not self.fails

    @property
    def fails(self) -> list[Finding]:
        """What stands against the move."""
        return [one for one in self.findings if one.result == FAIL]

    @property
    def warns(self) -> list[Finding]:
        """What one should know, or what could not be told."""
        return [one for one in self.findings if one.result == WARN]

    def told(self) -> list[dict[str, str]]:
        """As a module returns it."""
        return [one.told() for one in self.findings]

    def text(self) -> Iterator[str]:
        """As a reviewer reads it: what fails first."""
        order = (FAIL, WARN, PASS)
        for one in sorted(self.findings, key=lambda found: order.index(found.result)):
            yield one.text()

    def errors(self, resource: str) -> list[FleetError]:
        """All that stands against the move, as errors."""
        return [one.as_error(resource) for one in self.fails]

    def __add__(self, more: Iterable[Finding]) -> Report:
        return Report((*self.findings, *more))
