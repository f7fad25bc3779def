# SPDX-License-Identifier: GPL-3.0-or-later
"""What the names in the headers of images mean."""

from __future__ import annotations

import json
import posixpath
import re
from typing import Any


def backing_path(name: str, image: str) -> str:
    """Where an image's backing is, by the name in its header; `""` where there is none."""
    if name.startswith("json:"):
        try:
            name = _filename(json.loads(name[len("json:") :]))
        except (ValueError, RecursionError):
            return name
    if name.startswith("file:"):
        name = re.sub("^file:(//)?", "", name)
    has_protocol = re.match("[^/:]+:", name)
    if not name or has_protocol:
        return name
    return posixpath.join(posixpath.dirname(image), name)


def _filename(options: Any) -> str:
    """The file in QEMU's options of an image, which may be nested or have dots."""
    if not isinstance(options, dict):
        return ""
    nested = _filename(options.get("file"))
    found = nested or options.get("file.filename") or options.get("filename") or ""
    return str(found)
