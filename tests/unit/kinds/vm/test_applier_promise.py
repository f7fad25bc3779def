"""What a run has the kernel hold of a VM that runs, on a host of made-up files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import Changed, Stepped
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import key_of
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    UPDATE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.host.connection import Host
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import applier_promise
from support.made_up_host import UUID, MadeUpHost


def definition(reserved: str) -> str:
    return (
        f"<domain><name>web</name><uuid>{UUID.format(1)}</uuid><metadata>"
        f"<fleet:resource xmlns:fleet='urn:kvm.fleet:1'>{reserved}</fleet:resource></metadata>"
        "<memory>262144</memory><vcpu>2</vcpu></domain>"
    )


HALF = "<fleet:reservation cpu='1' memory='131072'/>"


class Dom:
    """A domain that runs."""

    def __init__(self, text: str) -> None:
        self.text = text

    def isActive(self) -> bool:
        return True

    def XMLDesc(self, _flags: int) -> str:
        return self.text


class Local(Host):
    """libvirt of this machine, or behind a socket of its own."""

    driver = "QEMU"

    def __init__(self, uri: str) -> None:
        super().__init__(None, uri)
        self.uri = uri


def plan(reserved: str, *changes: Any) -> Plan:
    have = Have("vm", "web", parse(definition(reserved)))
    return Plan(Wanted("vm", "web", "present"), UPDATE, have, have, changes)


PROMISES = Changed("vm/web", key_of("cpu.reservation"), 0, 1)


@pytest.mark.parametrize(
    ("reserved", "change", "concerned"),
    [
        ("", PROMISES, True),
        ("", Changed("vm/web", key_of("memory.size"), "1GiB", "2GiB"), True),
        (HALF, Changed("vm/web", ("title",), "", "x"), False),
        (HALF, Stepped("vm/web", ("state",), "stopped", "running"), True),
        ("", Stepped("vm/web", ("state",), "stopped", "running"), False),
    ],
)
def test_what_bears_on_what_the_kernel_holds(reserved: str, change: Any, concerned: bool) -> None:
    assert applier_promise.is_concerned(plan(reserved, change)) is concerned


def test_the_kernel_holds_what_was_promised(tmp_path: Path) -> None:
    host = MadeUpHost(tmp_path)
    scope = host.start("web")
    libvirt, dom = Local("qemu:///system"), Dom(definition(HALF))
    applier_promise.settle(libvirt, dom, plan(HALF, PROMISES), host.places)
    assert (host.cgroup(scope) / "memory.min").read_text().strip() != "0"
    assert (host.cgroup("/machine.slice") / "memory.min").read_text().strip() != "0"


def test_what_the_kernel_does_not_hold_is_said(tmp_path: Path) -> None:
    host = MadeUpHost(tmp_path)
    host.start("web")
    host.refuses = "MemoryMin"
    libvirt, dom = Local("qemu:///system"), Dom(definition(HALF))
    with pytest.raises(FleetError, match=r"the kernel does not hold what was promised: .*memory"):
        applier_promise.settle(libvirt, dom, plan(HALF, PROMISES), host.places)


@pytest.mark.parametrize("uri", ["qemu+ssh://host/system", "qemu+unix:///system?socket=/run/x"])
def test_of_another_machine_nothing_is_set(tmp_path: Path, uri: str) -> None:
    host = MadeUpHost(tmp_path)
    scope = host.start("web")
    applier_promise.settle(Local(uri), Dom(definition(HALF)), plan(HALF, PROMISES), host.places)
    assert (host.cgroup(scope) / "memory.min").read_text().strip() == "0"


def test_what_cannot_be_noted_is_said_where_something_is_promised(tmp_path: Path) -> None:
    """As without the rights of root, which a user of the group libvirt needs for nothing else."""
    host = MadeUpHost(tmp_path)
    host.start("web")
    host.write("/run/kvm-fleet", "no folder")
    libvirt, more = Local("qemu:///system"), Changed("vm/web", key_of("memory.size"), "1", "2")
    applier_promise.settle(libvirt, Dom(definition("")), plan("", more), host.places)
    with pytest.raises(FleetError, match=r"noted and enforced .*; run as root") as said:
        applier_promise.settle(libvirt, Dom(definition(HALF)), plan(HALF, more), host.places)
    assert said.value.resource == "vm/web"
