"""What is fetched from a server: whole, or gone on with, or refused with what is there kept."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.host import fetching
from ansible_collections.kvm.fleet.plugins.module_utils.host.fetching import Fetching, read_listed
from support.image_server import CUT, Server, serving

CONTENT = os.urandom(2**20) * 10


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(fetching, "PAUSE_S", 0.0)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "a.img").write_bytes(CONTENT)
    with serving(folder) as server:
        yield server


def of(server: Server, path: str, tmp_path: Path, **how: Any) -> Fetching:
    url = path if "://" in path else f"{server.url}/{path}"
    return Fetching(url, "URL", how, tmp_path / "key.part")


@pytest.mark.parametrize("way", ["plain", "whole", "moved"])
def test_a_file_comes_whole(way: str, server: Server, tmp_path: Path) -> None:
    one = of(server, f"{way}/a.img", tmp_path)
    one.whole()
    assert one.part.read_bytes() == CONTENT
    assert one.part.stat().st_mode & 0o077 == 0
    assert (one.fetched, one.resumed_at) == (len(CONTENT), 0)


def test_what_is_cut_off_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    one = of(server, "cut/a.img", tmp_path)
    one.whole()
    assert one.part.read_bytes() == CONTENT
    assert one.fetched == len(CONTENT), "no byte came twice"
    assert server.asked == [
        *("cut/a.img", f"cut/a.img bytes={CUT}-", f"cut/a.img bytes={2 * CUT}-"),
        f"cut/a.img bytes={3 * CUT}-",
    ]


def test_another_run_goes_on_with_it(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"nothing came for as long as download\.timeout_s says"):
        of(server, "stalled/a.img", tmp_path, timeout_s=0.3).whole()
    there = (tmp_path / "key.part").stat().st_size
    assert there >= CUT
    mark = tmp_path / "key.part.json"
    said = json.loads(mark.read_text())
    one = of(server, "plain/a.img", tmp_path)
    mark.write_text(json.dumps({**said, "of": fetching._digest(one.url)}))
    one.whole()
    assert (one.resumed_at, one.fetched) == (there, len(CONTENT) - there)
    assert one.part.read_bytes() == CONTENT


def test_what_became_other_content_begins_anew(server: Server, tmp_path: Path) -> None:
    first = of(server, "plain/a.img", tmp_path)
    first.whole()
    (server.folder / "a.img").write_bytes(b"x" * 1000)
    one = of(server, "plain/a.img", tmp_path)
    one.whole()
    assert (one.resumed_at, one.part.read_bytes()) == (0, b"x" * 1000)


def test_a_server_that_knows_no_parts_is_asked_for_all(server: Server, tmp_path: Path) -> None:
    one = of(server, "whole/a.img", tmp_path)
    one.part.write_bytes(b"y" * 2000)
    said = {"of": fetching._digest(one.url), "validator": '"z"'}
    one.mark.write_text(json.dumps(said))
    one.whole()
    assert (one.resumed_at, one.part.read_bytes() == CONTENT) == (0, True)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("plain/b.img", "the server says 404 Not Found"),
        ("login/a.img", "the server says 401"),
        ("http://127.0.0.1:9/a.img", "Connection refused"),
        ("http://nowhere.invalid/a.img", "cannot fetch URL: "),
    ],
)
def test_what_cannot_be_had_is_said(path: str, why: str, server: Server, tmp_path: Path) -> None:
    with pytest.raises(FleetError) as refused:
        of(server, path, tmp_path).whole()
    assert why in refused.value.message
    assert len(server.asked) <= 1, "what is refused is not asked again"


def test_a_login_and_headers_go_to_their_server_alone(server: Server, tmp_path: Path) -> None:
    of(server, "login/a.img", tmp_path, username="me", password="word").whole()
    own = {"Authorization": "Basic bWU6d29yZA=="}
    (tmp_path / "key.part").unlink()
    of(server, "login/a.img", tmp_path, headers=own).whole()
    assert (tmp_path / "key.part").read_bytes() == CONTENT


def test_a_proxy_is_asked_and_no_trace_of_it_is_left(server: Server, tmp_path: Path) -> None:
    """As a proxy the server is asked by the whole URL, of which it knows nothing."""
    with pytest.raises(FleetError, match="404"):
        of(server, "http://images.example.net/a.img", tmp_path, proxy=server.url).whole()
    assert server.asked == ["/images.example.net/a.img"]
    assert "http_proxy" not in os.environ


def test_room_is_looked_for_first(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "free_in", lambda _folder: 2**20)
    with pytest.raises(FleetError, match=r"10MiB are to come, and in .* are 1MiB free"):
        of(server, "plain/a.img", tmp_path).whole()


def test_a_list_has_the_digits_of_a_file_or_says_why_not(server: Server) -> None:
    digits = "ab" * 32
    (server.folder / "SHA256SUMS").write_text(f"{digits}  a b.img\n{'cd' * 32} *c.img\n")
    url = f"{server.url}/plain/SHA256SUMS"
    assert read_listed(url, "a%20b.img", "sha256", "{}") == {"digits": digits}
    assert "has no sha256 checksums of d.img" in read_listed(url, "d.img", "sha256", "{}")["error"]
    assert "404" in read_listed(f"{server.url}/plain/none", "a", "sha256", "{}")["error"]
