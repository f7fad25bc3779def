# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be declared of a machine's memory, and what a declaration comes to.

KSM and huge pages of run time are numbers in files of the kernel. Each is a `Setting`: its name for
users, its file and the number. Pages of boot are words of the kernel's command line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ...engine.codecs import Value
from ...engine.errors import Mistakes
from ...engine.keys import Key
from ...engine.units import format_size, parse_size
from ...host.kernel_memory import KSM, folder_of

NAME = "host_memory"
RUN_TIME, BOOT = "run_time", "boot"
RUN = {"off": 0, "merge": 1, "unmerge": 2}
# The options of KSM, and the kernel's files for them.
KSM_FILES = {
    "pages_to_scan": "pages_to_scan",
    "sleep_ms": "sleep_millisecs",
    "merge_across_nodes": "merge_across_nodes",
    "use_zero_pages": "use_zero_pages",
    "run": "run",
}
LARGEST = 2**31 - 1  # more is no number of pages or milliseconds in any kernel

SPEC: dict[str, Any] = {
    "ksm": {
        "type": "dict",
        "options": {
            "run": {"type": "str", "choices": sorted(RUN)},
            "pages_to_scan": {"type": "int"},
            "sleep_ms": {"type": "int"},
            "merge_across_nodes": {"type": "bool"},
            "use_zero_pages": {"type": "bool"},
        },
    },
    "huge_pages": {
        "type": "list",
        "elements": "dict",
        "options": {
            "size": {"type": "str", "required": True},
            "count": {"type": "int", "required": True},
            "node": {"type": "int"},
            "reserved_at": {"type": "str", "choices": [RUN_TIME, BOOT], "default": RUN_TIME},
        },
    },
}


class Pages(NamedTuple):
    """Huge pages as one item declares them."""

    size: int
    node: int | None
    number: int
    at_boot: bool

    @property
    def key(self) -> Key:
        """Their name for users: `huge_pages.2MiB`, `huge_pages.1GiB.node0.at_boot`."""
        return key_of_pages(self.size, self.node, self.at_boot)


class Setting(NamedTuple):
    """A number in a file of the kernel, which is below the root."""

    key: Key
    file: str
    number: int


class Declared(NamedTuple):
    """All that a task declares."""

    ksm: Mapping[str, int]  # by option
    pages: tuple[Pages, ...]

    @property
    def settings(self) -> list[Setting]:
        """What the kernel is to have now and after each boot; KSM is set going last of all."""
        pages = [each for each in self.pages if not each.at_boot]
        return [
            *(Setting(each.key, file_of_pages(each), each.number) for each in pages),
            *(
                Setting(("ksm", name), f"{KSM}/{file}", self.ksm[name])
                for name, file in KSM_FILES.items()
                if name in self.ksm
            ),
        ]


def key_of_pages(size: int, node: int | None, at_boot: bool) -> Key:
    """The name of a number of huge pages."""
    of_node = () if node is None else (f"node{node}",)
    return ("huge_pages", format_size(size), *of_node, *(("at_boot",) if at_boot else ()))


def file_of_pages(pages: Pages) -> str:
    """The kernel's file with their count."""
    return f"{folder_of(pages.size, pages.node)}/nr_hugepages"


def shown(key: Key, number: int | None) -> Value:
    """A number of the kernel as users write it."""
    if number is None or key[0] != "ksm":
        return number
    if key[1] == "run":
        return next((word for word, value in RUN.items() if value == number), str(number))
    is_switch = SPEC["ksm"]["options"][key[1]]["type"] == "bool"
    return bool(number) if is_switch else number


def declared_in(params: Mapping[str, Any]) -> Declared:
    """What a task declares; FleetErrors has all that is wrong with it by itself."""
    mistakes = Mistakes(NAME)
    pages = [_pages(item, mistakes) for item in params["huge_pages"] or ()]
    known = [each for each in pages if each is not None]
    _check_together(known, mistakes)
    ksm = {k: v for k, v in (params["ksm"] or {}).items() if v is not None}
    for name in ("pages_to_scan", "sleep_ms"):
        _check_range(ksm.get(name, 0), f"ksm.{name}", mistakes)
    mistakes.raise_any()
    numbers = {name: RUN[value] if name == "run" else int(value) for name, value in ksm.items()}
    return Declared(numbers, tuple(known))


def _pages(item: Mapping[str, Any], mistakes: Mistakes) -> Pages | None:
    try:
        size = parse_size(item["size"])
    except ValueError as error:
        mistakes.add(str(error), "huge_pages.size")
        return None
    pages = Pages(size, item["node"], item["count"], item["reserved_at"] == BOOT)
    _check_range(pages.number, ".".join(pages.key), mistakes)
    return pages


def _check_range(number: int, field: str, mistakes: Mistakes) -> None:
    if not 0 <= number <= LARGEST:
        mistakes.add(f"{number} is not within 0 and {LARGEST}", field)


def _check_together(pages: Iterable[Pages], mistakes: Mistakes) -> None:
    """Each once, and of a size either of all nodes or by node, at boot or at run time."""
    pages = list(pages)
    for (size, node), times in Counter((each.size, each.node) for each in pages).items():
        if times > 1:
            field = ".".join(key_of_pages(size, node, at_boot=False))
            mistakes.add(f"it is declared {times} times; declare it once", field)
    for size in sorted({each.size for each in pages}):
        of_size = [each for each in pages if each.size == size]
        field = f"huge_pages.{format_size(size)}"
        if len({each.node is None for each in of_size}) > 1:
            mistakes.add("there is a count of all nodes and one of a node; declare one way", field)
        if len({each.at_boot for each in of_size}) > 1:
            mistakes.add("some are reserved at boot and some at run time; choose one", field)
