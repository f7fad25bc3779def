# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloud_init` as a user writes it: its values, and what shows to be wrong without a host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ....engine.errors import Mistakes
from ....engine.hidden import Sensitive, revealed, stands_for_hidden
from ....engine.keys import Values
from ..seeded import CLOUD_INIT, CONTENT, HIDDEN_PARTS, KEYS
from . import network, user_data

LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOSTNAME = re.compile(rf"(?=.{{1,253}}$){LABEL}(?:\.{LABEL})*")
USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
HASH = re.compile(r"\$[0-9a-z]+\$[^\s:]+")
PRIVATE_KEY = re.compile(r"PRIVATE KEY-----|Private-Lines:")
SSH_KEY = re.compile(r"(?:[^\n]* )?(?:sk-)?(?:ssh|ecdsa)-[\w@.-]+ [A-Za-z0-9+/]+=*(?: [^\n]*)?")

# What short forms say, by the names under which the long ones would say it too.
IN_SHORT: dict[str, dict[str, tuple[str, ...]]] = {
    "meta_data": {"hostname": ("local-hostname", "hostname")},
    "user_data": {
        "hostname": ("hostname", "fqdn"),
        "user": ("users", "user"),
        "ssh_keys": ("ssh_authorized_keys", "users"),
        "password_hash": ("users",),
    },
}
# Those that are written into the user-data.
FOR_USERS = ("user", "ssh_keys", "password_hash")


def values_of(vm: str, given: Mapping[str, Any], mistakes: Mistakes) -> Values:
    """All values of a declaration: what it does not name is in no seed. Empty: there is none."""
    found = Mistakes()
    said = {name: value for name, value in given.items() if value not in (None, "", [], {})}
    values: Values = dict.fromkeys(KEYS, "")
    content = [part for part in CONTENT if part in said]
    if not content:
        _check_nothing(given, said, found)
    else:
        _check_parts(said, found)
        values.update(_parts(said, found))
        values[(CLOUD_INIT, "detach")] = said.get("detach", "never")
        values[(CLOUD_INIT, "hostname")] = said.get("hostname") or _own_hostname(vm, said)
        values[(CLOUD_INIT, "instance_id")] = _instance_id(said, found)
    for error in found.errors:
        field = f"{CLOUD_INIT}.{error.field}" if error.field else CLOUD_INIT
        mistakes.add(error.message, field)
    return values


def _check_nothing(given: Mapping[str, Any], said: Mapping[str, Any], mistakes: Mistakes) -> None:
    """Only who says nothing at all takes the seed away; a file that came out empty does not."""
    for part in CONTENT:
        if given.get(part) is not None:
            mistakes.add("is empty, as all that goes into the seed; {} takes it away", part)
            return
    is_to_stay = said.get("detach", "never") == "never"
    if any(said.get(name) for name in ("rerun", "pool", "bus")) or not is_to_stay:
        mistakes.add("says nothing that goes into a seed; add a hostname, a user or user_data")


def _check_parts(said: Mapping[str, Any], mistakes: Mistakes) -> None:
    for part, pattern, what in (
        ("hostname", HOSTNAME, "a host name such as web.example.com"),
        ("user", USER, "the name of a user such as ops"),
    ):
        if part in said and not pattern.fullmatch(said[part]):
            mistakes.add(f"{said[part]!r} is not {what}", part)
    if "password_hash" in said and not HASH.fullmatch(said["password_hash"]):
        mistakes.add("is no hash such as `openssl passwd -6` makes", "password_hash")
    if "password_hash" in said and "user" not in said:
        mistakes.add("is that of a user; say which (user)", "password_hash")
    for number, key in enumerate(said.get("ssh_keys", ()), 1):
        if not SSH_KEY.fullmatch(key.strip()):
            is_private = PRIVATE_KEY.search(key) is not None
            what = "a private key; give the public one" if is_private else "no public key of ssh"
            mistakes.add(f"number {number} is {what}", "ssh_keys")
    network.check_nics(said.get("nics", ()), mistakes)
    network.check_config(said.get("network_config"), mistakes)
    for part in ("user_data", "vendor_data"):
        user_data.check(said.get(part), part, mistakes)
    _check_twice(said, mistakes)


def _check_twice(said: Mapping[str, Any], mistakes: Mistakes) -> None:
    """Nothing is said in short and at length."""
    if "nics" in said and "network_config" in said:
        mistakes.add("and nics exclude each other; write all into one of them", "network_config")
    for part, shorts in IN_SHORT.items():
        written: Any = said.get(part) if isinstance(said.get(part), Mapping) else {}
        pairs = [(short, name) for short, names in shorts.items() for name in names]
        for short, name in pairs:
            if short in said and name in written:
                mistakes.add(f"is said by {part}.{name} too; keep one of them", short)
    if isinstance(said.get("user_data"), str):
        for short in FOR_USERS:
            if short in said:
                mistakes.add("is not possible beside user_data as a text; write it there", short)


def _parts(said: Mapping[str, Any], mistakes: Mistakes) -> Values:
    """What of a declaration is compared as it is written."""
    values: Values = {(CLOUD_INIT, part): said[part] for part in ("user",) if part in said}
    if "ssh_keys" in said:
        values[(CLOUD_INIT, "ssh_keys")] = [key.strip() for key in said["ssh_keys"]]
    if "nics" in said:
        values[(CLOUD_INIT, "nics")] = network.nics_of(said["nics"])
    for part in HIDDEN_PARTS:
        text = _text(part, said.get(part))
        if stands_for_hidden(text):
            mistakes.add("stands for what is not shown; write it itself", part)
        if text:
            values[(CLOUD_INIT, part)] = Sensitive(text)
    return values


def _text(part: str, value: Any) -> str:
    if part in ("user_data", "vendor_data"):
        return user_data.text_of(value)
    if isinstance(value, Mapping):
        return user_data.yaml_of(value)
    return str(revealed(value) or "")


def _own_hostname(vm: str, said: Mapping[str, Any]) -> str:
    """Its own name, where that can be one and nothing else is said."""
    written = said.get("user_data")
    at_length = [*said.get("meta_data", {}), *(written if isinstance(written, Mapping) else ())]
    names = {name for shorts in IN_SHORT.values() for name in shorts["hostname"]}
    return vm if HOSTNAME.fullmatch(vm) and not names.intersection(at_length) else ""


def _instance_id(said: Mapping[str, Any], mistakes: Mistakes) -> str:
    own = said.get("meta_data", {}).get("instance-id")
    if isinstance(own, (Mapping, list, tuple, bool)):
        mistakes.add("instance-id is no text", "meta_data")
        return ""
    given = str(own or "")
    if given and said.get("rerun"):
        mistakes.add("makes another instance-id, and meta_data has one; keep one of them", "rerun")
    return given
