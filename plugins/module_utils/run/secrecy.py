# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in what a user gave and in what libvirt says: neither is returned nor logged.

Ansible returns a module's parameters with its result and writes them to the log. It hides options
that are secrets, but knows nothing of secrets within one, nor of the items of `host_config`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..engine.errors import FleetError
from ..engine.hidden import HIDDEN, is_long, secrets_of, without
from ..engine.plan import Have, Wanted

# Options whose text is XML, in which there may be secrets.
XML_OPTIONS = ("extra_xml",)

# Options whose text is the arguments of a kernel, of which some may be secrets.
CMDLINE_OPTIONS = ("cmdline",)

# Options whose text may be a URL, with a login or a token in it; or is one by mistake.
URL_OPTIONS = ("checksum", "file", "image", "migration_uri", "proxy", "uri")

# Options whose texts are public keys; what is none may be a private one, or a line of it.
KEY_OPTIONS = ("ssh_keys",)

# Options that say how hosts are reached, by their names.
REACH_OPTIONS = ("hosts",)

# Types of options that may have anything within. An option of another type has no mapping, and one
# that is given by mistake may have a secret in it.
OPEN_TYPES = ("dict", "raw")

# Options, by what they are of, in whose text secrets have names: an image as its server knows it.
WORDY_OPTIONS = (("network", "name"),)

# Options whose texts are lines of the SMBIOS, in which secrets have names too.
WORDY_SECTIONS = ("base_board", "bios", "chassis", "system")

# Of each option whether it is a secret, XML, arguments or neither, or which options it has.
Options = Mapping[str, Any]
_WHOLE, _XML, _CMDLINE, _URL, _PLAIN = "whole", "xml", "cmdline", "url", "plain"
_WORDS, _KEYS, _HOSTS, _ANY = "words", "keys", "hosts", "any"
_REACH: Options = {"uri": _URL, "migration_uri": _URL}
_PUBLIC_KEY = re.compile(r"\b(?:ssh|ecdsa)-\S+ AAAA")
_NONE_KNOWN: Options = {}


class _Choices(frozenset[str]):
    """The words that an option takes, which are no secrets wherever they stand."""

    def of(self, value: Any) -> str:
        """Whether a value that is given in place of one is a secret."""
        return _PLAIN if isinstance(value, str) and value in self else _WHOLE


@dataclass
class Given:
    """What a user gave, as it may be shown."""

    shown: dict[str, Any]
    secrets: set[str] = field(default_factory=set)
    holders: set[str] = field(default_factory=set)  # the options that have secrets in them

    @property
    def hidden_by_ansible(self) -> set[str]:
        """What Ansible hides wherever it occurs; of a short one that would be in every word."""
        return {secret for secret in self.secrets if is_long(secret)}


def given(spec: Mapping[str, Any], params: Mapping[str, Any]) -> Given:
    """Parameters without their secrets, of options that are misspelt too."""
    found = Given(dict(params))
    options = _options(spec)
    for name, value in params.items():
        secrets: list[str] = []
        shown = _masked(options, {name: value}, secrets)[name]
        if secrets:
            found.shown[name] = shown
            found.secrets.update(secrets)
            found.holders.add(name)
    return found


def _options(spec: Mapping[str, Any], of: str = "") -> Options:
    return {name: _how(name, option, of) for name, option in spec.items()}


def _how(name: str, option: Mapping[str, Any], of: str) -> Options | _Choices | str:
    if option.get("no_log"):
        return _WHOLE
    if name in XML_OPTIONS:
        return _XML
    if name in CMDLINE_OPTIONS:
        return _CMDLINE
    if name in URL_OPTIONS:
        return _URL
    is_line = of in WORDY_SECTIONS and option.get("type", "str") == "str"
    if is_line or (of, name) in WORDY_OPTIONS:
        return _WORDS
    if option.get("options"):
        return _options(option["options"], name)
    if name in KEY_OPTIONS:
        return _KEYS
    if name in REACH_OPTIONS:
        return _HOSTS
    if option.get("choices"):
        return _Choices(map(str, option["choices"]))
    return _ANY if option.get("type") in OPEN_TYPES else _PLAIN


