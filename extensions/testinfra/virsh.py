# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking virsh on the host under test, and reading what it prints."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from testinfra.modules.base import Module

DEFAULT_URI = "qemu:///system"

_BYTES = {
    "b": 1, "bytes": 1,
    "KB": 10**3, "k": 2**10, "KiB": 2**10,
    "MB": 10**6, "M": 2**20, "MiB": 2**20,
    "GB": 10**9, "G": 2**30, "GiB": 2**30,
    "TB": 10**12, "T": 2**40, "TiB": 2**40,
}  # fmt: skip


class VirshModule(Module):
    """Something with a name that virsh knows."""

    def __init__(self, name: str, uri: str = DEFAULT_URI) -> None:
        self.name = name
        self.uri = uri
        super().__init__()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def virsh(self, command: str, *arguments: str) -> str:
        """What virsh prints; the test fails with virsh's message if it refuses."""
        words = " ".join(["LC_ALL=C virsh -q -c %s", command, *("%s" for _each in arguments)])
        done = self.run(words, self.uri, *arguments)
        if done.rc != 0:
            raise AssertionError(f"virsh {command} {' '.join(arguments)}: {done.stderr.strip()}")
        return str(done.stdout)

    def listed(self, command: str) -> bool:
        """Whether the name is a line of a list; a list, unlike an error, says what is missing."""
        # The pools' list pads names with blanks; a name has none at its ends.
        return self.name in [line.strip() for line in self.virsh(command).splitlines()]

    def info(self, command: str, *arguments: str) -> dict[str, str]:
        return parse_info(self.virsh(command, *arguments))

    def parse(self, command: str, *arguments: str) -> ET.Element:
        return ET.fromstring(self.virsh(command, *arguments))


def parse_info(text: str) -> dict[str, str]:
    """The "Key:   value" lines of the info commands, keys in lower case."""
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {key.strip().lower(): value.strip() for key, _colon, value in pairs}


def bytes_of(element: Any, default_unit: str = "bytes") -> int:
    """The size in an element with a unit, such as <memory unit="KiB">524288</memory>."""
    return int(element.text) * _BYTES[element.get("unit", default_unit)]


def text_of(root: ET.Element, path: str) -> str:
    return (root.findtext(path) or "").strip()
