# SPDX-License-Identifier: GPL-3.0-or-later
"""What the next boot sets: lines of systemd-tmpfiles, and words of the kernel's command line.

Texts in, texts out. What others have in the files stays to the letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Optional

from ...engine.units import UNITS

TMPFILES = "etc/tmpfiles.d/kvm-fleet-host-memory.conf"
GRUB_SNIPPET = "etc/default/grub.d/kvm-fleet-huge-pages.cfg"
TMPFILES_HEAD = "# Made by kvm.fleet (host_memory): memory of this host, set at each boot.\n"
GRUB_HEAD = "# Made by kvm.fleet (host_memory): huge pages that the kernel reserves at boot.\n"

# A line that writes a number into a file: type, path, mode, user, group, age, argument.
_LINE = re.compile(r"^w[!+^]*\s+/(\S+)\s+-\s+-\s+-\s+-\s+(\d+)\s*$")
_GRUB_LINE = re.compile(
    r'^GRUB_CMDLINE_LINUX="\$GRUB_CMDLINE_LINUX (hugepagesz=.*)"\n?', re.MULTILINE
)
_LETTERS = {"K": UNITS["KiB"], "M": UNITS["MiB"], "G": UNITS["GiB"], "T": UNITS["TiB"]}

AtBoot = dict[int, dict[Optional[int], int]]  # by size and node (None: all nodes), how many


# ---- systemd-tmpfiles


def numbers_in(text: str) -> dict[str, int]:
    """What the lines of systemd-tmpfiles write, by file. Of several for a file the first counts."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            found.setdefault(match.group(1), int(match.group(2)))
    return found


def with_numbers(text: str, numbers: Mapping[str, int | None]) -> str:
    """The text with those numbers by file, and without the lines of those that are None."""
    left = dict(numbers)
    lines = []
    for line in text.splitlines(keepends=True):
        match = _LINE.match(line)
        file = match.group(1) if match else ""
        if file not in numbers:
            lines.append(line)
        elif left.get(file) is not None:
            lines.append(_line(file, left.pop(file)))
    ended = "".join(lines) or TMPFILES_HEAD
    ended += "" if ended.endswith("\n") else "\n"
    return ended + "".join(_line(file, value) for file, value in left.items() if value is not None)


def _line(file: str, number: int | None) -> str:
    return f"w /{file} - - - - {number}\n"


def sysctl_in(text: str, name: str) -> int | None:
    """What a text of sysctl sets to a number; None where it does not."""
    dotted = name.replace(".", "[./]")
    found = re.findall(rf"^\s*-?{dotted}\s*=\s*(\d+)\s*$", text, re.MULTILINE)
    return int(found[-1]) if found else None


# ---- the kernel's command line


def pages_in(command_line: str) -> AtBoot:
    """The huge pages that a command line reserves, those without a size left out."""
    found: AtBoot = {}
    size = 0
    for word in command_line.split():
        name, _equals, value = word.partition("=")
        if name == "hugepagesz":
            size = _size_of(value)
        elif name == "hugepages" and size:
            found.setdefault(size, _counts_in(value))
    return found


def pages_in_grub(text: str) -> AtBoot:
    """The huge pages that the snippet for GRUB reserves."""
    return pages_in(" ".join(_GRUB_LINE.findall(text)))


def with_pages(text: str, pages: AtBoot) -> str:
    """The snippet with those huge pages."""
    words = command_line_of(pages)
    rest = _GRUB_LINE.sub("", text) or GRUB_HEAD
    rest += "" if rest.endswith("\n") else "\n"
    return rest + (f'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX {words}"\n' if words else "")


def command_line_of(pages: AtBoot) -> str:
    """The words that reserve them: hugepagesz=1G hugepages=0:2,1:2."""
    return " ".join(
        f"hugepagesz={_letters_of(size)} hugepages={_counts_of(counts)}"
        for size, counts in sorted(pages.items())
        if any(counts.values())
    )


def names_huge_pages(text: str) -> bool:
    """Whether a file of GRUB's settings reserves huge pages."""
    lines = (line.lstrip() for line in text.splitlines())
    return any("hugepages=" in line for line in lines if not line.startswith("#"))


def _size_of(value: str) -> int:
    match = re.fullmatch(r"(\d+)([KMGT]?)", value, re.IGNORECASE)
    return int(match.group(1)) * _LETTERS.get(match.group(2).upper(), 1) if match else 0


def _letters_of(size: int) -> str:
    letter = next(name for name in reversed(_LETTERS) if size % _LETTERS[name] == 0)
    return f"{size // _LETTERS[letter]}{letter}"


def _counts_in(value: str) -> dict[int | None, int]:
    if value.isdigit():
        return {None: int(value)}
    pairs: Iterable[tuple[str, str]] = re.findall(r"(\d+):(\d+)", value)
    return {int(node): int(count) for node, count in pairs}


def _counts_of(counts: Mapping[int | None, int]) -> str:
    if None in counts:
        return str(counts[None])
    by_node = {node: count for node, count in counts.items() if node is not None}
    return ",".join(f"{node}:{by_node[node]}" for node in sorted(by_node))
