# SPDX-License-Identifier: GPL-3.0-or-later
"""How a move is to be made: what users may say of it, read into plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..engine.errors import Mistakes
from ..engine.units import parse_size

AUTO, LIVE, OFFLINE = "auto", "live", "offline"
SSH, TLS, TCP = "ssh", "tls", "tcp"
CANCEL, PAUSE, POST_COPY = "cancel", "pause", "post_copy"
KEEP, FLATTEN = "keep", "flatten"
COMPRESSIONS = ("xbzrle", "mt", "zlib", "zstd")

OPTIONS_SPEC: dict[str, Any] = {
    "mode": {"type": "str", "choices": [AUTO, LIVE, OFFLINE], "default": AUTO},
    "network": {"type": "str"},
    "bandwidth": {"type": "str"},
    "downtime_ms": {"type": "int"},
    "auto_converge": {"type": "bool", "default": False},
    "post_copy": {"type": "bool", "default": False},
    "parallel": {"type": "int"},
    "compression": {"type": "str", "choices": list(COMPRESSIONS)},
    "zero_copy": {"type": "bool", "default": False},
    "transport": {"type": "str", "choices": [SSH, TLS, TCP], "default": SSH},
    "timeout_s": {"type": "int"},
    "on_timeout": {"type": "str", "choices": [CANCEL, PAUSE, POST_COPY], "default": CANCEL},
    "stall_s": {"type": "int", "default": 60},
    "backing": {"type": "str", "choices": [AUTO, KEEP, FLATTEN], "default": AUTO},
    "map": {
        "type": "dict",
        "default": {},
        "options": {"pools": {"type": "dict"}, "vswitches": {"type": "dict"}},
    },
    "shared_pools": {"type": "list", "elements": "str", "default": []},
    "remove_source_storage": {"type": "bool", "default": False},
    "admission": {"type": "str", "choices": ["strict", "warn", "off"]},
}

_LEAST = {"downtime_ms": 1, "timeout_s": 1, "stall_s": 1, "parallel": 1}
_MOST = {"downtime_ms": 2_000_000, "parallel": 255}  # what QEMU takes


class Options(NamedTuple):
    """How a move is to be made. What is 0 or empty was not said."""

    mode: str = AUTO
    network: str = ""  # an address at the target, an interface of it, or a name that leads there
    bandwidth: int = 0  # bytes per second
    downtime_ms: int = 0
    auto_converge: bool = False
    post_copy: bool = False
    parallel: int = 0
    compression: str = ""
    zero_copy: bool = False
    transport: str = SSH
    timeout_s: int = 0  # from the size of what moves
    on_timeout: str = CANCEL
    stall_s: int = 60
    backing: str = AUTO
    pools: Mapping[str, str] = {}
    vswitches: Mapping[str, str] = {}
    shared_pools: tuple[
        str, ...
    ] = ()  # of the source, which the target has though nothing shows it
    remove_source_storage: bool = False
    admission: str = ""

    def pool(self, name: str) -> str:
        """What a storage pool is called at the target."""
        return self.pools.get(name, name)

    def vswitch(self, name: str) -> str:
        """What a vswitch is called at the target."""
        return self.vswitches.get(name, name)


def options_of(params: Mapping[str, Any]) -> Options:
    """The options that were given. Or FleetErrors."""
    mistakes = Mistakes(f"migration/{params['name']}")
    said: dict[str, Any] = {
        name: params[name] for name in Options._fields if params.get(name) is not None
    }
    if said.get("bandwidth"):
        said["bandwidth"] = rate_of(str(said["bandwidth"]), mistakes)
    given = params.get("map") or {}
    for name in ("pools", "vswitches"):
        said[name] = _names(f"map.{name}", given.get(name) or {}, mistakes)
    said["shared_pools"] = tuple(map(str, params.get("shared_pools") or ()))
    options = Options(**said)
    _check_numbers(options, mistakes)
    _check_together(options, mistakes)
    mistakes.raise_any()
    return options


def rate_of(text: str, mistakes: Mistakes) -> int:
    """Bytes per second in `100MiB/s`; libvirt counts them in MiB."""
    size, _slash, per = text.strip().partition("/")
    try:
        rate = parse_size(size)
    except ValueError as error:
        mistakes.add(f"{error}; a rate is written as 100MiB/s", "bandwidth")
        return 0
    if per.strip() not in ("", "s"):
        mistakes.add(f"{text} is no rate per second; write {size}/s", "bandwidth")
    if rate % 2**20 or not rate:
        mistakes.add(f"{text} is no whole number of MiB/s, in which libvirt counts", "bandwidth")
    return rate


def _names(field: str, given: Mapping[Any, Any], mistakes: Mistakes) -> dict[str, str]:
    names = {str(here): str(there or "") for here, there in given.items()}
    for here, there in names.items():
        if not here or not there:
            mistakes.add("a name is empty; write the one here and the one at the target", field)
    return names


def _check_numbers(options: Options, mistakes: Mistakes) -> None:
    for name, value in options._asdict().items():
        if name in _LEAST and value and value < _LEAST[name]:
            mistakes.add(f"{value} is less than {_LEAST[name]}", name)
        if name in _MOST and value > _MOST[name]:
            mistakes.add(f"{value} is more than {_MOST[name]}", name)


# What is said of a migration of running memory alone.
_OF_LIVE = (
    *("downtime_ms", "auto_converge", "post_copy", "parallel", "compression", "zero_copy"),
    *("timeout_s",),
)


def _check_together(options: Options, mistakes: Mistakes) -> None:
    """What contradicts itself whatever the hosts are."""
    if options.mode == OFFLINE:
        for name in _OF_LIVE:
            if getattr(options, name):
                mistakes.add(f"is of live migrations, and mode is {OFFLINE}; leave one out", name)
    if options.on_timeout == POST_COPY and not options.post_copy:
        mistakes.add(
            f"{POST_COPY} needs post_copy: true, which tells QEMU beforehand that it may switch",
            "on_timeout",
        )
    if options.zero_copy and not options.parallel:
        mistakes.add("is possible for parallel connections only; set parallel, too", "zero_copy")
    if options.zero_copy and options.transport == TLS:
        mistakes.add(f"is not possible with transport {TLS}, which copies to encrypt", "zero_copy")
    if options.zero_copy and options.compression:
        mistakes.add("is not possible with compression, which copies", "zero_copy")
    if options.compression in ("xbzrle", "mt") and options.parallel:
        mistakes.add(
            f"{options.compression} is of one connection; with parallel take zlib or zstd",
            "compression",
        )
    if options.compression in ("zlib", "zstd") and not options.parallel:
        mistakes.add(f"{options.compression} needs parallel, too", "compression")
