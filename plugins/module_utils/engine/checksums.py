# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums of images, as declared and as lists have them; what tells a URL from a path."""

from __future__ import annotations

import re
from typing import Any

from .errors import Mistakes

DIGITS = {"sha256": 64, "sha512": 128}
UNCHECKED = "none"
FILE = "file://"
_URL = re.compile(r"https?://", re.I)


def is_url(image: Any) -> bool:
    """Whether an image is fetched from a server, and not read from a file."""
    return isinstance(image, str) and _URL.match(image) is not None


def algorithm_in(name: str) -> str:
    """An algorithm as options have it: SHA256, SHA2-256 and sha-256 are sha256."""
    return name.lower().replace("sha2-", "sha").replace("-", "")


def is_digits(checksum: str) -> bool:
    """Whether a checksum says itself what an image is to be."""
    algorithm, _colon, digits = checksum.partition(":")
    size = DIGITS.get(algorithm, 0)
    return bool(size) and re.fullmatch(f"[0-9a-fA-F]{{{size}}}", digits) is not None


def check(checksum: str, image: Any, mistakes: Mistakes) -> None:
    """What is wrong with a checksum, beside that an image has another."""
    algorithm, _colon, of = checksum.partition(":")
    fetched = is_url(image)
    is_list = fetched and algorithm in DIGITS and is_url(of)
    if not (is_digits(checksum) or is_list or (fetched and checksum == UNCHECKED)):
        more = f", or {UNCHECKED}" if fetched else ""
        mistakes.add(
            f"{checksum} is none; write sha256: or sha512: and the hexadecimal digits{more}",
            "checksum",
        )
    if not image:
        mistakes.add("is that of an image; say which image", "checksum")


# ---- lists of checksums


def listed(text: str, name: str, algorithm: str) -> str:
    """The digits that a list has for a file; ValueError where it has none, or several.

    GNU writes `DIGITS  NAME` (`DIGITS *NAME`), BSD `SHA256 (NAME) = DIGITS`. A list of one line may
    be the digits alone. A signature around the list is not looked at.
    """
    digits = rf"[0-9a-fA-F]{{{DIGITS[algorithm]}}}"
    gnu = re.compile(rf"({digits})[ \t]+\*?(.+)")
    bsd = re.compile(rf"(\S+) \((.+)\) = ({digits})")
    found: set[str] = set()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and re.fullmatch(digits, lines[0]):
        return lines[0].lower()
    for line in lines:
        of_bsd, of_gnu = bsd.fullmatch(line), gnu.fullmatch(line)
        if of_bsd and algorithm_in(of_bsd[1]) == algorithm and _is(of_bsd[2], name):
            found.add(of_bsd[3].lower())
        elif of_gnu and _is(of_gnu[2], name):
            found.add(of_gnu[1].lower())
    if len(found) != 1:
        raise ValueError(f"has {len(found) or 'no'} {algorithm} checksums of {name}")
    return found.pop()


def _is(path: str, name: str) -> bool:
    return path.replace("\\", "/").rpartition("/")[2] == name
