# SPDX-License-Identifier: GPL-3.0-or-later
"""What plans for restoring ask of a host beside what plans for backups do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...engine.facts import Facts


class Journal(NamedTuple):
    """What was noted, beside the backups of a VM, of restoring one of them as some VM."""

    backup: str = ""
    uuid: str = ""  # of the VM that it became
    files: tuple[str, ...] = ()  # that were made for it
    done: bool = False
    left: tuple[str, ...] = ()  # overlays that the VM had over what was written anew


class RestoreFacts:
    """What a host tells of what is to be restored."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def definition(self, folder: str, backup: str) -> str:
        """The definition of the VM in a backup; empty where it cannot be read."""
        return str(self.facts.ask("backed_up_definition", folder, backup, unknown=""))

    def journal(self, folder: str, target: str) -> Journal:
        """What was noted of an earlier run."""
        said: Mapping[str, Any] = self.facts.ask("restoring", folder, target, unknown={})
        return Journal(
            str(said.get("backup", "")),
            str(said.get("uuid", "")),
            tuple(map(str, said.get("files", ()))),
            bool(said.get("done")),
            tuple(map(str, said.get("left", ()))),
        )
