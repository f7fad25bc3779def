# SPDX-License-Identifier: GPL-3.0-or-later
"""Images by URL: what a user says of one, and what it is kept as. Nothing here looks at a network.

An image is known by its checksum, which is what a user says it has, or what a list of checksums
says of it. Without one nothing tells what comes, and it has to be said that this is meant.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from ...engine.checksums import UNCHECKED, is_url
from ...engine.errors import Mistakes
from ...engine.hidden import Sensitive, partly_sensitive, revealed
from ...engine.secret_words import swap_in_name

TIMEOUT_S = 30
OF_LISTS = ("proxy", "validate_certs", "ca_path", "timeout_s")


class Order(NamedTuple):
    """An image that is to be fetched: by which URL, as what, and how."""

    url: str
    shown: str  # the URL without its secrets
    checksum: str  # ALGORITHM:DIGITS; "" where nothing tells what comes
    how: Mapping[str, Any]  # the option `download`

    @property
    def key(self) -> str:
        """As what it is kept: by what it is, or for a while by where it comes from."""
        of_url = hashlib.sha256(self.url.encode()).hexdigest()
        return self.checksum.replace(":", "-") if self.checksum else f"url-{of_url}"

    @property
    def timeout_s(self) -> int:
        """For how long nothing may come."""
        return int(self.how.get("timeout_s") or TIMEOUT_S)


def order_of(options: Mapping[str, Any], checksum: str) -> Order:
    """What a declared volume is to be fetched by, once its checksum is known."""
    url = options["image"]
    how = {name: revealed(value) for name, value in (options.get("download") or {}).items()}
    if "headers" in how:
        how["headers"] = json.loads(how["headers"])
    return Order(str(revealed(url)), str(url), checksum, how)


def check(params: Mapping[str, Any], mistakes: Mistakes) -> None:
    """What is wrong with an image by URL, as it is declared."""
    url, checksum = str(params["image"]), str(params.get("checksum") or "")
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError as error:
        mistakes.add(f"is no URL: {error}", "image")
        return
    if not parts.hostname or not file_name_of(url):
        mistakes.add("names no server, or no file on it", "image")
    if not checksum:
        mistakes.add(
            "is needed for an image by URL: sha256: or sha512: and the digits, or the URL of a "
            f"list of such; or {UNCHECKED}, to take whatever comes",
            "checksum",
        )
    list_url = checksum.partition(":")[2]
    if is_url(list_url) and shown_url(list_url) != list_url:
        mistakes.add(
            "a list is fetched when plans are made, by no URL with a secret in it", "checksum"
        )
    how = params.get("download") or {}
    proxy = how.get("proxy") or ""
    if is_url(list_url) and shown_url(proxy) != proxy:
        mistakes.add("a list of checksums is fetched by no proxy with a password", "download.proxy")
    if bool(how.get("username")) != bool(how.get("password")):
        mistakes.add("username and password go together", "download")
    if how.get("timeout_s") is not None and how["timeout_s"] < 1:
        mistakes.add("is a number of seconds above zero", "download.timeout_s")


def hidden(params: Mapping[str, Any]) -> tuple[Any, Any]:
    """The image and its `download`, of which the secrets are shown to nobody."""
    image, how = params["image"], params.get("download")
    if not is_url(image):
        return image, None
    url = partly_sensitive(image, lambda gap: swap_in_name(image, gap))
    if not how:
        return url, None
    said = {name: value for name, value in how.items() if value is not None}
    if "headers" in said:
        said["headers"] = json.dumps(said["headers"])
    return url, {
        name: Sensitive(value) if name in ("headers", "password", "proxy") else value
        for name, value in said.items()
    }


def how_of_list(options: Mapping[str, Any], algorithm: str) -> tuple[str, str, str]:
    """What a list is asked for (a file, by an algorithm) and how it is fetched, without secrets."""
    how = options.get("download") or {}
    plain = {name: how[name] for name in OF_LISTS if name in how}
    said = {name: revealed(value) for name, value in plain.items()}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    name = posixpath.basename(urlsplit(str(revealed(options["image"]))).path)
    # Only the first part of a fact's name may have a space in it.
    return name.replace(" ", "%20"), algorithm, text.replace(" ", "\\u0020")


def shown_url(url: str) -> str:
    """A URL without its secrets."""
    from ...engine.secret_words import shown_name

    return shown_name(url)


def file_name_of(url: str) -> str:
    """What the last part of a URL's path is called."""
    return unquote(posixpath.basename(urlsplit(url).path))
