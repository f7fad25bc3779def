"""Bringing a size of memory to what runs: what is plugged in, and what the balloon leaves."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import applier_memory

MIB = 2**20
DEVICE = "devices/memory[alias/@name='ua-hotplug']"


class Domain:
    """A VM of 100 MiB into which 100 MiB can be plugged; its guest keeps what it is told to."""

    def __init__(self, plugged: int, keeps: int = 0, balloon: str = "virtio") -> None:
        self.requested = self.current = plugged
        self.keeps = keeps
        self.balloon = balloon
        self.target_mib: int | None = None

    def now(self) -> xmltree.Element:
        return xmltree.parse(
            f"""<domain><memory unit='MiB'>200</memory><devices><memballoon model='{self.balloon}'/>
            <memory model='virtio-mem'><target><size unit='MiB'>100</size>
            <requested unit='KiB'>{self.requested * 1024}</requested>
            <current unit='KiB'>{self.current * 1024}</current></target>
            <alias name='ua-hotplug'/></memory></devices></domain>"""
        )

    def updateDeviceFlags(self, xml: str, _flags: int) -> None:
        asked = int(xmltree.get(xmltree.parse(xml), "target/requested") or 0) // 1024
        self.requested, self.current = asked, max(asked, min(self.current, self.keeps))

    def setMemoryFlags(self, kib: int, _flags: int) -> None:
        self.target_mib = kib // 1024


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applier_memory, "wait_until", lambda condition, _timeout_s: condition())
    monkeypatch.setattr(
        applier_memory, "libvirt", type("libvirt", (), {"VIR_DOMAIN_AFFECT_LIVE": 1})
    )


def resize(dom: Domain, mib: int) -> tuple[int, Any]:
    applier_memory.resize(dom, "vm/web", mib * MIB, dom.now)
    return dom.requested, dom.target_mib


def test_the_balloon_leaves_all_that_is_plugged_in() -> None:
    assert resize(Domain(0), 160) == (60, 160)


def test_what_is_given_back_is_not_taken_twice() -> None:
    assert resize(Domain(60), 80) == (0, 80)


def test_without_a_balloon_it_is_left_alone() -> None:
    assert resize(Domain(60, balloon="none"), 120) == (20, None)


def test_what_the_guest_keeps_is_told_and_added_to_what_the_balloon_leaves() -> None:
    dom = Domain(60, keeps=30)
    with pytest.raises(FleetError, match="keeps 30MiB of what was plugged in"):
        resize(dom, 80)
    assert (dom.requested, dom.target_mib) == (0, 110)
