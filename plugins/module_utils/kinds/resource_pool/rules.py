# SPDX-License-Identifier: GPL-3.0-or-later
"""What a resource pool may be called, and what it may hold."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine.errors import Mistakes
from ...engine.host import HostFacts
from ...engine.keys import Values, named
from ...engine.units import parse_size
from .naming import LONGEST_UNIT, NAME, unit_of

ABOVE = (
    (("cpu", "reservation"), ("cpu", "limit")),
    (("memory", "reservation"), ("memory", "limit")),
    (("memory", "low"), ("memory", "limit")),
)


def check_name(name: str, parent: str, mistakes: Mistakes) -> None:
    """The name of a pool, and the path of the one that it is in."""
    says = "a name of letters, digits, -, _ and . that begins with none of - and ."
    if "/" in name:
        mistakes.add(f"{name!r} has a slash; write what is before it as parent", "name")
    elif not NAME.fullmatch(name):
        mistakes.add(f"{name!r} is not {says}", "name")
    if parent and not all(NAME.fullmatch(one) for one in parent.split("/")):
        mistakes.add(f"{parent!r} is not the path of a pool, such as gold or gold/inner", "parent")
    elif name in parent.split("/"):
        mistakes.add(f"{parent} is in {name}: a pool cannot be its own parent", "parent")
    elif len(unit_of(f"{parent}/{name}")) > LONGEST_UNIT:
        mistakes.add(f"names a unit of more than {LONGEST_UNIT} characters", "name")


def check_amounts(after: Values, mistakes: Mistakes) -> None:
    """What is promised can be had: it is not more than the limit."""
    for less, most in ABOVE:
        amount, limit = _number(after.get(less)), _number(after.get(most))
        if amount is not None and limit and amount > limit:
            field, above = named(less), named(most)
            mistakes.add(f"is {after[less]}, which is above {above}, {after[most]}", field)


def check_cgroups(after: Values, host: HostFacts, mistakes: Mistakes) -> None:
    """What only the second version of cgroups can do."""
    if (host.promises or {}).get("cgroup") != 1:
        return
    for key in (("memory", "reservation"), ("memory", "low")):
        if _number(after.get(key)):
            mistakes.add(
                "needs cgroup v2, and this machine has v1, which guarantees no memory; boot it "
                "with systemd.unified_cgroup_hierarchy=1, or leave this out",
                named(key),
            )


def below_use(after: Values, used: int) -> Iterator[str]:
    """A warning where the VMs in it use more memory than they will be allowed."""
    limit = _number(after.get(("memory", "limit")))
    if limit and used > limit:
        yield (
            f"memory.limit is {after[('memory', 'limit')]}, and {used >> 20}MiB are in use in it: "
            "the kernel reclaims what is above, and kills a VM where it cannot"
        )


def why_not_here(host: HostFacts) -> str:
    """Why a pool cannot be managed on this host from here; empty where it can."""
    if not host.is_this_machine:
        from ...engine.secret_words import shown_name

        return (
            f"is a slice of systemd on the machine of its VMs, and {shown_name(host.uri)} is not "
            "the libvirt of the machine on which this module runs; run it there, with "
            "uri: qemu:///system"
        )
    if host.state_folder:
        return "is a slice of the system, and VMs of a session are in none; use uri: qemu:///system"
    return ""


def why_no_slices(host: HostFacts) -> str:
    """Why there can be no pool on this machine; empty where there can."""
    if (host.promises or {}).get("systemd", True):
        return ""
    return "is a slice of systemd, and this machine was not booted with systemd"


def _number(value: object) -> float | None:
    """An amount of CPUs or bytes; None of what others wrote otherwise."""
    if isinstance(value, (int, float)):
        return value
    try:
        return parse_size(value)
    except ValueError:
        return None
