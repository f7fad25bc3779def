"""Images by URL as they are declared: what is wrong, what is hidden, as what they are kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume import fetched

A = f"sha256:{'0a' * 32}"
URL = "https://images.example.net/b/a%20b.qcow2"


def mistakes(**params: Any) -> list[str]:
    found = Mistakes("x")
    fetched.check({"image": URL, "checksum": A, **params}, found)
    return [f"{one.field}: {one.message}" for one in found.errors]


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"checksum": None}, "checksum: is needed"),
        ({"image": "https:///a.img"}, "image: names no server"),
        ({"image": "https://x/"}, "image: names no server, or no file"),
        ({"image": "https://x:y/a.img"}, "image: is no URL"),
        ({"checksum": "sha256:https://a:word@x/S"}, "checksum: a list is fetched when plans"),
        ({"checksum": "sha256:https://x/S?token=word"}, "checksum: a list is fetched when plans"),
        (
            {"checksum": "sha256:https://x/S", "download": {"proxy": "http://a:word@p"}},
            "download.proxy: a list of checksums is fetched by no proxy",
        ),
        ({"download": {"username": "a"}}, "download: username and password go together"),
        ({"download": {"timeout_s": 0}}, "download.timeout_s: is a number"),
    ],
)
def test_what_is_wrong_is_said_without_its_secrets(params: dict[str, Any], says: str) -> None:
    [said] = mistakes(**params)
    assert said.startswith(says)
    assert "word" not in said.replace("password", "")


def test_what_is_right_is_taken() -> None:
    assert mistakes() == mistakes(checksum="none") == mistakes(checksum=f"sha256:{URL}") == []


def test_secrets_are_shown_to_nobody_and_there_for_the_run() -> None:
    how = {"password": "w0rd", "username": "me", "headers": {"X-Key": "w0rd"}, "proxy": None}
    params = {"image": f"{URL}?token=w0rd", "download": how}
    image, download = fetched.hidden(params)
    assert "w0rd" not in f"{image} {download} {json.dumps([image, download])}"
    order = fetched.order_of({"image": image, "download": download}, A)
    assert (order.url, order.shown) == (params["image"], f"{URL}?token=(hidden)")
    assert order.how == {"password": "w0rd", "username": "me", "headers": {"X-Key": "w0rd"}}
    assert order.key == A.replace(":", "-")
    assert order._replace(checksum="").key.startswith("url-")


def test_a_list_is_asked_for_the_file_without_secrets() -> None:
    image, download = fetched.hidden(
        {"image": URL, "download": {"password": "w0rd", "username": "a", "ca_path": "/a b.pem"}}
    )
    asked = fetched.how_of_list({"image": image, "download": download}, "sha256")
    assert asked[:2] == ("a%20b.qcow2", "sha256")
    assert " " not in "".join(asked) and json.loads(asked[2]) == {"ca_path": "/a b.pem"}
