# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts that were recorded: answers without a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from .facts import ALL, Fact, NotRecorded
from .plan import Have
from .recording import key_of

# From the answers and a question, the answer that follows. NotRecorded if none does.
Derive = Callable[[Mapping[Fact, Any], Fact], Any]


def nothing_follows(_answers: Mapping[Fact, Any], fact: Fact) -> Any:
    """No question has an answer but those that were asked."""
    raise NotRecorded(fact)


class Recorded:
    """A host as it was when it was recorded."""

    def __init__(self, answers: Mapping[Fact, Any], derive: Derive = nothing_follows) -> None:
        self.answers = answers
        self._derive = derive

    def read(self, fact: Fact) -> Any:
        """The answer to one question."""
        at = key_of(fact)
        return self.answers[at] if at in self.answers else self._derive(self.answers, fact)

    def resources(self, kind: str, names: Sequence[str] | None) -> dict[str, Have]:
        """Resources of a kind. What is in no list of all of them was not there."""
        if names is None:
            names = self.read((ALL, kind))
        return {name: self._resource(kind, name) for name in names}

    def _resource(self, kind: str, name: str) -> Have:
        try:
            found: Have = self.read((kind, name))
        except NotRecorded:
            if (ALL, kind) not in self.answers:
                raise
            return Have(kind, name)
        return found
