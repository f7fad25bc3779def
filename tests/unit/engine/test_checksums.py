"""Checksums of images: as they are declared, and as lists of others have them."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.checksums import (
    check,
    is_digits,
    is_url,
    listed,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes

A, B = "0a" * 32, "0B" * 32
LONG = "0c" * 64
URL = "https://cloud.example.net/a.img"


@pytest.mark.parametrize(
    "text",
    [
        f"{A}  a.img\n{B}  b.img\n",
        f"{A} *a.img",
        f"{A}  ./12/a.img",
        f"SHA256 (a.img) = {A}\nSHA512 (a.img) = {LONG}\n",
        f"SHA2-256 (a.img) = {A}\n",
        f"# Fedora\nHash: SHA256\n\nSHA256 (a.img) = {A}\n-----BEGIN PGP SIGNATURE-----\n",
        f"{A}\n",
        f"{LONG}  a.img\n{A}  a.img",
        f"{A}  a.img\r\n{A.upper()}  a.img\r\n",
    ],
)
def test_a_list_is_read(text: str) -> None:
    assert listed(text, "a.img", "sha256") == A


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has no sha256 checksums of a.img"),
        (f"{A}  b.img", "has no"),
        (f"{A}  aa.img", "has no"),
        (f"{LONG}  a.img", "has no"),
        (f"MD5 (a.img) = {A}", "has no"),
        (f"{A}  a.img\n{B}  12/a.img", "has 2 sha256 checksums"),
        ("<html>not here</html>", "has no"),
    ],
)
def test_a_list_that_does_not_tell_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        listed(text, "a.img", "sha256")


@pytest.mark.parametrize(
    ("checksum", "image"),
    [(f"sha256:{A}", "/a.img"), (f"sha512:{LONG}", URL), (f"sha256:{URL}", URL), ("none", URL)],
)
def test_a_checksum_is_taken(checksum: str, image: str) -> None:
    mistakes = Mistakes("x")
    check(checksum, image, mistakes)
    assert not mistakes.errors
    assert is_digits(checksum) == (A in checksum or LONG in checksum)


@pytest.mark.parametrize(
    ("checksum", "image"),
    [
        *(("none", "/a.img"), (f"sha256:{URL}", "/a.img"), (f"md5:{URL}", URL), ("sha256:", URL)),
        *((f"sha256:{A}0", URL), (f"sha256:{LONG}", URL), (A, URL), (f"sha256:{A}", None)),
    ],
)
def test_a_checksum_is_refused(checksum: str, image: str | None) -> None:
    mistakes = Mistakes("x")
    check(checksum, image, mistakes)
    assert len(mistakes.errors) == 1


def test_what_is_a_url() -> None:
    assert is_url(URL) and is_url("HTTP://x/a")
    assert not any(map(is_url, ("/srv/https://x", "file:///srv/a", "ftp://x/a", None, "")))
