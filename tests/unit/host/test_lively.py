"""Connections to hosts that may stop answering."""

from __future__ import annotations

import threading
from typing import Any

import libvirt
import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.host import lively

URI = "test:///default"


def test_a_connection_is_opened_that_would_be_given_up() -> None:
    conn = lively.open_watched(libvirt.open, URI)
    assert conn.isAlive() and conn.getType() == "TEST"
    conn.close()


def test_a_host_that_never_answers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lively, "OPENING_TIMEOUT_S", 0.1)
    answers = threading.Event()

    def hangs(_uri: str) -> Any:
        answers.wait(60)

    with pytest.raises(FleetError, match="did not answer within"):
        lively.open_watched(hangs, URI)
    answers.set()


def test_what_libvirt_says_is_raised_where_it_is_asked() -> None:
    with pytest.raises(libvirt.libvirtError):
        lively.open_watched(libvirt.open, "test:///no/such/file.xml")