def _masked(options: Options, value: Mapping[str, Any], secrets: list[str]) -> Mapping[str, Any]:
    """Options with what they are; the same object where nothing is hidden, as is the rule."""
    hidden = {}
    for name, below in value.items():
        how = options.get(name) or _of_unknown(str(name), below, options)
        if not (how is _PLAIN or isinstance(how, _Choices)) or isinstance(below, dict):
            shown = _shown(how, below, secrets)
            if shown is not below:
                hidden[name] = shown
    return {**value, **hidden} if hidden else value


def _of_unknown(name: str, value: Any, options: Options) -> Options | str:
    """What an option that there is not was meant to be."""
    from difflib import get_close_matches

    from ..engine.sensitive import is_secret

    secret = [one for one, how in options.items() if how is _WHOLE]
    is_near = any(one in name for one in secret) or get_close_matches(name, secret)
    if is_near or is_secret(name):
        return _WHOLE
    if isinstance(value, str):
        return _XML if value.lstrip().startswith("<") else _CMDLINE
    sections = {one: how for one, how in options.items() if isinstance(how, Mapping)}
    return next((sections[one] for one in get_close_matches(name, sections)), _NONE_KNOWN)


def _shown(how: Options | _Choices | str, value: Any, secrets: list[str]) -> Any:
    if value is None or value == "" or isinstance(value, bool):
        return value
    if isinstance(value, dict) and isinstance(how, dict):  # Mapping takes ten times the time
        return _masked(how, value, secrets)
    if how is _ANY:
        return value
    if isinstance(how, _Choices):
        return _masked({name: how.of(one) for name, one in value.items()}, value, secrets)
    if how in (_PLAIN, _HOSTS) and isinstance(value, dict):
        within = _WHOLE if how is _PLAIN else _REACH
        return _masked(dict.fromkeys(value, within), value, secrets)
    if isinstance(value, (list, tuple)):
        shown = [_shown(how, one, secrets) for one in value]
        return value if all(one is other for one, other in zip(shown, value)) else shown
    if isinstance(how, Mapping) and not isinstance(value, str):
        return _masked(how, value, secrets) if isinstance(value, Mapping) else value
    return _shown_text(how, str(value), secrets)


def _shown_text(how: Options | str, text: str, secrets: list[str]) -> str:
    from ..engine.secret_words import swap_in_cmdline, swap_in_name, swap_in_words
    from ..engine.sensitive import swap_in_fragments

    def hide(secret: str) -> str:
        secrets.append(secret)
        return HIDDEN

    if how is _XML:
        return swap_in_fragments(text, hide)
    if how is _URL:
        shown = swap_in_name(text, hide)
        return text if shown == text else shown
    if how is _WORDS or how is _HOSTS:
        return swap_in_words(text, hide)
    if how is _KEYS and _PUBLIC_KEY.search(text):
        return text
    if how is _CMDLINE:
        shown = swap_in_cmdline(text, hide)
        return text if shown == text else shown
    if isinstance(how, Mapping) and _WHOLE not in how.values():
        return swap_in_words(text, hide)  # Ansible takes options so too: `type=vnc port=5900`
    return hide(text)


# ---- what libvirt says


def spared(errors: Iterable[FleetError], wanted: Wanted, *haves: Have) -> Iterator[FleetError]:
    """Errors of a resource without its secrets: libvirt and QEMU quote what they refuse."""
    from ..engine.sensitive import secrets_in

    secrets = {secret for value in wanted.values.values() for secret in secrets_of(value)}
    for have in haves:
        for tree in (have.stored, have.live):
            secrets.update(secrets_in(tree) if tree is not None else ())
    for error in errors:
        error.message = without(error.message, secrets)
        error.args = (error.message,)
        yield error
