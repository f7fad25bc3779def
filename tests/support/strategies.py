"""What users may write, from the tables themselves: a strategy for each codec and each row.

Of a codec it is read what it was made with (its pattern, its bounds, its words). So a new row needs
nothing here, and a new codec fails until it has its line in MAKERS.
"""

from __future__ import annotations

import base64
import inspect
import ipaddress
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ansible_collections.kvm.fleet.plugins.module_utils.engine.codecs import MAC_PATTERN, Codec
from ansible_collections.kvm.fleet.plugins.module_utils.engine.fields import (
    Field,
    Items,
    Row,
    Rows,
    Variant,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import Key, key_of
from ansible_collections.kvm.fleet.plugins.module_utils.engine.texts import as_kept
from ansible_collections.kvm.fleet.plugins.module_utils.engine.units import UNITS, format_size

Params = dict[str, Any]
Known = Mapping[str, Any]

# What XML can hold, on one line; the characters that it has to escape come often.
LINE = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
TROUBLE = ("", " ", "  ", "a", "é", "&", "<", ">", "'", '"', "]]>", "&amp;", "%", "#2", "\\")
ONE_LINE = st.lists(st.sampled_from(TROUBLE) | st.text(LINE, max_size=4), max_size=4).map("".join)
LINES = st.lists(ONE_LINE | st.sampled_from(["\n", "\t", "\r\n"]), max_size=4).map("".join)

# ---- codecs

_TOKENS = st.from_regex("[a-z0-9]{1,8}", fullmatch=True)


def values_for(codec: Codec, one_line: bool = True) -> SearchStrategy[Any]:
    """What a user may write where this codec parses it."""
    return _values_for(_Same(codec), one_line)


@cache
def _values_for(of: _Same, one_line: bool) -> SearchStrategy[Any]:
    codec: Codec = of.thing
    maker = codec.parse.__qualname__.partition(".")[0]
    known = inspect.getclosurevars(codec.parse).nonlocals if maker != "bool" else {}
    if maker == "text" and not known["pattern"]:
        return ONE_LINE if one_line else LINES
    return MAKERS[maker](known).filter(lambda value: _is_taken(codec, value, one_line))


class _Same:
    """A thing that is compared by what it is and not by what it says."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)


def _is_taken(codec: Codec, value: Any, one_line: bool) -> bool:
    try:
        codec.parse(as_kept(value, one_line))
    except ValueError:
        return False
    return True


def _text(known: Known) -> SearchStrategy[str]:
    return st.just("") | st.from_regex(known["pattern"], fullmatch=True, alphabet=LINE)


def _encrypted_by(_known: Known) -> SearchStrategy[Any]:
    return st.sampled_from(["secret", "secret_uuid"]).flatmap(
        lambda name: st.fixed_dictionaries({name: _TOKENS})
    )


def _integer(known: Known) -> SearchStrategy[Any]:
    low, high = known["minimum"], known["maximum"]
    whole = st.integers(low, 2**31 if high is None else high)
    return whole | whole.map(str)


def _size(known: Known) -> SearchStrategy[str]:
    words = known["words"]
    return sizes(known["factor"]) | st.sampled_from(words) if words else sizes(known["factor"])


def sizes(factor: int = 1, least: int = 0) -> SearchStrategy[str]:
    """Multiples of a number of bytes, in all the ways of writing them."""
    units = [unit for unit, size in UNITS.items() if size % factor == 0]
    spaces = st.sampled_from(["", " "])
    whole = st.builds("{}{}{}".format, st.integers(least, 2048), spaces, st.sampled_from(units))
    halves = st.builds("{}.5{}".format, st.integers(0, 99), st.sampled_from(units[1:]))
    exact = st.integers(least, 2**50).map(lambda number: format_size(number * factor))
    return whole | halves | exact


def _choice(known: Known) -> SearchStrategy[str]:
    return st.sampled_from(known["known"])


def _mapping(_known: Known) -> SearchStrategy[Any]:
    return st.dictionaries(ONE_LINE, ONE_LINE | st.integers() | st.none(), max_size=3)


def _addresses(_known: Known) -> SearchStrategy[str]:
    return st.ip_addresses().map(str)


def _interface_address(known: Known) -> SearchStrategy[str]:
    version = known["version"]
    lengths = st.integers(1, {4: 32, 6: 128}[version])
    return st.just("") | st.builds("{}/{}".format, st.ip_addresses(v=version), lengths)


def _networks(_known: Known) -> SearchStrategy[str]:
    lengths = st.integers(0, 32)
    of_all = st.builds("{}/{}".format, st.ip_addresses(), lengths)
    return of_all.map(lambda one: str(ipaddress.ip_network(one, strict=False)))


CPU_LISTS = st.from_regex("[0-9]{1,2}(-9[0-9])?(,[0-9]{1,3}){0,3}", fullmatch=True)
MACS = st.from_regex(MAC_PATTERN, fullmatch=True)
_NAMES = st.from_regex("[a-z][a-z0-9-]{0,5}", fullmatch=True)
_STEPS = st.sampled_from(["a", "B c", "é'", "//", "&"])
_PATHS = st.lists(_STEPS, min_size=1, max_size=3).map(lambda steps: f"/{'/'.join(steps)}")

_RANGES = st.builds("{}-{}".format, st.integers(1, 9), st.integers(9, 12))
_VLANS = st.integers(1, 4094).map(str) | _RANGES
_SERVER = st.fixed_dictionaries(
    {"name": _NAMES}, optional={"port": st.integers(0, 65535), "transport": st.just("tcp")}
)
_NVMES = st.fixed_dictionaries(
    {
        "address": st.sampled_from(["0000:01:00.0", "0000:0A:1f.7"]),
        "namespace": st.integers(1, 9),
        "managed": st.booleans(),
    }
)
_SERVERS = st.fixed_dictionaries(
    {"protocol": st.sampled_from(["rbd", "iscsi", "nbd", "https"])},
    optional={
        "name": st.sampled_from(["a", "p/i", "x&'", "a?token=quiet"]),
        "hosts": st.lists(_SERVER, min_size=1, max_size=2),
        "tls": st.booleans(),
        "auth": st.fixed_dictionaries({"username": _NAMES, "secret": _NAMES}),
    },
)

# By the function that made the codec, or parses for it.
_HOST_DEVICES = {
    "_pci_of": st.from_regex("(0{1,4}:)?[0-9a-fA-F]{2}:[01][0-9a-f][.][0-7]", fullmatch=True),
    "_usb_of": st.from_regex(
        "[0-9a-fA-F]{4}:[0-9a-f]{4}(@[0-9]{1,3}/[0-9]{1,3})?|[0-9]{1,3}/[0-9]{1,3}", fullmatch=True
    ),
}

MAKERS: dict[str, Callable[[Known], SearchStrategy[Any]]] = {
    "text": _text,
    "prose": lambda known: _text(known) if known["pattern"] else LINES,
    "encrypted_by": _encrypted_by,
    "integer": _integer,
    "size": _size,
    "choice": _choice,
    "partly_hiding": lambda _known: LINES | _TOKENS.map("quiet token={} ro".format),
    "bool": lambda _known: st.booleans(),
    "mapping": _mapping,
    "hiding": lambda known: values_for(known["inner"]),
    "octets": lambda _known: st.binary(min_size=1, max_size=9).map(
        lambda value: base64.b64encode(value).decode()
    ),
    "uuid": lambda _known: st.uuids().map(str) | st.uuids().map(str).map(str.upper),
    "_network": _networks,
    "_several": lambda known: st.lists(
        values_for(known["of"]).filter(bool), max_size=3, unique_by=known["of"].parse
    ),
    "texts": lambda _known: st.lists(ONE_LINE.filter(str.strip), max_size=3),
    "_boot_devices": lambda _known: st.lists(
        st.sampled_from(["hd", "cdrom", "network", "fd"]), unique=True
    ),
    "_uuid": lambda _known: st.just("") | st.uuids().map(str) | st.uuids().map(str).map(str.upper),
    "_of_parts": lambda known: st.just("") | _HOST_DEVICES[known["parse"].__name__],
    "_mdev_of": lambda _known: st.just("") | st.uuids().map(str),
    "_emulator": lambda _known: st.sampled_from(["", "/usr/bin/qemu-system-x86_64", "/opt/qemu"]),
    "mac": lambda _known: MACS,
    "_cell_number": lambda _known: st.integers(0, 300),
    "_shares": lambda _known: st.just(0) | st.integers(2, 10_000),
    "cores": lambda _known: st.integers(0, 100_000).map(lambda milli: milli / 1000),
    "_cpu_list": lambda _known: st.just("") | CPU_LISTS,
    "_of_threads": lambda _known: st.dictionaries(
        st.integers(0, 300) | st.integers(0, 300).map(str), CPU_LISTS | st.integers(0, 99)
    ),
    "_context_id": lambda _known: st.sampled_from(["auto", "none"]) | st.integers(3, 2**32 - 2),
    "vlan_ranges": lambda _known: st.lists(_VLANS, max_size=3),
    "pairs": lambda _known: st.dictionaries(
        st.sampled_from(["IP", "CTRL_IP_LEARNING"]), st.sampled_from(["192.0.2.7", "dhcp", "::1"])
    ),
    "_nic_name": lambda _known: st.from_regex("[A-Za-z0-9_-]+", fullmatch=True) | MACS,
    "address": _addresses,
    "interface_address": _interface_address,
    "names": lambda _known: st.lists(_NAMES, min_size=1, max_size=3),
    "Identity": lambda _known: MACS | _NAMES,
    "path": lambda _known: _PATHS,
    "some": lambda _known: ONE_LINE.filter(bool),
    "mode": lambda _known: st.from_regex("0?[0-7]{3}", fullmatch=True),
    "shares": lambda _known: st.sampled_from(["low", "normal", "high"]) | st.integers(1, 10_000),
    "kernel_size": lambda _known: sizes(4096),
    "partition": lambda _known: st.sampled_from(["", "gold", "gold/my-pool", "/machine/a", "/a"]),
    "_capacity": lambda _known: sizes(1024, least=1),
    "_cluster_size": lambda _known: st.integers(9, 21).map(lambda bits: f"{1 << bits}B"),
    "_lease_time": lambda _known: st.sampled_from([-1, 0]) | st.integers(120, 2**32 - 1),
    "_queues": lambda _known: st.integers(0, 256),
    "_parse_macvtap": lambda _known: st.fixed_dictionaries(
        {"dev": _NAMES, "mode": st.sampled_from(["bridge", "private", "vepa", "passthrough"])}
    ),
    "_source": lambda known: {"network": _SERVERS, "nvme": _NVMES}[known["source"]],
}


# ---- rows


@st.composite
def declarations(draw: DrawFn, rows: Rows, most: int = 6) -> Params:
    """The options of some rows, as a module gets them."""
    whole: Params = {}
    some = st.lists(st.sampled_from(rows), max_size=most, unique_by=lambda row: row.name)
    for row in draw(some):
        for key, value in drawn(draw, row).items():
            place(whole, key, value)
    return _of_one_port(whole)


def _of_one_port(whole: Params) -> Params:
    """VLANs as one port has them: of a trunk or not, and the native one said once."""
    ranges = [str(part).partition("-") for part in whole.get("trunk", ())]
    native = int(whole.get("native_vlan", 0))
    if any(int(first) <= native <= int(last or first) for first, _dash, last in ranges):
        del whole["native_vlan"]
    if "trunk" in whole or "native_vlan" in whole:
        whole.pop("vlan", None)
    return whole


def drawn(draw: DrawFn, row: Row) -> dict[Key, Any]:
    """What a user may write of one row, by key."""
    if isinstance(row, Field):
        return {key_of(row.name): draw(_values_of(row))}
    if isinstance(row, Variant):
        case = draw(st.sampled_from(list(row.cases.values())))
        return {(field.name,): draw(_values_of(field)) for field in case}
    return {key_of(row.name): draw(things(row))}


def _values_of(field: Field) -> SearchStrategy[Any]:
    return values_for(field.codec, field.path.rpartition("/")[2].startswith("@"))


@st.composite
def things(draw: DrawFn, row: Items, most: int = 3) -> list[Params]:
    """Things with names, some of them to go."""
    option, codec = row.key
    named = draw(st.lists(values_for(codec).filter(bool), max_size=most, unique_by=codec.parse))
    state = st.sampled_from(["present", "present", "present", "absent"])
    fields = declarations(row.rows, most=4) if row.rows else st.just({})
    return [{**draw(fields), option: name, "state": draw(state)} for name in named]


def place(whole: Params, key: Key, value: Any) -> None:
    """Put a value where its key says."""
    for part in key[:-1]:
        whole = whole.setdefault(part, {})
    whole[key[-1]] = value
