"""What follows from a snapshot of a whole host, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.engine.facts import (
    ALL,
    Fact,
    NotRecorded,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.host import Daemon
from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import (
    File,
    Image,
    Unreadable,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.engine.recorded import Recorded
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.run.following import following

FOLDER = File("folder", "0755")
UUID = "2f3c6f2e-0000-4000-8000-000000000001"
GONE = Unreadable("No such file or directory", missing=True)


def pool(path: str, kind: str = "dir", live: bool = False) -> Have:
    tree = parse(f"<pool type='{kind}'><target><path>{path}</path></target></pool>")
    return Have("storage_pool", "p", tree, tree if live else None)


def vm(name: str, live: bool = False) -> Have:
    tree = parse(f"<domain><name>{name}</name><uuid>{UUID}</uuid></domain>")
    return Have("vm", name, tree, tree if live else None)


VOLUME = Have(
    "storage_volume",
    "on/a.qcow2",
    parse("<volume><target><path>/srv/on/a.qcow2</path></target></volume>"),
)
TOLD: dict[Fact, Any] = {
    ("file", "/srv"): FOLDER,
    ("folder", "/srv"): {
        "images": "folder",
        "iso": "link",
        "off": "folder",
        "on": "folder",
        "a.qcow2": "file",
    },
    ("file", "/srv/a.qcow2"): File("file"),
    ("image", "/srv/a.qcow2"): Image("qcow2", 1),
    ("file", "/srv/off"): FOLDER,
    ("folder", "/srv/off"): {"b.qcow2": "file", "c.qcow2": "file", ".c.qcow2.partial": "file"},
    ("file", "/gone"): None,
    ("file", "/hidden"): File(""),
    ("folder", "/hidden"): None,
    (ALL, "storage_pool"): ["p", "on", "far", "lost", "hidden"],
    ("storage_pool", "p"): pool("/srv/off"),
    ("storage_pool", "on"): pool("/srv/on", live=True),
    ("storage_pool", "far"): pool("/srv/far", "netfs"),
    ("storage_pool", "lost"): pool("/gone"),
    ("storage_pool", "hidden"): pool("/hidden"),
    ("folder", "/gone"): None,
    (ALL, "storage_volume"): ["on/a.qcow2"],
    ("storage_volume", "on/a.qcow2"): VOLUME,
    (ALL, "vm"): ["web", "up"],
    ("vm", "web"): vm("web"),
    ("vm", "up"): vm("up", live=True),
    ("network_daemons",): [Daemon("dnsmasq", 7, "lan"), Daemon("radvd", 8, "other")],
    ("machines",): {"q35": "pc-q35-7.2"},
    ("machines_of", "x86_64"): ["q35", "pc-q35-7.2", "pc-q35-6.0", "pc-i440fx-7.2"],
    ("device_models", "x86_64", "pc-q35-7.2", "kvm"): {"tpm": []},
    ("guest_cpus", "x86_64", "pc-q35-7.2", "kvm"): "of q35",
}
RECORDED = Recorded(TOLD, following)


@pytest.mark.parametrize(
    ("fact", "answer"),
    [
        (("file", "/srv/none.qcow2"), None),
        (("file", "/srv/none/deeper/none.qcow2"), None),
        (("file", "/srv/../srv/none"), None),
        (("file", "/gone/a/b"), None),
        (("file", "/srv/a.qcow2/below-a-file"), None),
        (("folder", "/srv/none"), None),
        (("folder", "/srv/a.qcow2"), None),
        (("image", "/srv/none.qcow2"), GONE),
        (("image", "/gone/a.qcow2"), GONE),
        (("place", "/srv//none.qcow2"), "/srv/none.qcow2"),
        (("place", "rbd/image"), "rbd/image"),
        (("owner", "vm", UUID), "web"),
        (("owner", "vm", "another"), None),
        (("owner", "vswitch", UUID), None),
        (("volume_at", "/srv/on/a.qcow2"), "on/a.qcow2"),
        (("volume_at", "/srv/on/b.qcow2"), ""),
        (("snapshots", "none"), ()),
        (("checkpoints", "web"), ()),
        (("backup", "none"), ""),
        (("block_job", "web", "vda"), ""),
        (("inner_snapshots", "none", "vda"), None),
        (("noted_daemons", "lan"), [Daemon("dnsmasq", 7, "lan")]),
        (("leases", "lan"), []),
        (("migratable", "none"), {}),
        (("device_models", "x86_64", "q35", "kvm"), {"tpm": []}),
        (("device_models", "x86_64", "pc-q35-6.0", "kvm"), {"tpm": []}),
        (("device_models", "x86_64", "pc-q35-10.0", "kvm"), None),
        (("guest_cpus", "x86_64", "pc-i440fx-7.2", "kvm"), "of q35"),
    ],
)
def test_it_follows(fact: Fact, answer: Any) -> None:
    assert RECORDED.read(fact) == answer


@pytest.mark.parametrize(
    "fact",
    [
        ("file", "/srv/images/a.qcow2"),  # a folder that is listed, and whose contents are not
        ("file", "/srv/iso"),  # a link, of which nobody looked where it leads
        ("file", "/srv/iso/a.iso"),
        ("file", "/elsewhere/a.qcow2"),
        ("file", "/hidden/a.qcow2"),
        ("file", "relative"),
        ("image", "/srv/images/a.qcow2"),
        ("folder", "/srv/images"),
        ("place", "/srv/images/a.qcow2"),
        ("checksum", "/srv/a.qcow2", "sha256"),
        ("cpu_models", "riscv64"),
        ("block_job", "up", "vdz"),
        ("inner_snapshots", "web", "vda"),  # which has images while it is off too
        ("snapshots", "up"),
        ("secrets",),
        ("migratable", "web"),
        ("device_models", "x86_64", "pc-i440fx-7.2", "kvm"),  # another family
        ("device_models", "x86_64", "pc-q35-7.2", "qemu"),
        ("guest_cpus", "aarch64", "virt", "kvm"),
    ],
)
def test_it_does_not_follow(fact: Fact) -> None:
    with pytest.raises(NotRecorded):
        RECORDED.read(fact)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("on/none", {}),
        ("nowhere/none", {}),
        ("p/none", {}),
        ("p/c.qcow2", {"half-made": True}),
        ("far/none", {"unseen": True}),
        ("lost/none", {}),
        ("hidden/none", {"unseen": True}),
    ],
)
def test_a_volume_that_nobody_listed_is_not_there(name: str, facts: dict[str, bool]) -> None:
    have = RECORDED.resources("storage_volume", [name])[name]
    assert not have.exists
    assert have.facts == facts


def test_a_pool_whose_folder_went_away_under_it_is_named() -> None:
    told = {**TOLD, ("storage_pool", "lost"): pool("/gone", live=True)}
    with pytest.raises(FleetError, match="/gone, the folder of pool p, is not there; put it back"):
        Recorded(told, following).resources("storage_volume", ["lost/none"])


def test_a_vm_that_nobody_listed_is_not_there() -> None:
    assert not RECORDED.resources("vm", ["none"])["none"].exists
