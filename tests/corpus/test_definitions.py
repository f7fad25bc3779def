"""Definitions of others: what is told of them can be declared, and nothing of them is lost.

Each is defined and read; what vm_info tells is declared again, which changes nothing; a field, a
disk and a NIC come and go again, and libvirt's own text of the definition is then as before.

    pytest tests/corpus --definitions FOLDER
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.kind import KIND
from support.corpus import (
    GIVEN,
    STORED,
    adapted,
    lines_apart,
    missing,
    only_added,
    options_of,
)
from support.module_server import ModuleServer
from support.private_libvirtd import IMAGES, PrivateLibvirtd

LIST_KEYS = ("disks", "cdroms", "nics", "channels")


@pytest.fixture(scope="session")
def place(private_libvirtd: PrivateLibvirtd) -> None:
    """An image and a bridge for the disk and the NIC that every VM is given."""
    image = private_libvirtd.outside(IMAGES / "given.img")
    image.touch()
    image.chmod(0o666)
    private_libvirtd.run(["ip", "link", "add", "br-given", "type", "bridge"])


@pytest.fixture
def conn(libvirtd: PrivateLibvirtd) -> Iterator[libvirt.virConnect]:
    connection = libvirt.open(libvirtd.uri)
    yield connection
    connection.close()


@pytest.fixture
def domain(definition: Path, conn: libvirt.virConnect) -> Iterator[libvirt.virDomain]:
    """The definition on a libvirtd; one that this libvirt refuses fails the test."""
    text = definition.read_text(encoding="utf-8")
    if needs := missing(text, conn):
        pytest.skip(f"needs {needs}")
    domain = conn.defineXML(adapted(text, conn))
    # libvirt sorts the controllers that it added when it reads them again.
    domain = conn.defineXML(domain.XMLDesc(STORED))
    yield domain
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)


class Trial:
    """One VM, tried with the modules."""

    def __init__(self, domain: libvirt.virDomain, modules: ModuleServer) -> None:
        self.domain = domain
        self.modules = modules

    def text(self) -> str:
        """The stored definition as libvirt writes it."""
        return str(self.domain.XMLDesc(STORED))

    def told(self) -> dict[str, Any]:
        """What vm_info tells."""
        found = self.run("vm_info", {"names": [self.domain.name()], "addresses": []})
        return dict(found["vms"][0])

    def run(self, module: str, args: dict[str, Any], check: bool = False) -> dict[str, Any]:
        done = self.modules.run(module, args, check)
        assert not done.get("failed"), f"{module} fails: {done['msg']}"
        return done

    def declare(self, options: dict[str, Any], check: bool = False) -> dict[str, Any]:
        return self.run("vm", {"name": self.domain.name(), **options}, check)

    def changes_nothing(self, options: dict[str, Any]) -> None:
        before = self.text()
        for check in (True, False):
            done = self.declare(options, check)
            assert (done["changed"], done["plan"]) == (False, []), "it would be changed"
        assert self.text() == before

    def gives(self, options: dict[str, Any]) -> None:
        """A declaration is planned and done so; the run itself sees that nothing is left."""
        planned = self.declare(options, check=True)
        done = self.declare(options)
        assert done["changed"]
        assert (planned["plan"], planned["diff"]) == (done["plan"], done["diff"])


def given(told: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A field, a disk and a NIC; and what takes them away again."""
    field, value, former = _field(told)
    if told.get("machine") in ("microvm", "isapc"):  # have no bus for them
        return {field: value}, {field: former}
    disk = {"name": GIVEN, "file": str(IMAGES / "given.img"), "format": "raw"}
    nic = {"name": GIVEN, "bridge": "br-given", "mac": "52:54:00:c0:4d:05"}
    comes = {field: value, "disks": [disk], "nics": [nic]}
    gone = {"name": GIVEN, "state": "absent"}
    return comes, {field: former, "disks": [gone], "nics": [gone]}


def _field(told: dict[str, Any]) -> tuple[str, Any, Any]:
    """One of several fields, always the same for a VM."""
    fields: list[tuple[str, Any, Any]] = [
        ("description", "given", told.get("description", "")),
        ("title", "given", told.get("title", "")),
        ("tags", {"given": "yes"}, told.get("tags", {})),
        ("on_crash", *_other(told, "on_crash", ("preserve", "restart"))),
    ]
    at = int(hashlib.sha256(str(told["name"]).encode()).hexdigest(), 16)
    return fields[at % len(fields)]


def _other(told: dict[str, Any], name: str, words: tuple[str, str]) -> tuple[str, str]:
    return (words[1] if told[name] == words[0] else words[0]), told[name]


@pytest.mark.definition
def test_definition(domain: libvirt.virDomain, modules: ModuleServer, place: None) -> None:
    trial = Trial(domain, modules)
    before = trial.text()
    told = trial.told()
    trial.changes_nothing(options_of(told, KIND.spec()))
    comes, goes = given(told)
    trial.gives(comes)
    with_them = trial.text()
    trial.gives(goes)
    assert lines_apart(before, trial.text()) == []
    assert [line for line in only_added(before, with_them) if not _is_field(line, comes)] == []


def _is_field(line: str, comes: dict[str, Any]) -> bool:
    tags = {"tags": "metadata", **{name: name for name in ("description", "title", "on_crash")}}
    return any(tags[name] in line for name in comes if name in tags)
