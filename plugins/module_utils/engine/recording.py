# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of facts: plain data that can be written to a file, and read from one.

A recording holds no secret: in the place of each is a token, by which another value is told from
the same one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable

from . import sensitive, xmltree
from .errors import FleetError
from .facts import ALL, Fact
from .host import Daemon, Secret
from .looked_at import File, Image, Interface, Layout, Unreadable
from .move_facts import Bridge, Clock, DiskSize, GuestCpus, Identity, Inside, Mount
from .nodes import Cell, HugePages
from .plain import BY_DEFINITION, KINDS, plain
from .plan import Have
from .xmltree import Element

if TYPE_CHECKING:
    from .promises_policy import Capacity

FORMAT = 1


def dump(answers: Mapping[Fact, Any]) -> dict[str, Any]:
    """Answers as plain data, in an order that does not depend on that of the questions."""
    recording: dict[str, Any] = {"format": FORMAT, "resources": {}, "lists": {}, "facts": {}}
    for fact, answer in answers.items():
        asked, *of = fact
        if asked == ALL:
            recording["lists"][of[0]] = sorted(answer)
        elif asked in KINDS:
            recording["resources"].setdefault(asked, {})[of[0]] = of_have(answer)
        else:
            place = recording["facts"].setdefault(asked, {})
            place[json.dumps(_key(asked, of))] = plain(answer)
    recording["digest"] = digest_of(recording)
    ordered: dict[str, Any] = json.loads(_text(recording))
    return ordered


def load(recording: Any) -> dict[Fact, Any]:
    """The answers of a recording. FleetError if it is none, or not as it was written."""
    if not isinstance(recording, Mapping) or "format" not in recording:
        raise FleetError("is no recording of a host")
    if recording["format"] != FORMAT:
        raise FleetError(
            f"has the format {recording['format']}, and this version of the collection reads "
            f"{FORMAT}; record the host again"
        )
    if recording.get("digest") != digest_of(recording):
        raise FleetError("was changed after it was written, or cut off; record the host again")
    answers: dict[Fact, Any] = {(ALL, kind): names for kind, names in recording["lists"].items()}
    for kind, resources in recording["resources"].items():
        for name, told in resources.items():
            answers[(kind, name)] = _have(kind, name, told)
    for asked, places in recording["facts"].items():
        read = READS.get(asked, _as_it_is)
        for key, told in places.items():
            answers[(asked, *json.loads(key))] = read(told)
    return answers


def digest_of(recording: Mapping[str, Any]) -> str:
    """The digest of all that a recording says of its host."""
    said = {name: recording.get(name) for name in ("format", "resources", "lists", "facts")}
    return f"sha256:{hashlib.sha256(_text(said).encode()).hexdigest()}"


def key_of(fact: Fact) -> Fact:
    """Under which name the answer to a question is recorded."""
    asked, *of = fact
    return (asked, *_key(asked, of))


def _key(asked: str, of: list[str]) -> list[str]:
    if asked not in BY_DEFINITION or of[-1].startswith("sha256:"):
        return of
    definition = sensitive.masked_text(of[-1])
    return [*of[:-1], f"sha256:{hashlib.sha256(definition.encode()).hexdigest()}"]


def _text(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


# ---- resources


def of_have(have: Have) -> dict[str, Any]:
    return {
        "stored": _of_tree(have.stored),
        "live": _of_tree(have.live),
        "facts": dict(have.facts),
    }


def _of_tree(tree: Element | None) -> str | None:
    if tree is None:
        return None
    return xmltree.serialise(sensitive.masked(tree) if sensitive.may_be_in(tree) else tree)


def _have(kind: str, name: str, told: Mapping[str, Any]) -> Have:
    stored, live = (None if text is None else xmltree.parse(text) for text in _trees(told))
    return Have(kind, name, stored, live, told["facts"])


def _trees(told: Mapping[str, Any]) -> tuple[str | None, str | None]:
    return told["stored"], told["live"]


# ---- other answers


def _as_it_is(told: Any) -> Any:
    return told


def _file(told: Any) -> File | None:
    return None if told is None else File(**told)


def _image(told: Any) -> Image | Unreadable:
    if "image" not in told:
        return Unreadable(**told["unreadable"])
    layout = told["image"].get("layout")
    return Image(**{**told["image"], "layout": None if layout is None else Layout(**layout)})


def _interfaces(told: Any) -> dict[str, Interface]:
    return {name: Interface(**one) for name, one in told.items()}


def _secrets(told: Any) -> list[Secret] | None:
    return None if told is None else [Secret(*one) for one in told]


def _cells(told: Any) -> list[Cell]:
    return [Cell(*one) for one in told]


def _daemons(told: Any) -> list[Daemon]:
    return [Daemon(*one) for one in told]


def _huge_pages(told: Any) -> HugePages | None:
    if told is None:
        return None
    free, *memory = told
    return HugePages([(int(node), int(size), int(count)) for node, size, count in free], *memory)


def _capacity(told: Any) -> Capacity | None:
    from .promises_policy import Capacity

    if told is None:
        return None
    cpus, memory, pages, cells = told
    return Capacity(
        tuple(cpus),
        memory,
        {int(size): count for size, count in pages.items()},
        tuple((number, tuple(of_cell), size) for number, of_cell, size in cells),
    )


def _made(make: Callable[..., Any]) -> Callable[[Any], Any]:
    """What a type with fields in order is read back by; nothing that is known stays that."""

    def read(told: Any) -> Any:
        return None if told is None else make(*told)

    return read


def _bridge(mtu: int, ports: list[str]) -> Bridge:
    return Bridge(mtu, tuple(ports))


def _identity(uuid: str, hostname: str, security: list[str]) -> Identity:
    return Identity(uuid, hostname, tuple(security))


def _mounts(told: Any) -> list[Mount] | None:
    return None if told is None else [Mount(*one) for one in told]


READS: dict[str, Callable[[Any], Any]] = {
    "capacity": _capacity,
    "file": _file,
    "image": _image,
    "cells": _cells,
    "interfaces": _interfaces,
    "huge_pages": _huge_pages,
    "secrets": _secrets,
    "network_daemons": _daemons,
    "noted_daemons": _daemons,
    "bridge": _made(_bridge),
    "clock": _made(Clock),
    "disk_size": _made(DiskSize),
    "inside": _made(Inside),
    "guest_cpus": _made(GuestCpus),
    "identity": _made(_identity),
    "mounts": _mounts,
}
