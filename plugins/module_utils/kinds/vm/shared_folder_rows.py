# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of folders of the host that a VM shares, by virtiofs or 9p. A part of the table.

Those of others are called by the tag that the guest mounts them by.
"""

from __future__ import annotations

from dataclasses import replace

from ...engine import xmltree
from ...engine.codecs import choice, presence, text
from ...engine.fields import Field, Items
from ...engine.xmltree import Element
from .device_names import DEVICE_NAME, new_device, own_name
from .live import Applier

VIRTIOFS, NINE_P = "virtiofs", "9p"
_PATH = text(r"/.*", "an absolute path")
_TAG = text(r"\S{1,36}", "a tag of up to 36 characters without spaces")


# libvirt's word for 9p is `path`, which it is as well where nothing is said.
_WORDS = choice(VIRTIOFS, NINE_P)
DRIVER = replace(
    _WORDS,
    decode=lambda found: NINE_P if found in (None, "", "path") else found,
    encode=lambda value: None if value == NINE_P else value,
)


def _name(device: Element) -> str | None:
    if device.get("type", "mount") != "mount":
        return None
    return own_name(device, "ua-folder-") or xmltree.get(device, "target/@dir")


SHARED_FOLDERS = Items(
    "shared_folders",
    "devices/filesystem",
    (
        Field("path", "source/@dir", _PATH),
        Field("tag", "target/@dir", _TAG),
        Field("driver", "driver/@type", DRIVER),
        Field("read_only", "readonly", presence()),
        Field("access_mode", "@accessmode", choice("passthrough", "mapped", "squash")),
        Field("cache", "binary/cache/@mode", choice("none", "always")),
    ),
    _name,
    new_device('<filesystem type="mount"/>', "ua-folder-"),
    ("name", DEVICE_NAME),
    Applier.DEVICE,
)


def is_virtiofs(device: Element) -> bool:
    """Whether a program of the host serves a folder, which needs the memory of the guest."""
    return xmltree.get(device, "driver/@type") == VIRTIOFS


def shares_memory(domain: Element) -> bool:
    """Whether programs of the host can have all of a guest's memory: each NUMA cell may say it of
    itself (qemuValidateDomainDefVirtioFSSharedMemory)."""
    whole = xmltree.get(domain, "memoryBacking/access/@mode") == "shared"
    cells = domain.findall("cpu/numa/cell")
    if not cells:
        return whole
    said = [cell.get("memAccess") for cell in cells]
    return all(one == "shared" or (one is None and whole) for one in said)
