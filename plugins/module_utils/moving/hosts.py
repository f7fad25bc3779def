# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a move: by which name each is known, and how it is reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..engine.errors import Mistakes
from ..engine.secret_words import without_login

HOSTS_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "host": {"type": "str", "required": True},
    "hosts": {"type": "dict", "required": True},
}
# Of each host. Ansible cannot say what is in a dictionary whose names are free.
REACH = ("uri", "migration_uri")


class Reach(NamedTuple):
    """How one host is reached: from here, and from the other hosts."""

    name: str
    uri: str  # of libvirt, from where the module runs; or snapshot:PATH
    migration_uri: str  # of libvirt, from the other hosts; as from here where nothing else is said


def reached(params: Mapping[str, Any]) -> dict[str, Reach]:
    """The hosts of a declaration, in the order of their names. Or FleetErrors."""
    mistakes = Mistakes(f"migration/{params['name']}")
    found = ways(params["hosts"], mistakes)
    if params["host"] not in map(str, params["hosts"]):
        known = ", ".join(sorted(map(str, params["hosts"]))) or "nobody"
        mistakes.add(
            f"{params['host']} is none of hosts, which are {known}; name one of these, or add it "
            "there with its uri",
            "host",
        )
    mistakes.raise_any()
    return found


def ways(hosts: Mapping[Any, Any], mistakes: Mistakes) -> dict[str, Reach]:
    """How each of some hosts is reached, in the order of their names."""
    found = {}
    for name, given in sorted(hosts.items(), key=lambda one: str(one[0])):
        reach = _reach(str(name), given, mistakes)
        if reach is not None:
            found[reach.name] = reach
    _check_twins(found, mistakes)
    return found


def _reach(name: str, given: Any, mistakes: Mistakes) -> Reach | None:
    field = f"hosts.{name}"
    if not isinstance(given, Mapping):
        told = without_login(repr(given), repr(given))
        mistakes.add(f"{told} is no dictionary; write {{uri: qemu+ssh://{name}/system}}", field)
        return None
    for other in sorted(str(one) for one in given if one not in REACH):
        mistakes.add(f"there is no option {other}; there are {' and '.join(REACH)}", field)
    uri = str(given.get("uri") or "")
    if not uri:
        mistakes.add(f"has no uri; write how it is reached, as qemu+ssh://{name}/system", field)
        return None
    return Reach(name, uri, str(given.get("migration_uri") or uri))


def _check_twins(found: Mapping[str, Reach], mistakes: Mistakes) -> None:
    names: dict[str, str] = {}
    for reach in found.values():
        first = names.setdefault(reach.uri, reach.name)
        if first != reach.name:
            mistakes.add(
                f"{first} and {reach.name} have the uri {without_login(reach.uri, reach.uri)}; "
                "a host has one name",
                f"hosts.{reach.name}.uri",
            )
