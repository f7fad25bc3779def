# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts: all that a plan depends on outside of its declaration, asked for once and recorded.

A fact has a name, which is what is asked and of what: `("image", "/srv/a.qcow2")`. Its answer is
plain data, or the tree of a resource. "It is not there" is an answer like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Callable, NamedTuple, Protocol, TypeVar

from .plan import Have

Fact = tuple[str, ...]
Result = TypeVar("Result")

ALL = "all"  # ("all", KIND): the names of all resources of a kind


class NotRecorded(LookupError):
    """A recording has no answer to a question, nor any from which one follows."""


class Reader(Protocol):
    """Where answers come from: a host, or a recording of one."""

    def read(self, fact: Fact) -> Any:
        """The answer to one question. NotRecorded where a recording has none."""

    def resources(self, kind: str, names: Sequence[str] | None) -> dict[str, Have]:
        """The named resources of a kind (None: all), also those that are not there, in one batch.

        NotRecorded where a recording cannot tell.
        """


class Reads(NamedTuple):
    """What can be read of a host: resources by their kind, and answers by the question.

    Ansible ships all that a module imports, so each kind says what its plans ask, and no more.
    """

    resources: Mapping[str, Callable[..., dict[str, Have]]] = {}
    answers: Mapping[str, Callable[..., Any]] = {}


class Facts:
    """The facts of one host that were asked for, each with its answer."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._answers: dict[Fact, Any] = {}
        self._made: dict[Any, tuple[Any, frozenset[Fact]]] = {}
        self._scopes: list[set[Fact]] = []
        self.missing: dict[Fact, None] = {}  # what the reader could not answer, in order

    def anew(self) -> Facts:
        """Of the same host, with nothing asked yet."""
        return Facts(self._reader)

    def ask(self, *fact: str, unknown: Any = None) -> Any:
        """The answer to a question; `unknown` where a recording has none."""
        if fact not in self._answers:
            try:
                self._answers[fact] = self._reader.read(fact)
            except NotRecorded:
                self._answers[fact] = unknown
                self.missing[fact] = None
        self._note(fact)
        return self._answers[fact]

    def resources(self, kind: str, names: Iterable[str]) -> dict[str, Have]:
        """The named resources of a kind, read in one batch as far as they were not yet."""
        wanted = list(names)
        new = [name for name in wanted if (kind, name) not in self._answers]
        if new:
            self._read_resources(kind, new)
        for name in wanted:
            self._note((kind, name))
        return {name: self._answers[(kind, name)] for name in wanted}

    def resource(self, kind: str, name: str) -> Have:
        """One resource of a kind, which is mostly known by now."""
        if (kind, name) not in self._answers:
            self._read_resources(kind, [name])
        self._note((kind, name))
        have: Have = self._answers[(kind, name)]
        return have

    def everything(self, kind: str) -> dict[str, Have]:
        """All resources of a kind, read in one batch; what was read before stays as it was.

        They are in the order of their names: libvirt's is that of a hash table, another each time.
        """
        if (ALL, kind) not in self._answers:
            self._answers[(ALL, kind)] = sorted(self._read_resources(kind, None))
        self._note((ALL, kind))
        names = self._answers[(ALL, kind)]
        return {name: self._answers[(kind, name)] for name in names}

    def _read_resources(self, kind: str, names: list[str] | None) -> Mapping[str, Have]:
        try:
            found: Mapping[str, Have] = self._reader.resources(kind, names)
        except NotRecorded:
            found = {name: Have(kind, name) for name in names or ()}
            for fact in [(kind, name) for name in found] or [(ALL, kind)]:
                self.missing[fact] = None
        for name, have in found.items():
            self._answers.setdefault((kind, name), have)
        return found

    # ---- which facts something is made of

    @contextmanager
    def scope(self) -> Iterator[set[Fact]]:
        """The facts that are asked for meanwhile."""
        asked: set[Fact] = set()
        self._scopes.append(asked)
        try:
            yield asked
        finally:
            self._scopes.pop()

    def _note(self, fact: Fact) -> None:
        for scope in self._scopes:
            scope.add(fact)

    def made(self, key: Any, make: Callable[[], Result]) -> Result:
        """What is worked out of facts, once; whoever gets it has asked for those facts too."""
        if key not in self._made:
            with self.scope() as asked:
                result = make()
            self._made[key] = result, frozenset(asked)
        result, asked_for = self._made[key]
        for scope in self._scopes:
            scope.update(asked_for)
        return result

    def answers(self) -> Mapping[Fact, Any]:
        """All that was asked for and answered."""
        return {fact: one for fact, one in self._answers.items() if fact not in self.missing}
