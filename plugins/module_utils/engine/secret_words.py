# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in texts: arguments of QEMU, mount options, a kernel's arguments, names of images.

Each function puts into the place of a secret what `swap` makes of it. What it is in stays as it is,
so that one sees which argument has it, and a text that is masked already is found the same again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from .hidden import HIDDEN, without

Swap = Callable[[str], str]

NO_SECRETS = ("on", "off", "yes", "no", "true", "false", "null", "none", "")

# A name that ends in one of these is that of a secret. `password-secret=s0` of QEMU is a reference.
_ENDS = (
    r"(?:passwd|password|passphrase|passcode|rootpw|(?<!-)secret|token|credential(?:_binary)?"
    r"|cookie|signature|hmac|(?:api|access|account|auth|private|shared)[_.-]?key)"
    r"(?:[_-]?(?:crypted|again|hash|base64|b64))?"
)
# `password=x`, `"password": "x"`, `secret,id=a,data=x`, `https://me:x@host` (`me%x@` of iSCSI), and
# what systemd takes from an SMBIOS. A value ends at a comma, which QEMU doubles where it is part of
# one; what opens a list or an object in JSON is none.
_KEYS = (
    rf"[\w.-]{{0,200}}?{_ENDS}"
    r"|(?:[\w.-]{0,200}[_.-])?(?:pass|pw|pwd|sig)|key|(?P<data>data)|(?P<string>string)"
)
_PLAIN = r"(?:,,|[^,\x00-\x1f])+"
_DOUBLE, _SINGLE = r"(?:\\.|[^\"\\\x00-\x1f])+", r"[^'\x00-\x1f]+"
_SAID = (
    r"io\.systemd\.credential(?:\.binary)?:[\w.@-]+=(?P<credential>[^\x00-\x1f]+)"
    r"|://[^\s/:@%]*(?::|%(?:25)?)(?P<login>(?:,,|[^\s/,])+)@"
    rf"""|(?<![\w.\"'-])(?P<quote>["'])?(?:{_KEYS})\\?["']?\s*[=:]\s*"""
    rf"""(?:"(?P<double>{_DOUBLE})"|'(?P<single>{_SINGLE})'"""
    rf"""|(?(quote)(?![{{\[])){_PLAIN.join(("(?P<plain>", ")"))})"""
)
_GROUPS = ("double", "single", "plain", "login", "credential")
_OF_SECRET_OBJECT = re.compile(r"""^secret\b|["']secret(_keyring)?["']""")
_OF_FIRMWARE = re.compile(r"(?:^|\bname=)(?:opt|etc)/")


@cache
def pattern(text: str) -> re.Pattern[str]:
    """What finds secrets, whatever the case: made when it is needed, which takes milliseconds."""
    return re.compile(text, re.IGNORECASE)


def swap_in_words(text: str, swap: Swap) -> str:
    """In a text in which secrets are told by their names: `a=b,password=x`."""
    of_secret = _OF_SECRET_OBJECT.search(text) is not None
    of_firmware = _OF_FIRMWARE.search(text) is not None

    def put(match: re.Match[str]) -> str:
        group = next(one for one in _GROUPS if match[one] is not None)
        secret = match[group]
        is_other = (match["data"] is not None and not of_secret) or (
            match["string"] is not None and not of_firmware
        )
        if is_other or secret.strip().lower() in NO_SECRETS:
            return match[0]
        start, end = (place - match.start() for place in match.span(group))
        return f"{match[0][:start]}{swap(secret)}{match[0][end:]}"

    return pattern(_SAID).sub(put, text)


# ---- a kernel's arguments

# An argument, quoted whole (`"a=b c"`) or in its value (`a="b c"`), or neither.
_ARGUMENT = re.compile(
    r"""(?<!\S)(?:"(?P<whole_name>[^\s="]+)=(?P<whole>[^"]+)"""
    r"""|(?P<name>[^\s="]+)=(?:"(?P<quoted>[^"]+)|(?P<plain>[^\s"]\S*)))"""
)
# By the last part of a name (preseed: `passwd/root-password`). `luks.key=` is the path of one.
_OF_KERNEL = rf".*{_ENDS}|(?:.*[_.-])?(?:pass|pw|pwd|psk)"
_LOGIN = re.compile(r"\b(?:iscsi|cifs|smb|nbd):(?!//)(?P<login>[^\s/@]+)@")


def swap_in_cmdline(text: str, swap: Swap) -> str:
    """In a kernel's arguments: the values of those that are secrets by their names, and logins."""

    def put(match: re.Match[str]) -> str:
        name = match["whole_name"] or match["name"]
        group = next(one for one in ("whole", "quoted", "plain") if match[one] is not None)
        value = match[group]
        start, end = (place - match.start() for place in match.span(group))
        return f"{match[0][:start]}{_of_argument(name, value, swap)}{match[0][end:]}"

    return _ARGUMENT.sub(put, text)


def _of_argument(name: str, value: str, swap: Swap) -> str:
    if pattern(_OF_KERNEL).fullmatch(name.rpartition("/")[2]):
        return value if value.strip().lower() in (*NO_SECRETS, "0", "1") else swap(value)
    if "://" in value:
        return swap_in_words(value, swap)
    login = _LOGIN.search(value)
    if login is None:
        return value
    start, end = login.span("login")
    return f"{value[:start]}{swap(login['login'])}{value[end:]}"


# ---- names of images

_HAS_PROTOCOL = re.compile(r"(?!file:)[A-Za-z][\w+.-]*:")


def swap_in_name(name: str, swap: Swap) -> str:
    """In the name of an image as QEMU takes it: `rbd:...:key=x`, `https://me:x@host`, `json:{...}`.

    The path of a file is no secret, whatever is in it.
    """
    if ":" not in name or not _HAS_PROTOCOL.match(name):
        return name
    if not name.startswith("json:"):
        return swap_in_words(name, swap)
    try:
        options = json.loads(name[len("json:") :])
        made = _in_options(options, swap)
    except (ValueError, RecursionError):
        return swap_in_words(name, swap)
    return name if made == options else f"json:{json.dumps(made, separators=(',', ':'))}"


def shown_name(name: str) -> str:
    """The name of an image as it may be shown."""
    return swap_in_name(name, lambda _secret: HIDDEN)


def without_login(text: str, *uris: str) -> str:
    """What is said of hosts, without the passwords in their URIs."""
    secrets: list[str] = []

    def note(secret: str) -> str:
        secrets.append(secret)
        return secret

    for uri in uris:
        swap_in_words(uri, note)
    return without(text, secrets)


def _in_options(options: Any, swap: Swap, name: str = "") -> Any:
    """QEMU's options of an image, which may be nested or have dots in their names."""
    if isinstance(options, dict):
        return {below: _in_options(value, swap, below) for below, value in options.items()}
    if isinstance(options, list):
        return [_in_options(value, swap, name) for value in options]
    if options is None or isinstance(options, bool):
        return options
    text = str(options)
    last = name.rpartition(".")[2]
    if last in ("key", "=keyvalue-pairs") or pattern(f".*{_ENDS}").fullmatch(last):
        return swap(text)
    made = swap_in_name(text, swap)
    return options if made == text else made
