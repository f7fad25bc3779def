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
