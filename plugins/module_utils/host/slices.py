# SPDX-License-Identifier: GPL-3.0-or-later
"""Resource pools as slices of systemd: names of units, and what a unit file says of a pool.

Pure, and also installed on hosts for libvirt's hook: only what is quick to import.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..engine.promises_held import Pool

MACHINE = "machine.slice"
OURS = "X-kvm-fleet"  # the section of a unit file with what systemd does not know
PREFIX, SUFFIX = "machine-", ".slice"
UNESCAPED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.")
SIZES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
MOST = float(1 << 63)  # bytes; nobody counts more
MOST_CORES = 100_000
YES = ("yes", "y", "true", "t", "on", "1")


def unit_of_pool(path: str) -> str:
    """The slice of a pool: `gold/inner` has machine-gold-inner.slice."""
    return PREFIX + "-".join(escaped(part) for part in path.split("/")) + SUFFIX


def slices_of_pool(path: str) -> str:
    """The cgroup of a pool: a slice is in the one whose name its own begins with."""
    parts = path.split("/")
    inner = ["/".join(parts[:deep]) for deep in range(1, len(parts) + 1)]
    return "/".join(["", MACHINE, *(unit_of_pool(one) for one in inner)])


def pool_of_slice(unit: str) -> str:
    """The path of the pool that a slice is; empty of any other unit."""
    if not (unit.startswith(PREFIX) and unit.endswith(SUFFIX)):
        return ""
    try:
        names = [unescaped(part) for part in unit[len(PREFIX) : -len(SUFFIX)].split("-")]
    except ValueError:
        return ""  # nobody escaped that
    return "/".join(names) if all(names) and not any("/" in name for name in names) else ""


def escaped(name: str) -> str:
    """A name as systemd writes it in that of a unit (systemd-escape)."""
    found = [
        chr(byte) if chr(byte) in UNESCAPED and (place or byte != ord(".")) else f"\\x{byte:02x}"
        for place, byte in enumerate(name.encode())
    ]
    return "".join(found)


def unescaped(text: str) -> str:
    """The name that systemd wrote so."""
    first, *others = text.split("\\x")
    found = first.encode()
    for one in others:
        found += bytes([int(one[:2], 16)]) + one[2:].encode()
    return found.decode(errors="replace")


# ---- unit files


def sections_of(text: str) -> dict[str, dict[str, str]]:
    """What a unit file says, of each key the last."""
    found: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for line in text.replace("\\\n", " ").splitlines():
        said = line.strip()
        if said.startswith("[") and said.endswith("]"):
            section = found.setdefault(said[1:-1], {})
        elif said and said[0] not in "#;":
            key, _equals, value = said.partition("=")
            section[key.strip()] = value.strip()
    return found


def drop_in_names(unit: str) -> list[str]:
    """The names under which drop-ins for a slice stand, what counts first: its own, those of all
    slices that begin as it does, and of all that there are."""
    parts = unit[: -len(SUFFIX)].split("-")
    begins = ["-".join(parts[:deep]) + "-" + SUFFIX for deep in range(len(parts) - 1, 0, -1)]
    return [f"{name}.d" for name in (unit, *begins, SUFFIX[1:])]


def pool_of_unit(
    unit: str, text: str, beside: Mapping[str, tuple[str, str]] | None = None
) -> Pool | None:
    """The pool that a unit file declares, with what drop-ins say beside it; None of a slice that
    is none of ours."""
    found = sections_of(text)
    if OURS not in found or not pool_of_slice(unit):
        return None
    said_beside = {key: value for key, (value, _file) in (beside or {}).items()}
    kernel, ours = {**found.get("Slice", {}), **said_beside}, found[OURS]
    return Pool(
        path=pool_of_slice(unit),
        cpu=millicores(ours.get("CPUReservation", "")),
        cpu_limit=quota(kernel.get("CPUQuota", "")),
        shares=int(_number(kernel.get("CPUWeight", ""))),
        memory=bytes_of(kernel.get("MemoryMin", "")),
        memory_low=bytes_of(kernel.get("MemoryLow", "")),
        memory_limit=bytes_of(kernel.get("MemoryMax", "")),
        expandable=ours.get("Expandable", "").lower() in YES,
    )


def millicores(cores: str) -> int:
    """Thousandths of a core: `1.5` is 1500."""
    number = _number(cores)
    return round(number * 1000) if number <= MOST_CORES else 0


def quota(said: str) -> int:
    """Thousandths of a core of a part of one: `150%` is 1500."""
    number = _number(said.rstrip("%"))
    return round(number * 10) if number <= MOST_CORES * 100 else 0


def bytes_of(size: str) -> int:
    """A size as systemd reads it, or as users write it: 1024, 2G, 2GiB. 0 of what is no number."""
    number = size.strip()
    number = number[:-2] if number.endswith("iB") else number
    unit = SIZES.get(number[-1:].upper(), 0)
    found = _number(number[:-1].strip()) * unit if unit else _number(number)
    return round(found) if found < MOST else 0


def _number(text: str) -> float:
    """0 of what is none: `infinity`, nothing, a percentage of the machine, too many digits."""
    digits = text.replace(".", "", 1)
    number = float(text) if digits.isdigit() and digits.isascii() else 0
    return number if number < MOST else 0
