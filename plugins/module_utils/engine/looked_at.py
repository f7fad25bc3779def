# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at on the machine itself: files, images, interfaces; most plans ask for none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """What is at a path: a file, a folder, a device."""

    type: str  # file, folder, block, character or other; "" of what cannot be looked at
    mode: str = ""  # as chmod takes it: 0644
    owner: int = 0
    group: int = 0
    size: int = 0  # bytes
    allocated: int = 0  # bytes
    written: float = 0.0  # seconds since 1970

    @property
    def content(self) -> str:
        """By what it is seen that a file was written to since."""
        return f"{self.size} bytes, {self.written}" if self.type else ""


@dataclass(frozen=True)
class Layout:
    """How a qcow2 image is laid out, by its header."""

    version: int = 3
    cluster_size: int = 1 << 16  # bytes
    lazy_refcounts: bool = False
    extended_l2: bool = False


@dataclass(frozen=True)
class Image:
    """What an image file says about itself."""

    format: str
    capacity: int  # bytes that a guest sees
    backing: str = ""  # what it stands on, as QEMU wrote it there; secrets are hidden
    backing_format: str = ""
    data_file: str = ""  # where its data is, if that is another file
    layout: Layout | None = None  # of qcow2
    snapshots: int = 0  # in it


@dataclass(frozen=True)
class Unreadable:
    """Why nothing is known of an image: it is not there, not to be read, or its header broken."""

    why: str  # in words, as the operating system says it
    missing: bool = False
    broken: bool = False


@dataclass(frozen=True)
class Interface:
    """A network interface of the machine."""

    is_bridge: bool = False
    is_openvswitch: bool = False
    is_tap: bool = False
    master: str = ""  # the bridge or switch that it is on
    address: str = ""  # its MAC, of a bridge
