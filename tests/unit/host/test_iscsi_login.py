"""What an iSCSI server answers to the first request of a login."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.host import iscsi_login

HERE: Any = SimpleNamespace(is_local=True)
FAR: Any = SimpleNamespace(is_local=False)
TARGET, KVM1 = "iqn.2026-01.com.example:vms", "iqn.2026-01.com.example:kvm1"
ASKED: list[bytes] = []


def answer(kind: int, detail: int, code: int = 0x23) -> bytes:
    return bytes([code]) + b"\0" * 35 + bytes([kind, detail]) + b"\0" * 10


@contextmanager
def serving(says: bytes) -> Iterator[str]:
    """A server that answers so to one request; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _address = server.accept()
            with connection:
                ASKED.append(connection.recv(4096))
                connection.sendall(says[:20])
                connection.sendall(says[20:])

        thread = threading.Thread(target=serve)
        thread.start()
        yield str(server.getsockname()[1])
        thread.join()


def asked(says: bytes, initiator: str = KVM1) -> str | None:
    with serving(says) as port:
        return iscsi_login.read_iscsi_login(HERE, "127.0.0.1", port, TARGET, initiator)


@pytest.mark.parametrize(
    ("says", "found"),
    [
        (answer(0, 0), "lets in"),
        (answer(2, 2), "forbids"),
        (answer(2, 3), "has none"),
        (answer(2, 4), "has none"),
        (answer(1, 1), None),  # it is elsewhere
        (answer(2, 1), None),
        (answer(2, 6), None),
        (answer(3, 1), None),  # it is busy
        (answer(2, 3, code=0x3F), None),
        (b"SSH-2.0-OpenSSH_9.2", None),
    ],
)
def test_what_a_server_answers(says: bytes, found: str | None) -> None:
    assert asked(says) == found


def test_the_request_asks_for_a_session_of_its_own() -> None:
    """Another one by the same name and session would end that one."""
    asked(answer(0, 0))
    asked(answer(0, 0))
    first, second = ASKED[-2:]
    size = int.from_bytes(first[5:8], "big")
    assert (first[0], len(first) % 4, len(first) - 48 - size < 4) == (0x43, 0, True)
    said = first[48 : 48 + size].split(b"\0")
    assert f"InitiatorName={KVM1}".encode() in said and f"TargetName={TARGET}".encode() in said
    assert first[8] == second[8] == 0x80 and first[8:14] != second[8:14]


def test_the_hosts_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "initiatorname.iscsi"
    monkeypatch.setattr(iscsi_login, "NAME_FILE", file)
    assert iscsi_login.read_iscsi_login(HERE, "127.0.0.1", "1", TARGET, "") is None
    file.write_text(f"## generated\nInitiatorName={KVM1}\n")
    assert asked(answer(0, 0), initiator="") == "lets in"
    assert f"InitiatorName={KVM1}".encode() in ASKED[-1]


def test_from_afar_or_without_a_server_nobody_can_tell() -> None:
    assert iscsi_login.read_iscsi_login(FAR, "127.0.0.1", "1", TARGET, KVM1) is None
    assert iscsi_login.read_iscsi_login(HERE, "127.0.0.1", "1", TARGET, KVM1) is None
