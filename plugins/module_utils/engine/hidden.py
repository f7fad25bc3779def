# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that are compared and never shown, and what is kept of a secret where others may look.

A `Sensitive` is a text to everybody who prints, formats or dumps it, and that text says that it is
hidden. What it stands for has to be asked for, by `revealed`.

Metadata of a definition and snapshots hold a token instead of a secret: a salt, and a few bits of a
slow digest. They are enough to see that the secret is another, and too few to find it by: among
all the passwords that somebody tries, every 65,536th has the same token.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

HIDDEN = "(hidden)"
ANOTHER = "(hidden, another)"  # what is hidden before a change too, and is not the same
GAP = "\x04"  # stands for a secret in a text, since no document and no option can hold it

TOKEN = re.compile(r"fleet-hidden-([0-9a-f]{16})-[0-9a-f]{4}")
_LONG = 6
_ROUNDS = 2_000  # less than a millisecond for each secret that a record is compared with


class Sensitive(str):
    """A text with secrets in it, each of which reads `(hidden)`. Equal is what holds the same."""

    __slots__ = ("_content", "_secrets", "_template")

    _content: str
    _secrets: tuple[str, ...]
    _template: str

    def __new__(cls, content: str, template: str = GAP, secrets: tuple[str, ...] = ()) -> Sensitive:
        """`template` has a gap for each of the secrets; without it all of the content is one."""
        made = super().__new__(cls, template.replace(GAP, HIDDEN))
        made._content, made._template = content, template
        made._secrets = secrets if secrets or template != GAP else (content,)
        return made

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets in it."""
        return self._secrets

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sensitive):
            return False
        return (
            self._template == other._template
            and len(self._secrets) == len(other._secrets)
            and all(map(same_secret, self._secrets, other._secrets))
        )

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._template)

    def __copy__(self) -> Sensitive:
        return self

    def __deepcopy__(self, _memo: object) -> Sensitive:
        return self

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Whatever dumps it gets what is shown of it."""
        return str, (str(self),)

    def beside(self, before: object) -> str:
        """The text to be shown beside that of before: which of its secrets are others."""
        if not isinstance(before, Sensitive):
            return str(self)
        head, *rest = self._template.split(GAP)
        known = [any(same_secret(mine, one) for one in before._secrets) for mine in self._secrets]
        gaps = (HIDDEN if is_known else ANOTHER for is_known in known)
        return head + "".join(gap + after for gap, after in zip(gaps, rest))


def partly_sensitive(content: str, template_of: Callable[[Callable[[str], str]], str]) -> str:
    """A text of which only the secrets are hidden, which `template_of` gives to what it is called
    with; the text itself if there are none."""
    secrets: list[str] = []

    def gap(secret: str) -> str:
        secrets.append(secret)
        return GAP

    template = template_of(gap)
    return Sensitive(content, template, tuple(secrets)) if secrets else content


def revealed(value: Any) -> Any:
    """What a value stands for; any that is not sensitive is itself."""
    return value._content if isinstance(value, Sensitive) else value


def secrets_of(value: Any) -> tuple[str, ...]:
    """The secrets in a value."""
    if isinstance(value, Sensitive):
        return value._secrets
    if isinstance(value, Mapping):
        return tuple(secret for below in value.values() for secret in secrets_of(below))
    return ()


def shown(value: Any, before: Any = None) -> Any:
    """A value in plain texts to be shown, in a dictionary too; `before` is what it comes after."""
    if isinstance(value, Sensitive):
        return value.beside(before)
    if isinstance(value, Mapping):
        was = before if isinstance(before, Mapping) else {}
        return {name: shown(below, was.get(name)) for name, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(below) for below in value]
    return value


def stands_for_hidden(text: str) -> bool:
    """Whether somebody took what is shown, or kept, of a secret for the secret itself."""
    return text in (HIDDEN, ANOTHER) or TOKEN.fullmatch(text) is not None


def without(text: str, secrets: Iterable[str]) -> str:
    """What somebody else said, without the secrets that it may quote."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        if is_long(secret):
            text = text.replace(secret, HIDDEN)
        else:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", lambda _match: HIDDEN, text)
    return text


def is_long(secret: str) -> bool:
    """Whether a secret can be looked for anywhere. A short one is a part of many words."""
    return len(secret) >= _LONG


def unquoted(message: str, given: Any) -> str:
    """What is wrong with a secret, in words that do not quote it."""
    message = message.replace(repr(given), HIDDEN)
    return message if str(given) not in message else "is not what this option takes"


# ---- tokens


def token_of(secret: str, salt: str) -> str:
    """What is kept of a secret. What is a token already stays one."""
    return secret if TOKEN.fullmatch(secret) else f"fleet-hidden-{salt}-{_check(secret, salt)}"


def new_salt(of: str) -> str:
    """The salt for the secrets of one resource: the same in each plan, as all of a plan is."""
    return hashlib.sha256(f"kvm.fleet/salt/{of}".encode()).hexdigest()[:16]


def same_secret(one: str, other: str) -> bool:
    """Whether two are the same secret, of which one or both may be known by tokens only."""
    if one == other:
        return True
    token, secret = (one, other) if TOKEN.fullmatch(one) else (other, one)
    match = TOKEN.fullmatch(token)
    return match is not None and not TOKEN.fullmatch(secret) and token_of(secret, match[1]) == token


@lru_cache(maxsize=4096)
def _check(secret: str, salt: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", secret.encode(), salt.encode(), _ROUNDS)[:2].hex()
