"""The module storage_pool on a real libvirtd, seen through virsh and the file system."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.ansible_runs import run_module
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd
from support.storage import Target, converge, on_libvirtd, pool_lifecycle, refused

MIB = 2**20

# Parts of definitions that no option names.
FOREIGN = """
<pool type='netfs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'>
  <name>{name}</name>
  <source>
    <host name='192.0.2.1'/><dir path='/export'/><format type='nfs'/>
    <vendor name='acme'/><product name='filer'/>
  </source>
  <target><path>{path}</path></target>
  <refresh><volume allocation='capacity'/></refresh>
  <fs:mount_opts><fs:option name='noatime'/></fs:mount_opts>
</pool>
"""


@pytest.fixture
def target(libvirtd: PrivateLibvirtd, modules: ModuleServer) -> Target:
    return on_libvirtd(libvirtd, modules)


@pytest.fixture
def pool(prefix: str, images: Path) -> dict[str, Any]:
    """A declaration of a directory that does not exist yet."""
    return {"name": f"{prefix}pool", "type": "dir", "path": f"{images}/pool"}


@pytest.fixture
def device(tmp_path: Path) -> Iterator[str]:
    """An empty block device."""
    image = tmp_path / "device.img"
    image.touch()
    image.open("r+").truncate(64 * MIB)
    argv = ["losetup", "--find", "--show", str(image)]
    device = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
    yield device
    subprocess.run(["losetup", "--detach", device], check=True)


def outside(libvirtd: PrivateLibvirtd, pool: dict[str, Any]) -> Path:
    return libvirtd.outside(pool["path"])


# ---- a pool's life


def test_a_directory_lives_as_a_pool(target: Target, pool: dict[str, Any]) -> None:
    pool_lifecycle(target, pool)


def test_a_pool_leaves_its_contents_when_it_goes(
    target: Target, pool: dict[str, Any], libvirtd: PrivateLibvirtd
) -> None:
    converge(target, "storage_pool", pool)
    file = outside(libvirtd, pool) / "precious"
    file.write_text("data")
    converge(target, "storage_pool", {**pool, "state": "absent"})
    assert file.read_text() == "data"


def test_a_pool_is_made_as_declared(
    target: Target, pool: dict[str, Any], libvirtd: PrivateLibvirtd
) -> None:
    permissions = {"mode": "0770", "owner": 64055, "group": 108}
    made = converge(
        target, "storage_pool", {**pool, "permissions": permissions, "autostart": False}
    )
    status = outside(libvirtd, pool).stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o770, 64055, 108)
    assert "no" in target.virsh("pool-info", pool["name"]).split("Autostart:")[1]
    assert made["storage_pool"]["permissions"] == permissions
    assert made["storage_pool"]["uuid"] == target.pool(pool["name"]).findtext("uuid")


def test_a_pool_that_comes_again_is_the_same_pool(target: Target, pool: dict[str, Any]) -> None:
    first = converge(target, "storage_pool", pool)["storage_pool"]["uuid"]
    converge(target, "storage_pool", {**pool, "state": "absent"})
    assert converge(target, "storage_pool", pool)["storage_pool"]["uuid"] == first


def test_an_inactive_pool_is_only_defined(
    target: Target, pool: dict[str, Any], libvirtd: PrivateLibvirtd
) -> None:
    converge(target, "storage_pool", {**pool, "state": "inactive"})
    assert "inactive" in target.virsh("pool-info", pool["name"])
    assert not outside(libvirtd, pool).exists()


def test_present_leaves_alone_whether_a_pool_is_active(
    target: Target, pool: dict[str, Any], libvirtd: PrivateLibvirtd
) -> None:
    present = {**pool, "state": "present"}
    made = converge(target, "storage_pool", present)["storage_pool"]
    assert (made["state"], made["autostart"]) == ("inactive", False)
    assert not outside(libvirtd, pool).exists()
    converge(target, "storage_pool", pool)
    change = {**present, "permissions": {"mode": "0700"}, "apply": "restart"}
    assert converge(target, "storage_pool", change)["storage_pool"]["state"] == "active"
    target.virsh("pool-destroy", pool["name"])
    assert converge(target, "storage_pool", present)["changed"] is False


def test_a_pool_that_somebody_created_for_now_becomes_a_defined_one(
    target: Target, pool: dict[str, Any], libvirtd: PrivateLibvirtd
) -> None:
    outside(libvirtd, pool).mkdir()
    target.virsh("pool-create-as", pool["name"], "dir", "--target", pool["path"])
    converge(target, "storage_pool", {"name": pool["name"]})
    assert "Persistent:     yes" in target.virsh("pool-info", pool["name"])


def test_two_runs_that_make_one_pool(target: Target, pool: dict[str, Any]) -> None:
    with ThreadPoolExecutor() as threads:
        runs = [threads.submit(target.module_beside, "storage_pool", pool) for _time in range(2)]
        results = [run.result(timeout=600) for run in runs]
    assert [result.get("failed") for result in results] == [None, None], results
    assert "running" in target.virsh("pool-info", pool["name"])


# ---- a definition that exists


def test_a_change_waits_for_a_restart(
    target: Target, pool: dict[str, Any], libvirtd: PrivateLibvirtd
) -> None:
    converge(target, "storage_pool", {**pool, "permissions": {"mode": "0711"}})
    change = {"name": pool["name"], "permissions": {"mode": "0700"}}
    stored = converge(target, "storage_pool", change)
    assert [c["field"] for c in stored["pending_restart"]] == ["permissions.mode"]
    assert outside(libvirtd, pool).stat().st_mode & 0o777 == 0o711
    assert target.pool(pool["name"], "--inactive").findtext("target/permissions/mode") == "0700"
    restarted = converge(target, "storage_pool", {**change, "apply": "restart"})
    assert [c["class"] for c in restarted["plan"]] == ["restart"]
    assert restarted["pending_restart"] == []
    assert outside(libvirtd, pool).stat().st_mode & 0o777 == 0o700


def test_a_new_path_is_taken_up_by_a_restart_and_moves_nothing(
    target: Target, pool: dict[str, Any], libvirtd: PrivateLibvirtd
) -> None:
    converge(target, "storage_pool", pool)
    (outside(libvirtd, pool) / "stays").touch()
    moved = {**pool, "path": f"{pool['path']}-2", "apply": "restart"}
    converge(target, "storage_pool", moved)
    assert target.pool(pool["name"]).findtext("target/path") == moved["path"]
    assert target.volumes(pool["name"]) == {}
    assert (outside(libvirtd, pool) / "stays").exists()


def test_what_no_option_names_survives(
    target: Target, prefix: str, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    name = f"{prefix}pool"
    foreign = FOREIGN.format(name=name, path=images / "share")
    libvirtd.run(["virsh", "pool-define", "/dev/stdin"], stdin=foreign)
    source = {"host": "192.0.2.2", "path": "/vms", "protocol_version": "4.2"}
    converge(target, "storage_pool", {"name": name, "state": "inactive", "source": source})
    pool = target.pool(name)
    assert pool.find("source/host").get("name") == "192.0.2.2"
    assert len(pool.findall("source/host")) == 1
    assert pool.find("source/dir").get("path") == "/vms"
    assert pool.find("source/protocol").get("ver") == "4.2"
    assert pool.find("source/vendor").get("name") == "acme"
    assert pool.find("source/product").get("name") == "filer"
    assert pool.find("refresh/volume").get("allocation") == "capacity"
    assert "noatime" in target.virsh("pool-dumpxml", name)


@pytest.mark.parametrize("cow", ["yes", "no"])
def test_what_others_say_of_btrfs_stops_no_pool_on_another_file_system(
    target: Target, pool: dict[str, Any], libvirtd: PrivateLibvirtd, cow: str
) -> None:
    converge(target, "storage_pool", pool)
    text = target.virsh("pool-dumpxml", "--inactive", pool["name"])
    said = text.replace("<source>", f"<features><cow state='{cow}'/></features><source>")
    libvirtd.run(["virsh", "pool-define", "/dev/stdin"], stdin=said)
    change = {"permissions": {"mode": "0700"}, "path": f"{pool['path']}-2", "apply": "restart"}
    converge(target, "storage_pool", {**pool, **change})
    found = target.pool(pool["name"])
    assert found.findtext("target/path") == change["path"]
    assert found.find("features/cow").get("state") == cow
    assert libvirtd.outside(change["path"]).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "source",
    [
        {"type": "fs", "path": "/mnt", "source": {"device": "/dev/vdz1", "format": "xfs"}},
        {"type": "netfs", "path": "/mnt", "source": {"host": "192.0.2.1", "path": "/e"}},
        {"type": "logical", "source": {"name": "vg", "devices": [{"path": "/dev/vdx"}]}},
        {"type": "disk", "source": {"device": "/dev/vdy", "format": "gpt"}},
        {
            "type": "iscsi",
            "source": {
                "host": "192.0.2.1",
                "port": 3260,
                "device": "iqn.2026-01.com.example:target",
                "initiator": "iqn.2026-01.com.example:host",
                "auth": {"type": "chap", "username": "host", "secret": "iscsi-chap"},
            },
        },
        {"type": "scsi", "source": {"adapter": {"type": "scsi_host", "name": "scsi_host9"}}},
        {
            "type": "scsi",
            "source": {
                "adapter": {
                    "type": "fc_host",
                    "wwnn": "20000000c9831b4b",
                    "wwpn": "10000000c9831b4b",
                    "parent": "scsi_host8",
                    "managed": True,
                }
            },
        },
        {"type": "mpath"},
    ],
    ids=lambda source: source["type"],
)
def test_every_type_that_libvirt_has_here_is_defined(
    target: Target, prefix: str, source: dict[str, Any]
) -> None:
    name = f"{prefix}pool"
    converge(target, "storage_pool", {"name": name, "state": "inactive", **source})
    assert target.pool(name).get("type") == source["type"]
    converge(target, "storage_pool", {"name": name, "state": "absent"})


# ---- a file system


def test_a_file_system_is_made_and_mounted(
    target: Target, prefix: str, images: Path, device: str
) -> None:
    pool = {
        "name": f"{prefix}pool",
        "type": "fs",
        "path": f"{images}/mounted",
        "source": {"device": device, "format": "ext4"},
    }
    converge(target, "storage_pool", pool)
    assert target.run(["findmnt", "-n", "-o", "SOURCE,FSTYPE", pool["path"]]).split() == [
        device,
        "ext4",
    ]
    target.run(["touch", f"{pool['path']}/kept"])
    converge(target, "storage_pool", {**pool, "state": "absent"})
    converge(target, "storage_pool", pool)
    assert "kept" in target.volumes(pool["name"])
    converge(target, "storage_pool", {**pool, "state": "absent"})


def test_a_file_system_of_another_kind_is_not_overwritten(
    target: Target, prefix: str, images: Path, device: str
) -> None:
    target.run(["mkfs.ext4", "-q", "-L", "precious", device])
    pool = {
        "name": f"{prefix}pool",
        "type": "fs",
        "path": f"{images}/mounted",
        "source": {"device": device, "format": "xfs"},
    }
    failed = target.module("storage_pool", pool, False)
    assert failed["failed"] is True
    assert "did not start it" in failed["msg"]
    assert pool["name"] not in target.pools(), "a half-made definition was left"
    assert "precious" in target.run(["blkid", "-o", "value", "-s", "LABEL", device])


# ---- what is refused


MISTAKES: list[tuple[dict[str, Any], list[str]]] = [
    ({"type": None}, ["type: is needed"]),
    ({"path": None}, ["path: is needed"]),
    ({"path": "images"}, ["path: 'images' is not an absolute path"]),
    ({"permissions": {"mode": 755}}, ["permissions.mode: 755 is not a mode"]),
    ({"name": "a/b"}, ["name: 'a/b'"]),
    ({"type": "tape"}, ["tape"]),
    ({"colour": "red"}, ["colour"]),
    ({"source": {"name": "vg"}}, ["source.name: means nothing for a pool of type dir"]),
    (
        {"path": "x", "permissions": {"mode": "9"}, "source": {"host": "h", "format": "nfs"}},
        ["path:", "permissions.mode:", "source.host:", "source.format:"],
    ),
    (
        {"type": "netfs", "path": None, "source": {"format": "ext4", "path": "/e"}},
        ["source.format: 'ext4' is none of auto, nfs"],
    ),
    ({"type": "netfs", "path": None}, ["path:", "source.host:", "source.path:"]),
    ({"type": "scsi", "path": None}, ["source.adapter.type: is needed for a pool of type scsi"]),
    (
        {"type": "scsi", "path": None, "source": {"adapter": {"type": "fc_host", "name": "host3"}}},
        [
            "source.adapter.wwnn: is needed for an adapter of type fc_host",
            "source.adapter.wwpn: is needed for an adapter of type fc_host",
        ],
    ),
    (
        {"type": "scsi", "path": None, "source": {"adapter": {"type": "scsi_host"}}},
        ["source.adapter.name: is needed for an adapter of type scsi_host"],
    ),
]


def test_every_mistake_is_named(target: Target, pool: dict[str, Any]) -> None:
    with target.unchanged():
        for wrong, says in MISTAKES:
            given = {k: value for k, value in {**pool, **wrong}.items() if value is not None}
            errors = refused(target, "storage_pool", given)
            for words in says:
                assert any(words in error for error in errors), (wrong, errors)


def test_the_type_of_a_pool_cannot_change(target: Target, pool: dict[str, Any]) -> None:
    converge(target, "storage_pool", pool)
    with target.unchanged():
        [error] = refused(target, "storage_pool", {"name": pool["name"], "type": "mpath"})
    assert "is dir and cannot become mpath" in error


def test_two_pools_cannot_have_one_directory(target: Target, pool: dict[str, Any]) -> None:
    converge(target, "storage_pool", pool)
    with target.unchanged():
        [error] = refused(target, "storage_pool", {**pool, "name": f"{pool['name']}2"})
    assert f"is already that of pool {pool['name']}" in error


def test_no_libvirtd_is_a_clear_error() -> None:
    done = run_module("storage_pool", {"name": "x", "uri": "qemu+unix:///system?socket=/nowhere"})
    assert done["failed"] is True
    assert "cannot connect to libvirt at qemu+unix" in done["msg"]


# ---- other drivers


def test_the_test_driver_has_pools_too(tmp_path: Path) -> None:
    pool = {"name": "fleet", "type": "dir", "path": str(tmp_path), "uri": "test:///default"}
    done = run_module("storage_pool", pool)
    assert (done["changed"], done["storage_pool"]["state"]) == (True, "active")


# ---- information


def test_information_tells_what_virsh_tells(target: Target, pool: dict[str, Any]) -> None:
    converge(target, "storage_pool", pool)
    [told] = target.module("storage_info", {"pools": [pool["name"]]}, False)["pools"]
    assert (told["state"], told["type"], told["path"]) == ("active", "dir", pool["path"])
    dumped = target.pool(pool["name"])
    assert told["capacity_bytes"] == int(dumped.findtext("capacity") or 0)
    [absent] = target.module("storage_info", {"pools": ["nowhere"]}, True)["pools"]
    assert absent == {"name": "nowhere", "state": "absent"}


# ---- secrets


@pytest.mark.parametrize("secret", ["usage", "uuid"])
def test_a_secret_that_does_not_exist_is_told_before_anything_is_made(
    target: Target, prefix: str, secret: str, libvirtd: PrivateLibvirtd
) -> None:
    name = f"{prefix}pool"
    auth = {"type": "chap", "username": "me", "secret": f"{prefix}secret"}
    source = {"host": "192.0.2.7", "device": "iqn.2026-01.com.example:x", "auth": auth}
    pool = {"name": name, "type": "iscsi", "source": source}
    if secret == "uuid":
        xml = UUID_POOL.format(name=name)
        libvirtd.run(["virsh", "pool-define", "/dev/stdin"], stdin=xml)
        pool = {"name": name}
    before = target.pools()
    [error] = refused(target, "storage_pool", pool)
    assert "does not exist; declare it (secrets of host_config, or the module secret)" in error
    assert target.pools() == before
    warned = target.module("storage_pool", pool, True)
    assert "does not exist yet" in str(warned["warnings"])


UUID_POOL = """
<pool type='iscsi'>
  <name>{name}</name>
  <source>
    <host name='192.0.2.7'/>
    <device path='iqn.2026-01.com.example:x'/>
    <auth type='chap' username='me'>
      <secret uuid='2ec115d7-3a88-3ceb-bc12-0ac909a6fd87'/>
    </auth>
  </source>
  <target><path>/dev/disk/by-path</path></target>
</pool>
"""


def test_an_inactive_pool_may_wait_for_its_secret(target: Target, prefix: str) -> None:
    auth = {"type": "chap", "username": "me", "secret": f"{prefix}secret"}
    source = {"host": "192.0.2.7", "device": "iqn.2026-01.com.example:x", "auth": auth}
    pool = {"name": f"{prefix}pool", "type": "iscsi", "state": "inactive", "source": source}
    assert "does not exist yet" in str(converge(target, "storage_pool", pool)["warnings"])
