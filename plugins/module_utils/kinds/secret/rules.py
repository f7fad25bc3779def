# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of a secret by itself: how it may be called, and how its value is written."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from ...engine.errors import Mistakes
from ...engine.hidden import stands_for_hidden

# When a value is set: always where nobody can see what is there, where it differs, or only once.
ON_CHANGE, ALWAYS, ON_CREATE = "on_change", "always", "on_create"
UPDATES = (ON_CHANGE, ALWAYS, ON_CREATE)

TEXT, BASE64 = "text", "base64"
MOST_BYTES = 65536  # of its protocol (REMOTE_SECRET_VALUE_MAX)
ENCODINGS = (TEXT, BASE64)
# Ceph gives out its keys in base64, and libvirt wants the bytes of one.
ENCODED = {"ceph": BASE64}


def check_name(usage_type: str, name: str, mistakes: Mistakes) -> None:
    if not name or name != name.strip() or re.search(r"[\x00-\x1f]", name):
        mistakes.add(f"{name!r} is empty, has a line end, or begins or ends with a space", "name")
    elif usage_type == "volume" and not name.startswith("/"):
        mistakes.add(f"{name!r} is not the path of a volume, by which libvirt finds it", "name")


def with_octets(params: Mapping[str, Any], mistakes: Mistakes) -> Mapping[str, Any]:
    """The options with the value in base64, whatever it is written in."""
    given = params.get("value")
    if given is None:
        return params
    value, encoding = str(given), params.get("encoding") or ENCODED.get(params["type"], TEXT)
    if stands_for_hidden(value):
        wrong = "stands for what is not shown; write the value itself, or omit it"
    elif not value:
        wrong = "is empty; leave it out to keep what the secret has"
    elif encoding == BASE64:
        wrong = "" if _is_base64(value) else _not_base64(params)
        value = "".join(value.split())
    else:
        value, wrong = base64.b64encode(value.encode()).decode(), ""
    if not wrong and len(base64.b64decode(value)) > MOST_BYTES:
        wrong = f"is longer than the {MOST_BYTES} bytes that libvirt takes"
    if wrong:
        mistakes.add(wrong, "value")
    return {**params, "value": None if wrong else value}


def _is_base64(value: str) -> bool:
    try:
        return bool(base64.b64decode("".join(value.split()), validate=True))
    except ValueError:
        return False


def _not_base64(params: Mapping[str, Any]) -> str:
    why = "" if params.get("encoding") else ", in which a value of type ceph is written"
    return f"is not base64{why}; write it so, or set encoding to text"
