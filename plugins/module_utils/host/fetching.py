# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches from servers by HTTP: resumed where that is cut off, with a deadline where it stalls.

What has come so far has a mark beside it, which says of what content it is a part: a later run goes
on from there, if the server has that content still.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from ..engine.checksums import listed
from ..engine.errors import FleetError
from ..engine.units import format_size

BLOCK = 2**20
LARGEST_LIST = 4 * 2**20
TRIES = 4  # in a row that bring no block
PAUSE_S = 1.0
NOT_NOW = (408, 425, 429, 500, 502, 503, 504)
SPARE = 64 * 2**20  # bytes that are left free

# What urllib raises; an SSL error and an HTTP status are of OSError too.
FAILURES = (OSError, http.client.HTTPException, ValueError)


class CutOff(Exception):
    """What came is not whole, for a reason that may pass."""


def read_listed(url: str, name: str, algorithm: str, how: str) -> dict[str, str]:
    """What a list of checksums has for a file: its `digits`, or the `error`."""
    name = unquote(name)
    try:
        with _answered(url, json.loads(how), {}) as response:
            text = response.read(LARGEST_LIST + 1)
    except FAILURES as error:
        return {"error": f"cannot fetch {url}: {said_by(error)}"}
    if len(text) > LARGEST_LIST:
        return {"error": f"{url} is no list of checksums: it is too long"}
    try:
        return {"digits": listed(text.decode(errors="replace"), name, algorithm)}
    except ValueError as error:
        return {"error": f"{url} {error}"}


class Fetching:
    """A file that is fetched, and what is told of that."""

    def __init__(self, url: str, shown: str, how: Mapping[str, Any], part: Path) -> None:
        self.url, self.shown, self.how = url, shown, how
        self.part = part
        self.mark = part.with_name(f"{part.name}.json")
        self.fetched = 0  # bytes that came now
        self.resumed_at = 0  # bytes that had come before

    def whole(self) -> None:
        """Fetch all that is missing. FleetError where that cannot be had."""
        failures = 0
        self.resumed_at = self._there()[0]
        while True:
            before = self.fetched
            try:
                self._go_on()
                return
            except CutOff as error:
                failures = 0 if self.fetched - before >= BLOCK else failures + 1
                if failures >= TRIES:
                    raise self.failed(str(error)) from error
            time.sleep(PAUSE_S * failures)

    def forget(self) -> None:
        """Begin anew: what has come is not what was meant."""
        self.part.unlink(missing_ok=True)
        self.mark.unlink(missing_ok=True)
        self.resumed_at = 0

    def failed(self, why: str) -> FleetError:
        """What to say of it; whatever came is kept, and a later run goes on from there."""
        return FleetError(f"cannot fetch {self.shown}: {why}", field="image")

    def _go_on(self) -> None:
        start, validator = self._there()
        headers = {"Range": f"bytes={start}-", "If-Range": validator} if start else {}
        try:
            with _answered(self.url, self.how, headers) as response:
                self._take(response, start)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # what is there is longer than what the server has
                self.forget()
            elif error.code not in NOT_NOW:
                raise self.failed(said_by(error)) from error
            raise CutOff(said_by(error)) from error
        except FAILURES as error:
            if _is_refused(error):
                raise self.failed(said_by(error)) from error
            raise CutOff(said_by(error)) from error

    def _there(self) -> tuple[int, str]:
        """How much has come of what content; nothing that could be gone on with is no content."""
        try:
            mark = json.loads(self.mark.read_text(encoding="utf-8"))
            size = self.part.stat().st_size
        except (OSError, ValueError):
            return 0, ""
        is_same = isinstance(mark, dict) and mark.get("of") == _digest(self.url)
        validator = str(mark.get("validator") or "") if is_same else ""
        return (size, validator) if validator else (0, "")

    def _take(self, response: Any, start: int) -> None:
        goes_on = response.status == 206 and _begins_at(response) == start
        if response.status == 206 and not goes_on:
            self.forget()
            raise CutOff("the server sent another part than was asked for")
        at = start if goes_on else 0
        length = response.headers.get("Content-Length")
        end = at + int(length) if length and length.isdigit() else None
        if not goes_on:
            self.forget()
        self._check_space((end or at) - at)
        with _opened(self.part, at) as file:
            if not goes_on:
                self._note(response)
            at += self._copied(response, file)
            file.flush()
            os.fsync(file.fileno())
        if end is not None and at != end:
            raise CutOff(f"it ended after {at} of {end} bytes")

    def _copied(self, response: Any, file: Any) -> int:
        before = self.fetched
        while True:
            block = response.read1(BLOCK)
            if not block:
                return self.fetched - before
            try:
                file.write(block)
            except OSError as error:
                raise self.failed(f"cannot write {self.part}: {error.strerror}") from error
            self.fetched += len(block)

    def _note(self, response: Any) -> None:
        """Of what content this is a part, as far as the server tells."""
        tag = response.headers.get("ETag") or ""
        strong = "" if tag.startswith("W/") else tag
        validator = strong or response.headers.get("Last-Modified") or ""
        said = json.dumps({"of": _digest(self.url), "validator": validator, "from": self.shown})
        self.mark.write_text(said, encoding="utf-8")

    def _check_space(self, comes: int) -> None:
        free = free_in(self.part.parent)
        if comes + SPARE > free:
            raise self.failed(
                f"{format_size(comes)} are to come, and in {self.part.parent} are "
                f"{format_size(free)} free; make room there, or name another download.library"
            )


