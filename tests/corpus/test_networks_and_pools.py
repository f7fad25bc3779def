"""Networks and pools of others: what is told can be declared, and nothing of them is lost.

Each is defined and read; what the info module tells is declared again, which changes nothing;
options come and go again, and libvirt's own text of the definition is then as before.

    pytest tests/corpus/test_networks_and_pools.py --networks FOLDER --pools FOLDER
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool import (
    kind as storage_pool,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import kind as vswitch
from support.corpus import GIVEN, lines_apart_of, missing, options_of
from support.module_server import ModuleServer

Options = dict[str, Any]


class Trial:
    """One network or pool, tried with the modules."""

    def __init__(self, modules: ModuleServer, module: str, name: str, text: Callable[[], str]):
        self.modules = modules
        self.module = module
        self.name = name
        self.text = text

    def run(self, module: str, args: Options, check: bool = False) -> Options:
        done = self.modules.run(module, args, check)
        assert not done.get("failed"), f"{module} fails: {done['msg']}"
        return done

    def declare(self, options: Options, check: bool = False) -> Options:
        return self.run(self.module, {"name": self.name, "state": "present", **options}, check)

    def changes_nothing(self, options: Options) -> None:
        before = self.text()
        for check in (True, False):
            done = self.declare(options, check)
            assert (done["changed"], done["plan"]) == (False, []), "it would be changed"
        assert self.text() == before

    def gives(self, options: Options) -> None:
        """A declaration is planned, done as planned, and then there is nothing left to do."""
        planned = self.declare(options, check=True)
        done = self.declare(options)
        assert done["changed"]
        assert (planned["plan"], planned["diff"]) == (done["plan"], done["diff"])
        again = self.declare(options)
        assert (again["changed"], again["plan"]) == (False, [])

    def comes_and_goes(self, told: Options, spec: Options, comes: Options, goes: Options) -> None:
        """All that a trial is."""
        before = self.text()
        self.changes_nothing(options_of(told, spec))
        self.gives(comes)
        with_them = self.text()
        self.gives(goes)
        assert lines_apart_of(before, self.text()) == []
        lost = [line for line in lines_apart_of(before, with_them) if line.startswith("-")]
        assert not _beside(lost), "something went as the others came"


def _beside(lost: list[str]) -> list[str]:
    """What went, without elements that only have something in them now, and without own values."""
    values = ("<mode>", "<owner>", "<group>", "<path>", "stp=")
    return [line for line in lost if not line.endswith("/>") and not any(v in line for v in values)]


@pytest.fixture
def conn(libvirtd: Any) -> Iterator[libvirt.virConnect]:
    connection = libvirt.open(libvirtd.uri)
    yield connection
    connection.close()


def _text_of(file: Path, conn: libvirt.virConnect) -> str:
    text = file.read_text(encoding="utf-8")
    if needs := missing(text, conn):
        pytest.skip(f"needs {needs}")
    return text


# ---- networks


@pytest.fixture
def network(network_file: Path, conn: libvirt.virConnect) -> Iterator[libvirt.virNetwork]:
    network = conn.networkDefineXML(_text_of(network_file, conn))
    yield network
    network.undefine()


def test_network(network: libvirt.virNetwork, modules: ModuleServer) -> None:
    stored = libvirt.VIR_NETWORK_XML_INACTIVE
    trial = Trial(modules, "vswitch", network.name(), lambda: network.XMLDesc(stored))
    told = trial.run("vswitch_info", {"names": [network.name()]})["vswitches"][0]
    comes, goes = _given_to_network(told, is_run="<forward" not in trial.text())
    trial.comes_and_goes(told, vswitch.KIND.spec(), comes, goes)


def _given_to_network(told: Options, is_run: bool) -> tuple[Options, Options]:
    """What any network takes, and what only one takes that libvirt runs."""
    gone = {"name": GIVEN, "state": "absent"}
    comes: Options = {"port_groups": [{"name": GIVEN}], "protected": True}
    goes: Options = {"port_groups": [gone], "protected": False}
    if told.get("type") not in ("nat", "routed", "isolated"):
        return comes, goes
    comes["port_groups"][0]["bandwidth"] = {"inbound": {"average": "1MiB"}}
    comes["stp"], goes["stp"] = not told["stp"], told["stp"]
    if not told.get("mtu"):
        comes["mtu"], goes["mtu"] = 1400, 0
    if told["dns"]["enabled"]:
        comes["dns"] = {"hosts": [{"ip": "192.0.2.77", "hostnames": ["b", "a"]}]}
        goes["dns"] = {"hosts": [{"ip": "192.0.2.77", "state": "absent"}]}
    if told.get("address"):
        ip = str(ipaddress.ip_interface(told["address"]).network.broadcast_address - 1)
        comes["dhcp"] = {"hosts": [{"mac": "52:54:00:c0:4d:05", "ip": ip}]}
        goes["dhcp"] = {"hosts": [{"mac": "52:54:00:c0:4d:05", "state": "absent"}]}
    return comes, goes


# ---- pools


@pytest.fixture
def pool(pool_file: Path, conn: libvirt.virConnect) -> Iterator[libvirt.virStoragePool]:
    text = _text_of(pool_file, conn)
    pool = conn.storagePoolDefineXML(text)
    yield pool
    pool.undefine()


def test_pool(pool: libvirt.virStoragePool, modules: ModuleServer) -> None:
    stored = libvirt.VIR_STORAGE_XML_INACTIVE
    trial = Trial(modules, "storage_pool", pool.name(), lambda: pool.XMLDesc(stored))
    told = trial.run("storage_info", {"pools": [pool.name()]})["pools"][0]
    comes, goes = _given_to_pool(told)
    trial.comes_and_goes(told, storage_pool.KIND.spec(), comes, goes)


def _given_to_pool(told: Options) -> tuple[Options, Options]:
    """Something that a pool of its type takes."""
    if "type" not in told or told["type"] == "zfs":  # no option is about more than one of them
        return {"autostart": True}, {"autostart": False}
    if told["type"] == "logical":
        gone = [{"path": "/dev/given", "state": "absent"}]
        return {"source": {"devices": [{"path": "/dev/given"}]}}, {"source": {"devices": gone}}
    if told["type"] == "dir":
        mode = told.get("permissions", {}).get("mode")
        if mode is not None:
            return {"permissions": {"mode": "0750"}}, {"permissions": {"mode": mode}}
    if "path" in told:
        return {"path": f"/given{told['path']}"}, {"path": told["path"]}
    if told["type"] == "rbd":
        gone = [{"name": GIVEN, "state": "absent"}]
        return {"source": {"hosts": [{"name": GIVEN}]}}, {"source": {"hosts": gone}}
    return {"source": {"host": GIVEN}}, {"source": {"host": told["source"]["host"]}}
