# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the facts of a plan lasts until it is done, and so can be expected to be the same then.

A fact counts where it is about a thing that has a name. Of a whole machine, or of all resources of
a kind, something else changes all the time: rules ask for that which refuse or warn, every run asks
it again, and what it decides is in the changes of the plan, which count.

What moves by itself does not count: the memory that a balloon holds, how much of a volume is
written, and to whom libvirt gives an image for as long as a VM runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Callable

from . import sensitive, xmltree
from .facts import ALL, Fact
from .looked_at import File, Image, Unreadable
from .plain import BY_DEFINITION, plain
from .plan import Have
from .xmltree import Element

# A lease is about a vswitch, but is renewed by guests.
OF_ALL = (
    *("capacity", "faults", "held", "promises", "vm_job"),
    # The library of fetched images may be filled and emptied at any time.
    "kept_image",
    # What moves ask of a machine; how a VM is sent, and how large a disk is, moves with the VM.
    *("clock", "disk_size", "inside", "migratable"),
    *("direct_block", "free_in", "mounts", "node_devices", "nwfilters"),
    *("greeting", "iscsi_login", "iscsi_targets", "reaches"),
    *(
        ALL,
        "folder",
        "huge_pages",
        "interfaces",
        "leases",
        "links",
        "linux_bridges",
        "network_daemons",
        "network_keeper",
        "network_manager",
        "open_files",
        "open_vswitch",
        "routes",
        "secrets",
        "switch_files",
        "vlan_hook",
        "way_in",
    ),
)

Paths = tuple[str, ...]

# What moves by itself in a definition, stored or live. (What libvirt tells only of a volume at
# which it has looked, and not of one that it made, comes by itself as well.)
MOVES: Mapping[str, Paths] = {
    "storage_pool": ("capacity", "allocation", "available"),
    "storage_volume": (
        *("allocation", "physical", "target/clusterSize", "target/features"),
        *("target/timestamps", "backingStore/timestamps"),
        *("target/permissions/owner", "backingStore/permissions/owner"),
        *("target/permissions/group", "backingStore/permissions/group"),
        *("target/permissions/label", "backingStore/permissions/label"),
    ),
    "vswitch": ("@connections", "forward/interface/@connections"),
}
# What does only while it runs.
MOVES_LIVE: Mapping[str, Paths] = {
    "resource_pool": ("@memory", "@populated"),
    "vm": (
        *("@id", "currentMemory", "seclabel"),
        *("devices/channel/target/@state", "devices/disk/target/@tray"),
        *("devices/memory/target/current",),
    ),
}


def counts(fact: Fact) -> bool:
    """Whether a plan is another where the answer is."""
    return fact[0] not in (*OF_ALL, *BY_DEFINITION)


def lasting(fact: Fact, answer: Any) -> Any:
    """What of an answer lasts, as plain data."""
    if isinstance(answer, Have):
        return _at_rest(answer)
    return plain(LASTING.get(fact[0], _all)(answer))


Rows = list[Any]


def _at_rest(have: Have) -> dict[str, Any]:
    moves = MOVES.get(have.kind, ())
    moves_live = (*moves, *MOVES_LIVE.get(have.kind, ()))
    return {
        "stored": None if have.stored is None else _rows(_without(have.stored, moves).iter()),
        "live": None if have.live is None else _rows_of_live(_without(have.live, moves_live)),
        "facts": dict(have.facts),
    }


def _rows(nodes: Iterable[Element]) -> Rows:
    """Nodes from top to bottom, each with how many are in it; white space says nothing.

    They tell two trees apart as XML would, in a quarter of the time that it takes to write that.
    """
    return [
        (
            node.tag if node.tag.__class__ is str else _name(node),
            node.attrib,
            text if (text := node.text) and not text.isspace() else None,
            tail if (tail := node.tail) and not tail.isspace() else None,
            len(node),
        )
        for node in nodes
    ]


def _rows_of_live(tree: Element) -> Rows:
    """The same with the devices at the end: they have another order after libvirt restarts."""
    others = (node for part in tree if part.tag != "devices" for node in part.iter())
    devices = (_rows(device.iter()) for device in tree.iterfind("devices/*"))
    return [*_rows([tree, *others]), *sorted(devices, key=repr)]


def _name(node: Element) -> str:
    """How a comment or a processing instruction is told, whose tag is a function."""
    tag: Any = node.tag
    return f"<{tag.__name__}>"


def _without(tree: Element, paths: Paths) -> Element:
    """A tree without what is at these paths, and without secrets; itself where it has neither."""
    may_hold = sensitive.may_be_in(tree)
    if not (paths or may_hold):
        return tree
    copy = sensitive.masked(tree) if may_hold else xmltree.clone(tree)
    for path in paths:
        above, _slash, last = path.rpartition("/")
        for element in copy.findall(above) if above else [copy]:
            element.attrib.pop(last[1:], None)
            for child in element.findall(last) if last[0] != "@" else ():
                element.remove(child)
    return copy


def _all(answer: Any) -> Any:
    return answer


def _file(found: File | None) -> Any:
    """A file may be given to the user of a VM that starts; a folder is not."""
    if found is None or found.type == "folder":
        return found and (found.type, found.mode, found.owner, found.group)
    return found.type, found.mode


def _image(found: Image | Unreadable) -> Any:
    """How many snapshots are in an image is told of its VM."""
    return found if isinstance(found, Unreadable) else replace(found, snapshots=0)


def _daemons(found: Iterable[Any]) -> Any:
    return sorted((one.program, one.network) for one in found)


LASTING: dict[str, Callable[[Any], Any]] = {
    "file": _file,
    "image": _image,
    "noted_daemons": _daemons,
}