def free_in(folder: Path) -> int:
    """The bytes that are free in a folder's file system, for those who are not root."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def said_by(error: BaseException) -> str:
    """An error of a server or of the way to it, in words; never with the URL, which has secrets."""
    if isinstance(error, urllib.error.HTTPError):
        more = " (download.username, headers)" if error.code in (401, 403) else ""
        return f"the server says {error.code} {error.reason}{more}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {reason.verify_message} (download.ca_path)"
    if isinstance(reason, TimeoutError):
        return "nothing came for as long as download.timeout_s says"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return type(reason).__name__ if not isinstance(reason, str) else reason


def _is_refused(error: BaseException) -> bool:
    """Whether to try again is of no use: a certificate that is not trusted, a URL that is none."""
    reason = getattr(error, "reason", error)
    return isinstance(reason, (ssl.SSLCertVerificationError, http.client.InvalidURL, ValueError))


@contextmanager
def _answered(url: str, how: Mapping[str, Any], headers: Mapping[str, str]) -> Iterator[Any]:
    """A server's answer. Nothing that a user said for this server goes to one that it leads to."""
    plain, login = _without_login(url)
    usual = {"Accept-Encoding": "identity", "User-Agent": "kvm.fleet"}
    request = urllib.request.Request(plain, headers={**usual, **headers})
    if how.get("username"):
        login = f"{how['username']}:{how.get('password') or ''}"
    if login:
        token = base64.b64encode(login.encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    for name, value in (how.get("headers") or {}).items():
        request.add_unredirected_header(str(name), str(value))
    with _opener(how).open(request, timeout=how.get("timeout_s") or 30) as response:
        yield response


def _without_login(url: str) -> tuple[str, str]:
    """A URL without the login that may stand in it, which urllib takes for a part of the host."""
    parts = urlsplit(url)
    login, _at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=host)), unquote(login)


def _opener(how: Mapping[str, Any]) -> urllib.request.OpenerDirector:
    """What opens URLs by this proxy, and trusts these authorities. Without a proxy that is said it
    is that of the environment."""
    context = ssl.create_default_context(cafile=how.get("ca_path"))
    if how.get("validate_certs") is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=context)]
    if how.get("proxy"):
        by_scheme = dict.fromkeys(("http", "https"), str(how["proxy"]))
        handlers.append(urllib.request.ProxyHandler(by_scheme))
    return urllib.request.build_opener(*handlers)


def _opened(path: Path, at: int) -> Any:
    """A file that nobody else may read, from a place on; what is behind that goes."""
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb")
    file.truncate(at)
    file.seek(at)
    return file


def _begins_at(response: Any) -> int:
    """Where a part begins, by its Content-Range; -1 where that does not tell."""
    unit, _space, place = (response.headers.get("Content-Range") or "").partition(" ")
    first = place.partition("-")[0]
    return int(first) if unit.lower() == "bytes" and first.isdigit() else -1


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
