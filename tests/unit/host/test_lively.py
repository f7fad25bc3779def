"""Connections to hosts that may stop answering."""

from __future__ import annotations

import threading
import time
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


def test_a_second_connection_that_libvirt_refuses_is_told() -> None:
    gone = "test:///no/such/file.xml"
    with pytest.raises(FleetError, match="a second time"), lively.beside(gone):
        raise AssertionError("it was opened")


def test_a_host_that_answers_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lively, "PULSE_EVERY_S", 0.01)
    with lively.pulse_of(URI) as pulse:
        time.sleep(0.2)
        assert pulse.is_alive() and pulse.silent_s < 0.2


def test_a_question_without_an_answer_counts_and_keeps_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, answers = threading.Event(), threading.Event()

    class Hangs:
        def getLibVersion(self) -> None:
            asked.set()
            answers.wait(60)

        def close(self) -> None:
            """As a connection is closed."""

    monkeypatch.setattr(lively, "open_watched", lambda _open, _uri: Hangs())
    monkeypatch.setattr(lively, "PULSE_EVERY_S", 0.01)
    with lively.pulse_of(URI) as pulse:
        assert asked.wait(60)
        time.sleep(0.1)
        assert pulse.silent_s >= 0.1
    answers.set()


def test_a_connection_that_is_lost_stays_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is gone is no better than one that hangs."""

    class IsLost:
        def getLibVersion(self) -> None:
            raise libvirt.libvirtError("lost")

        def close(self) -> None:
            """As a connection is closed."""

    monkeypatch.setattr(lively, "open_watched", lambda _open, _uri: IsLost())
    monkeypatch.setattr(lively, "PULSE_EVERY_S", 0.01)
    with lively.pulse_of(URI) as pulse:
        pulse.join(60)
        time.sleep(0.1)
        assert pulse.silent_s >= 0.1
