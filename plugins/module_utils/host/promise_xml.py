# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM is promised, from its definition as libvirt hands it to its hook.

The same that `kinds/vm/promised.py` reads from a tree, a test compares the two; but the hook runs
at each start of a VM, and what parses XML takes longer to import than all that it does. libvirt
writes definitions anew: an attribute is in quotes, no text looks like an element.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..engine.promises_held import CORE, KIB, Vm, number_in
from .capacity import cpu_list

NAMESPACE = "urn:kvm.fleet:1"
UNITS = {"b": 1, "bytes": 1, "kb": 10**3, "k": 2**10, "kib": 2**10, "mb": 10**6, "m": 2**20}
UNITS.update({"mib": 2**20, "gb": 10**9, "g": 2**30, "gib": 2**30, "t": 2**40, "tib": 2**40})
ENTITIES = {"lt": "<", "gt": ">", "quot": '"', "apos": "'", "amp": "&"}
PARTITION = "/machine/"
RECORD = [" domain", " metadata", f"{NAMESPACE} resource"]
_TAG = re.compile(r"<(/?)([\w.-]+:)?([\w.-]+)([^<>]*?)(/?)>")


def vm_of_xml(text: str) -> Vm:
    """What the VM of a definition has and holds."""
    metadata, head = _metadata(text)
    head = re.sub(r"<devices>.*</devices>", "", head, flags=re.DOTALL)
    reservation = _reservation(text, metadata)
    tune = _inside(head, "cputune")
    memory, reserved = _size(head, "memory"), reservation.get("memory", "")
    is_dedicated = reservation.get("dedicated") == "yes"
    return Vm(
        name=_plain(_inside(head, "name")),
        uuid=_inside(head, "uuid").strip(),
        pool=_pool(_plain(_inside(head, "partition").strip())),
        vcpus=_vcpus(head),
        memory=memory,
        cpu=round(number_in(reservation.get("cpu")) * CORE),
        shares=int(_inside(tune, "shares") or 0),
        reserved=memory if reserved == "all" else int(number_in(reserved)) * KIB,
        huge_page=_huge_page(_inside(head, "memoryBacking")),
        dedicated=is_dedicated,
        cpus=_pinned(tune, is_dedicated),
    )


def _metadata(text: str) -> tuple[str, str]:
    """The metadata, and the rest: in there, others may have elements of any name, and comments."""
    found = re.search(r"<metadata(?:\s[^>]*[^>/])?>.*</metadata>", text, re.DOTALL)
    if not found:
        return "", text
    metadata = re.sub(r"<!--.*?-->|<!\[CDATA\[.*?\]\]>", "", found[0], flags=re.DOTALL)
    return metadata, text[: found.start()] + text[found.end() :]


def _reservation(text: str, metadata: str) -> dict[str, str]:
    """The attributes of our element: the first in the first record of ours.

    What others have in elements of their own is theirs, copies of ours included.
    """
    domain = re.search(r"<domain\b[^>]*>", text)
    is_found = False
    for path, attributes in _elements((domain[0] if domain else "<domain>") + metadata):
        if path == RECORD and is_found:
            break
        if path == [*RECORD, f"{NAMESPACE} reservation"]:
            return attributes
        is_found = is_found or path == RECORD
    return {}


def _elements(xml: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Each element by its path, `NAMESPACE NAME` from the outermost on, with its attributes."""
    path: list[str] = []
    spaces: list[dict[str, str]] = [{"": ""}]  # by prefix, of each on the path
    for closes, prefix, name, inside, is_empty in _TAG.findall(xml):
        if closes:
            del path[-1:], spaces[len(path) + 1 :]
            continue
        said = _attributes(inside) if inside else {}
        own = {key[6:]: uri for key, uri in said.items() if key[:6] in ("xmlns", "xmlns:")}
        spaces.append({**spaces[-1], **own} if own else spaces[-1])
        path.append(f"{spaces[-1].get(prefix[:-1], '')} {name}")
        yield path, said
        if is_empty:
            del path[-1:], spaces[-1:]


def _pool(partition: str) -> str:
    """The pool that a partition is; what others put elsewhere keeps its whole path."""
    if partition == PARTITION.rstrip("/"):
        return ""
    return partition[len(PARTITION) :] if partition.startswith(PARTITION) else partition


def _huge_page(backing: str) -> int:
    """The bytes of its huge pages; of the host's own size where none is said."""
    pages = re.findall(r"<page\b([^>]*)>", _inside(backing, "hugepages"))
    sizes = (_attributes(page) for page in pages)
    found = [int(one["size"]) * UNITS[one.get("unit", "KiB").lower()] for one in sizes]
    usual = UNITS["mib"] * 2 if re.search(r"<hugepages\b", backing) else 0
    return found[0] if found else usual


def _pinned(tune: str, is_dedicated: bool) -> tuple[int, ...]:
    """The CPUs that are the VM's own: all that are dedicated, and those to which one is pinned."""
    pins = (_attributes(one) for one in re.findall(r"<vcpupin\b([^>]*)>", tune))
    lists = [cpu_list(one.get("cpuset", "")) for one in pins]
    return tuple(sorted({cpu for one in lists for cpu in one if is_dedicated or len(one) == 1}))


def _vcpus(text: str) -> int:
    """Those that it has, of all that it may have."""
    found = re.search(r"<vcpu\b([^>]*)>\s*(\d+)", text)
    return int(_attributes(found[1]).get("current", found[2])) if found else 1


def _size(text: str, name: str) -> int:
    found = re.search(rf"<{name}\b([^>]*)>\s*(\d+)", text)
    return int(found[2]) * UNITS[_attributes(found[1]).get("unit", "KiB").lower()] if found else 0


def _inside(text: str, name: str) -> str:
    """What is in the first element of a name; nothing of an empty one."""
    found = re.search(rf"<{name}(?:\s[^>]*[^>/])?>(.*?)</{name}>", text, re.DOTALL)
    return found[1] if found else ""


def _attributes(text: str) -> dict[str, str]:
    found = re.findall(r"""([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""", text)
    return {name: _plain(double or single) for name, double, single in found}


def _plain(text: str) -> str:
    """A text without entities."""
    return re.sub(r"&(#x?)?(\w+);", _character, text)


def _character(entity: re.Match[str]) -> str:
    if entity[1]:
        return chr(int(entity[2], 16 if entity[1] == "#x" else 10))
    return ENTITIES.get(entity[2], entity[0])
