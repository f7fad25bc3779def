# SPDX-License-Identifier: GPL-3.0-or-later
"""The KVM hosts of an inventory: by which name each is known, and how it is reached. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ..engine.errors import FleetError, FleetErrors, Mistakes
from ..engine.secret_words import without_login

LOCAL = "localhost"
# Of each host, as kvm.fleet.migration takes it; what only a migration needs is read past.
REACH = ("uri", "migration_uri")


class Source(NamedTuple):
    """One KVM host to read."""

    name: str
    uri: str


# The hosts of the inventory that a name stands for, with the URI of each. FleetError for no name.
Resolve = Callable[[str], Mapping[str, str]]


def sources_of(given: Any, resolve: Resolve) -> list[Source]:
    """The hosts that were declared, in their order, each once. Or FleetErrors with all mistakes."""
    mistakes = Mistakes()
    found = list(_declared(given, resolve, mistakes))
    if not found and not mistakes.errors:
        mistakes.add("names no host; write URIs, or a group of the inventory", "hosts")
    _check_names(found, mistakes)
    mistakes.raise_any()
    return list(dict.fromkeys(found))


def _declared(given: Any, resolve: Resolve, mistakes: Mistakes) -> Iterator[Source]:
    if isinstance(given, Mapping):
        for name, reach in given.items():
            yield from _named(str(name), reach, mistakes)
        return
    for item in given if isinstance(given, list) else [given]:
        if isinstance(item, Mapping):
            told = without_login(repr(dict(item)), str(item))
            mistakes.add(f"{told} is no URI; write a mapping, NAME: URI", "hosts")
        elif is_uri(str(item)):
            yield Source(server_of(str(item)), str(item))
        else:
            yield from _resolved(str(item), resolve, mistakes)


def _named(name: str, reach: Any, mistakes: Mistakes) -> Iterator[Source]:
    """One host of a mapping: its URI, or a mapping that has it."""
    field = f"hosts.{name}"
    uri = reach
    if isinstance(reach, Mapping):
        for other in sorted(str(one) for one in reach if one not in REACH):
            mistakes.add(f"there is no option {other}; there is uri", field)
        uri = reach.get("uri")
    if uri is not None and is_uri(str(uri)):
        yield Source(name, str(uri))
        return
    given = without_login(str(uri), str(uri))
    said = "has no uri" if uri is None else f"{given!r} is no URI of libvirt"
    mistakes.add(f"{said}; write how it is reached, as qemu+ssh://root@{name}/system", field)


def _resolved(name: str, resolve: Resolve, mistakes: Mistakes) -> Iterator[Source]:
    try:
        for host, uri in resolve(name).items():
            if is_uri(uri):
                yield Source(host, uri)
            else:  # libvirt takes an empty one for that of the machine it is asked on
                given = without_login(repr(uri), uri)
                mistakes.add(f"of {host} is {given}, which is no URI of libvirt", "uri")
    except FleetError as error:
        mistakes.extend([error])
    except FleetErrors as errors:
        mistakes.extend(errors.errors)


def _check_names(found: list[Source], mistakes: Mistakes) -> None:
    uris: dict[str, str] = {}
    for source in found:
        first = uris.setdefault(source.name, source.uri)
        if first != source.uri:
            both = without_login(f"{first} and {source.uri}", first, source.uri)
            mistakes.add(
                f"{both} would both be called {source.name}; write a mapping, with a name for each",
                "hosts",
            )


def is_uri(text: str) -> bool:
    """Whether a text is the URI of a libvirt, and not the name of a host or a group."""
    return "://" in text


def server_of(uri: str) -> str:
    """The name of a host that nobody named: of the server in its URI, or of this machine."""
    server = uri.partition("://")[2].partition("?")[0].split("/", 1)[0].rpartition("@")[2]
    if server.startswith("["):  # an IPv6 address
        return server[1:].partition("]")[0]
    return server.partition(":")[0] or LOCAL
