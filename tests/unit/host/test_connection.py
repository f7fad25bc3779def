"""Which machine a connection leads to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.host import connection


@pytest.mark.parametrize(
    ("given", "opened", "driver", "is_local"),
    [
        ("qemu:///system", "qemu:///system", "QEMU", True),
        ("here", "qemu+unix:///system?socket=/run/far", "QEMU", True),
        ("kvm1", "qemu+ssh://root@kvm1/system", "QEMU", False),
        ("relay", "qemu+ext:///system?command=/usr/local/bin/relay", "QEMU", False),
        ("test:///default", "test:///default", "TEST", False),
    ],
)
def test_an_alias_is_what_it_stands_for(
    monkeypatch: pytest.MonkeyPatch, given: str, opened: str, driver: str, is_local: bool
) -> None:
    """As `uri_aliases` of libvirt.conf says; nothing of this machine is looked at for another."""
    conn = SimpleNamespace(getURI=lambda: opened, getType=lambda: driver, close=lambda: None)
    monkeypatch.setattr(connection.libvirt, "open", lambda _uri: conn)
    with connection.connect(given) as host:
        assert host.is_local is is_local


@pytest.mark.parametrize(
    ("said", "calls"), [("Unable to get accurate CPU usage", 3), ("No space left on device", 1)]
)
def test_what_a_busy_machine_cannot_do_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, said: str, calls: int
) -> None:
    done = []

    def make() -> str:
        done.append(said)
        if len(done) < 3:
            raise connection.libvirt.libvirtError(said)
        return "made"

    monkeypatch.setattr(connection.time, "sleep", lambda _s: None)
    if calls == 1:
        with pytest.raises(connection.libvirt.libvirtError):
            connection.patiently(make)
    else:
        assert connection.patiently(make) == "made"
    assert len(done) == calls
