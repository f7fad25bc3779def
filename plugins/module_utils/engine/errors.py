# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that reach a user: each names the resource, the field and what to do."""

from __future__ import annotations

from collections.abc import Iterable


class FleetError(Exception):
    """One thing that is wrong, said so that an operator can act on it."""

    def __init__(self, message: str, resource: str = "", field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.resource = resource
        self.field = field

    def __str__(self) -> str:
        where = " ".join(part for part in (self.resource, self.field) if part)
        return f"{where}: {self.message}" if where else self.message

    def within(self, resource: str) -> FleetError:
        """The same error, said of this resource unless it names one already."""
        return type(self)(self.message, self.resource or resource, self.field)


class Doubt(FleetError):
    """What a run does all the same, and tells in a warning."""


class FleetErrors(Exception):
    """Several things that are wrong, reported together."""

    def __init__(self, errors: Iterable[FleetError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(str(error) for error in self.errors))


class ConnectionLost(FleetError):
    """libvirt went away in the middle of the work; nothing more can be done on this connection."""


class Mistakes:
    """Collects every mistake of an input, so that a user sees all of them at once."""

    def __init__(self, resource: str = "") -> None:
        self.resource = resource
        self.errors: list[FleetError] = []

    def add(self, message: str, field: str = "", resource: str = "") -> None:
        self.errors.append(FleetError(message, resource or self.resource, field))

    def extend(self, errors: Iterable[FleetError]) -> None:
        self.errors.extend(error.within(self.resource) for error in errors)

    def raise_any(self) -> None:
        """Raise FleetErrors when anything was collected, each mistake once."""
        if self.errors:
            raise FleetErrors({str(error): error for error in self.errors}.values())
