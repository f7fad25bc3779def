"""The module storage_volume on a real libvirtd, seen by virsh, qemu-img and the file system."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.ansible_runs import run_module
from support.module_process import kill_module, signal_module, start_module
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd, wait_until
from support.sealed import make_sealed
from support.storage import Target, converge, on_libvirtd, refused

MIB, GIB = 2**20, 2**30

# A VM that needs no system: it is started paused, and QEMU has its disk open.
VM = """
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>
"""


@pytest.fixture
def target(libvirtd: PrivateLibvirtd, modules: ModuleServer) -> Target:
    return on_libvirtd(libvirtd, modules)


@pytest.fixture
def pool(target: Target, prefix: str, images: Path) -> str:
    """The name of an active, empty pool of files, which is the folder `images`."""
    name = f"{prefix}pool"
    target.virsh("pool-define-as", name, "dir", "--target", str(images))
    target.virsh("pool-start", name)
    return name


@pytest.fixture
def qcow2(tmp_path: Path) -> Path:
    """An image of 1 GiB with 1 MiB of data in its middle."""
    path = tmp_path / "image.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1G"], check=True)
    subprocess.run(["qemu-io", "-c", "write -P 7 512M 1M", path], check=True, capture_output=True)
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A raw image of 8 MiB, with data at its beginning and a hole to its end."""
    path = tmp_path / "image.raw"
    path.write_bytes(b"fleet" * 1000)
    os.truncate(path, 8 * MIB)
    return path


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A raw image whose upload or copy takes long enough to be interrupted."""
    path = tmp_path / "big.raw"
    block = os.urandom(MIB)
    with path.open("wb") as file:
        for _time in range(768):
            file.write(block)
    return path


def sha256(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def outside(libvirtd: PrivateLibvirtd, images: Path, name: str) -> Path:
    return libvirtd.outside(images / name)


def same_data(one: Path, other: Path) -> bool:
    argv = ["qemu-img", "compare", "-U", str(one), str(other)]
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


# ---- made empty


@pytest.mark.parametrize(
    ("options", "form", "size", "allocated"),
    [
        ({"capacity": "2GiB"}, "qcow2", 2 * GIB, range(MIB)),
        ({"capacity": "8MiB", "format": "raw"}, "raw", 8 * MIB, range(64 * 1024)),
        ({"capacity": "8MiB", "provisioning": "thick"}, "qcow2", 8 * MIB, range(8 * MIB, 9 * MIB)),
        (
            {"capacity": "8MiB", "format": "raw", "provisioning": "thick"},
            "raw",
            8 * MIB,
            range(8 * MIB, 9 * MIB),
        ),
    ],
)
def test_a_volume_is_made_empty(
    target: Target, pool: str, options: dict[str, Any], form: str, size: int, allocated: range
) -> None:
    converge(target, "storage_volume", {"pool": pool, "name": "one", **options})
    image = target.image(target.volumes(pool)["one"])
    assert (image["format"], image["virtual-size"]) == (form, size)
    assert image["actual-size"] in allocated
    if form == "qcow2":
        assert image["format-specific"]["data"]["compat"] == "1.1"


LAYOUT = {"cluster_size": "128KiB", "lazy_refcounts": True, "extended_l2": True}


def test_a_volume_is_laid_out_as_said_and_a_copy_as_the_other(
    target: Target, pool: str, images: Path
) -> None:
    """So it is known where the pool was stopped, and where libvirt has looked at it anew."""
    one = {"pool": pool, "name": "one", "capacity": "8MiB", **LAYOUT}
    copy = {"pool": pool, "name": "two", "copy_of": {"volume": "one"}}
    for volume in (one, copy):
        made = converge(target, "storage_volume", volume)["storage_volume"]
        assert {name: made[name] for name in LAYOUT} == LAYOUT
        assert layout_of(target, images / volume["name"]) == (128 * 1024, True, True)
    target.virsh("pool-refresh", pool)
    assert target.module("storage_volume", one, False)["changed"] is False
    target.virsh("pool-destroy", pool)
    folder = {"name": pool, "type": "dir", "path": str(images)}
    there = {"storage_pools": [folder], "storage_volumes": [one]}
    assert [change["field"] for change in converge(target, "host_config", there)["plan"]] == [
        "state"
    ]
    [told] = [
        volume
        for volume in target.module("export", {"volumes": "all"}, False)["declarations"][
            "storage_volumes"
        ]
        if (volume["pool"], volume["name"]) == (pool, "one")
    ]
    assert told == {**one, "format": "qcow2"}


def test_how_an_image_is_laid_out_is_told_before_it_is_made(
    target: Target, pool: str, tmp_path: Path, qcow2: Path, images: Path
) -> None:
    """And what is copied from it in the same run is laid out like it."""
    divided = tmp_path / "divided.qcow2"
    said = "cluster_size=128k,lazy_refcounts=on,extended_l2=on"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-o", said, divided, "8M"], check=True
    )
    one = {"pool": pool, "name": "one", "image": str(divided)}
    two = {"pool": pool, "name": "two", "copy_of": {"volume": "one"}}
    usual = {"pool": pool, "name": "usual", "image": str(qcow2)}
    told = target.module("storage_volume", one, True)["storage_volume"]
    assert {name: told[name] for name in LAYOUT} == LAYOUT
    assert target.module("storage_volume", usual, True)["storage_volume"]["cluster_size"] == "64KiB"
    done = converge(target, "host_config", {"storage_volumes": [two, one, usual]})
    shown = [row["resource"] for row in done["plan"] if row["field"] == "cluster_size"]
    assert shown == [f"storage_volume/{pool}/{name}" for name in ("one", "two")]
    for name in ("one", "two"):
        assert layout_of(target, images / name) == (128 * 1024, True, True)
    assert target.module("storage_volume", one, False)["storage_volume"]["cluster_size"] == "128KiB"


def layout_of(target: Target, path: Path) -> tuple[int, bool, bool]:
    image = target.image(str(path))
    more = image["format-specific"]["data"]
    return image["cluster-size"], more["lazy-refcounts"], more["extended-l2"]


def test_a_volume_is_allocated_as_said(
    target: Target, pool: str, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    """Metadata of 64 MiB in clusters of 512 bytes is more than a MiB; a thin one has none of it."""
    volume = {"pool": pool, "capacity": "64MiB", "cluster_size": "512B"}
    taken = {}
    for kind in ("off", "metadata", "falloc"):
        converge(target, "storage_volume", {**volume, "name": kind, "preallocation": kind})
        taken[kind] = outside(libvirtd, images, kind).stat().st_blocks * 512
    assert taken["off"] < MIB < taken["metadata"] < 32 * MIB < 64 * MIB <= taken["falloc"]


@pytest.mark.parametrize("compat", ["0.10", "1.1"])
def test_lazy_refcounts_are_turned_on_as_the_error_says(
    target: Target, pool: str, images: Path, compat: str
) -> None:
    path = str(images / "one")
    target.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"compat={compat}", path, "1M"])
    volume = {"pool": pool, "name": "one", "lazy_refcounts": True}
    [error] = refused(target, "storage_volume", volume)
    assert ("has compat 0.10" in error) == (compat == "0.10")
    amend, _and, refresh = error.partition("run ")[2].partition(" and ")
    for command in (amend, refresh):
        target.run(command.split())
    assert target.module("storage_volume", volume, False)["changed"] is False
    assert layout_of(target, images / "one") == (64 * 1024, True, False)


def test_a_volume_goes(target: Target, pool: str) -> None:
    volume = {"pool": pool, "name": "one", "capacity": "1MiB"}
    converge(target, "storage_volume", volume)
    converge(target, "storage_volume", {"pool": pool, "name": "one", "state": "absent"})
    assert target.volumes(pool) == {}


def test_a_file_that_came_after_the_last_look_is_seen(
    target: Target, pool: str, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    target.run(["qemu-img", "create", "-q", "-f", "qcow2", str(images / "one"), "1M"])
    done = target.module("storage_volume", {"pool": pool, "name": "one", "capacity": "1MiB"}, False)
    assert done["changed"] is False


def test_a_file_that_went_is_made_again(
    target: Target, pool: str, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    volume = {"pool": pool, "name": "one", "capacity": "1MiB"}
    converge(target, "storage_volume", volume)
    outside(libvirtd, images, "one").unlink()
    assert target.module("storage_volume", volume, False)["changed"] is True
    assert outside(libvirtd, images, "one").exists()


# ---- made from something


def test_an_image_is_uploaded(
    target: Target, pool: str, qcow2: Path, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    volume = {"pool": pool, "name": "one", "image": str(qcow2), "checksum": sha256(qcow2)}
    converge(target, "storage_volume", volume)
    copy = outside(libvirtd, images, "one")
    assert copy.read_bytes() == qcow2.read_bytes()
    assert copy.stat().st_blocks * 512 < 2 * MIB
    qcow2.unlink()  # counts no more once the volume is there
    assert target.module("storage_volume", volume, False)["changed"] is False


def test_an_uploaded_image_grows_to_the_wanted_capacity(
    target: Target, pool: str, qcow2: Path, raw: Path, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    for image, capacity in ((qcow2, 3 * GIB), (raw, 64 * MIB)):
        name = image.name
        volume = {"pool": pool, "name": name, "image": str(image), "capacity": f"{capacity}B"}
        converge(target, "storage_volume", volume)
        assert target.image(str(images / name))["virtual-size"] == capacity
    assert outside(libvirtd, images, raw.name).read_bytes()[: 8 * MIB] == raw.read_bytes()


def test_a_volume_is_copied(
    target: Target, pool: str, qcow2: Path, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    converge(target, "storage_volume", {"pool": pool, "name": "one", "image": str(qcow2)})
    for name, options in {"same": {}, "raw": {"format": "raw"}}.items():
        copy = {"pool": pool, "name": name, "copy_of": {"volume": "one"}, **options}
        converge(target, "storage_volume", copy)
        assert same_data(qcow2, outside(libvirtd, images, name))
        assert "backing-filename" not in target.image(str(images / name))
    larger = {"pool": pool, "name": "larger", "copy_of": {"volume": "one"}, "capacity": "2GiB"}
    converge(target, "storage_volume", larger)
    assert target.image(str(images / "larger"))["virtual-size"] == 2 * GIB


def test_a_linked_clone_stands_on_a_volume_or_a_file(
    target: Target, pool: str, qcow2: Path, raw: Path, images: Path
) -> None:
    converge(target, "storage_volume", {"pool": pool, "name": "one", "image": str(qcow2)})
    for backing, path, form, size in (
        ({"volume": "one"}, images / "one", "qcow2", GIB),
        ({"file": str(raw)}, raw, "raw", 8 * MIB),
    ):
        clone = {"pool": pool, "name": f"on-{form}", "backing": backing}
        made = converge(target, "storage_volume", clone)["storage_volume"]
        image = target.image(str(images / f"on-{form}"))
        assert (image["backing-filename"], image["backing-filename-format"]) == (str(path), form)
        assert image["virtual-size"] == size
        assert made["backing"] == {"file": str(path)}


def test_volumes_of_a_pool_that_is_stopped_are_known(
    target: Target, pool: str, images: Path
) -> None:
    folder = {"name": pool, "type": "dir", "path": str(images)}
    small = {"pool": pool, "name": "small", "capacity": "8MiB", "format": "raw"}
    clone = {"pool": pool, "name": "clone", "backing": {"volume": "base"}}
    base = {"pool": pool, "name": "base", "capacity": "8MiB"}
    new = {"pool": pool, "name": "new", "capacity": "1MiB"}
    there = {"storage_pools": [folder], "storage_volumes": [small, base, clone]}
    converge(target, "host_config", there)
    target.virsh("pool-destroy", pool)
    done = converge(target, "host_config", there)
    assert [change["field"] for change in done["plan"]] == ["state"]
    target.virsh("pool-destroy", pool)
    grown = {**there, "storage_volumes": [{**small, "capacity": "12MiB"}, base, clone, new]}
    done = converge(target, "host_config", grown)
    [change] = [one for one in done["plan"] if one["resource"].endswith("/small")]
    assert (change["field"], change["before"], change["after"]) == ("capacity", "8MiB", "12MiB")
    assert target.image(target.volumes(pool)["small"])["virtual-size"] == 12 * MIB


def test_a_volume_of_a_pool_that_is_stopped_does_not_go_in_silence(
    target: Target, pool: str, images: Path
) -> None:
    converge(target, "storage_volume", {"pool": pool, "name": "one", "capacity": "1MiB"})
    target.virsh("pool-destroy", pool)
    goes = {"pool": pool, "name": "one", "state": "absent"}
    [error] = refused(target, "storage_volume", goes)
    assert f"pool {pool} is not active" in error
    folder = {"name": pool, "type": "dir", "path": str(images)}
    converge(target, "host_config", {"storage_pools": [folder], "storage_volumes": [goes]})
    assert target.volumes(pool) == {}


def test_what_clones_stand_on_cannot_go(target: Target, pool: str) -> None:
    converge(target, "storage_volume", {"pool": pool, "name": "one", "capacity": "1MiB"})
    converge(target, "storage_volume", {"pool": pool, "name": "two", "backing": {"volume": "one"}})
    [error] = refused(target, "storage_volume", {"pool": pool, "name": "one", "state": "absent"})
    assert f"{pool}/two stands on" in error


# ---- grown


@pytest.mark.parametrize("form", ["qcow2", "raw"])
def test_a_volume_grows_in_place(target: Target, pool: str, form: str) -> None:
    volume = {"pool": pool, "name": "one", "capacity": "1MiB", "format": form}
    converge(target, "storage_volume", volume)
    done = converge(target, "storage_volume", {**volume, "capacity": "5MiB"})
    assert [(c["field"], c["before"], c["after"], c["class"]) for c in done["plan"]] == [
        ("capacity", "1MiB", "5MiB", "live")
    ]
    assert target.image(target.volumes(pool)["one"])["virtual-size"] == 5 * MIB


def test_a_volume_grows_under_a_running_vm(
    target: Target, pool: str, prefix: str, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    volume = {"pool": pool, "name": "one", "capacity": "16MiB"}
    converge(target, "storage_volume", volume)
    vm = VM.format(name=f"{prefix}vm", path=images / "one")
    libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=vm)
    target.virsh("start", "--paused", f"{prefix}vm")
    converge(target, "storage_volume", {**volume, "capacity": "32MiB"})
    assert f"{32 * MIB}" in target.virsh("domblkinfo", f"{prefix}vm", "vda").splitlines()[0]
    assert target.image(str(images / "one"))["virtual-size"] == 32 * MIB
    told = target.module("storage_info", {"pools": [pool], "volumes": True}, False)["pools"][0]
    assert [volume["used_by"] for volume in told["volumes"]] == [[f"{prefix}vm"]]
    with target.unchanged():
        [error] = refused(target, "storage_volume", {**volume, "state": "absent"})
        assert f"is used by {prefix}vm" in error
        [error] = refused(target, "storage_pool", {"name": pool, "state": "absent"})
        assert f"is used by {prefix}vm" in error
    target.virsh("destroy", f"{prefix}vm")
    converge(target, "storage_pool", {"name": pool, "state": "absent"})


# ---- shrunk, given to others, wiped


@pytest.mark.parametrize("form", ["qcow2", "raw"])
def test_a_volume_shrinks_where_that_is_said_twice_and_nobody_has_it(
    target: Target, pool: str, prefix: str, images: Path, libvirtd: PrivateLibvirtd, form: str
) -> None:
    volume = {"pool": pool, "name": "one", "capacity": "32MiB", "format": form}
    converge(target, "storage_volume", volume)
    smaller = {**volume, "capacity": "16MiB"}
    [error] = refused(target, "storage_volume", smaller)
    assert "would shrink to 16MiB" in error and "say shrink: true" in error
    vm = VM.format(name=f"{prefix}vm", path=images / "one").replace("'qcow2'", f"'{form}'")
    libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=vm)
    target.virsh("start", "--paused", f"{prefix}vm")
    with target.unchanged():
        [error] = refused(target, "storage_volume", {**smaller, "shrink": True})
        assert f"cannot shrink below vm/{prefix}vm (which is paused)" in error
    target.virsh("destroy", f"{prefix}vm")
    done = converge(target, "storage_volume", {**smaller, "shrink": True})
    assert [row["note"] for row in done["plan"]] == ["it shrinks, and what is beyond 16MiB is lost"]
    assert target.image(target.volumes(pool)["one"])["virtual-size"] == 16 * MIB
    converge(target, "storage_volume", {**volume, "shrink": True})


def test_a_snapshot_inside_of_what_shrinks_stays_whole(
    target: Target, pool: str, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    """It has the size that the volume had. Of the oldest version of the format QEMU has no way."""
    volume = {"pool": pool, "name": "one", "capacity": "8MiB"}
    smaller = {**volume, "capacity": "4MiB", "shrink": True}
    converge(target, "storage_volume", volume)
    image = str(outside(libvirtd, images, "one"))
    io = ["qemu-io", "-f", "qcow2", "-c"]
    run = partial(subprocess.run, check=True, capture_output=True)
    run([*io, "write -P 5 6M 1M", image])
    run(["qemu-img", "snapshot", "-c", "before", image])
    converge(target, "storage_volume", smaller)
    assert target.image(str(images / "one"))["virtual-size"] == 4 * MIB
    run(["qemu-img", "snapshot", "-a", "before", image])
    assert b"Pattern verification failed" not in run([*io, "read -P 5 6M 1M", image]).stdout
    assert target.image(str(images / "one"))["virtual-size"] == 8 * MIB
    target.virsh("vol-delete", "--pool", pool, "one")
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", "compat=0.10", image, "8M"])
    run(["qemu-img", "snapshot", "-c", "before", image])
    target.virsh("pool-refresh", pool)
    for size, verb in (("4MiB", "shrink"), ("16MiB", "grow")):
        other = {**volume, "capacity": size, "shrink": True}
        [error] = refused(target, "storage_volume", other)
        assert "has snapshots in it and compat 0.10" in error
        assert f"and cannot {verb} to {size}" in error
    run(["qemu-img", "amend", "-f", "qcow2", "-o", "compat=1.1", image])  # as the error says
    target.virsh("pool-refresh", pool)
    converge(target, "storage_volume", smaller)


def test_what_a_clone_stands_on_does_not_shrink(target: Target, pool: str) -> None:
    converge(target, "storage_volume", {"pool": pool, "name": "one", "capacity": "8MiB"})
    converge(target, "storage_volume", {"pool": pool, "name": "two", "backing": {"volume": "one"}})
    smaller = {"pool": pool, "name": "one", "capacity": "4MiB", "shrink": True}
    with target.unchanged():
        [error] = refused(target, "storage_volume", smaller)
        assert f"storage_volume/{pool}/two" in error


def owned(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mode & 0o777, found.st_uid, found.st_gid


def test_a_file_is_whose_it_is_to_be(
    target: Target, pool: str, prefix: str, images: Path, libvirtd: PrivateLibvirtd, qcow2: Path
) -> None:
    """When it is made, on one that is there, and as long as a VM runs on it but for its mode."""
    file = outside(libvirtd, images, "one")
    volume = {"pool": pool, "name": "one", "image": str(qcow2)}
    converge(
        target,
        "storage_volume",
        {**volume, "permissions": {"mode": "0640", "owner": 7, "group": 8}},
    )
    assert owned(file) == (0o640, 7, 8)
    done = converge(
        target, "storage_volume", {**volume, "permissions": {"mode": "0660", "group": 9}}
    )
    assert [(row["field"], row["before"], row["after"]) for row in done["plan"]] == [
        ("permissions.mode", "0640", "0660"),
        ("permissions.group", 8, 9),
    ]
    assert owned(file) == (0o660, 7, 9)
    assert done["storage_volume"]["permissions"] == {"mode": "0660", "owner": 7, "group": 9}
    vm = VM.format(name=f"{prefix}vm", path=images / "one")
    libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=vm)
    target.virsh("start", "--paused", f"{prefix}vm")
    owner = owned(file)[1]
    said = {"mode": "0640", "owner": 7 if owner != 7 else 6}
    done = converge(target, "storage_volume", {**volume, "permissions": said})
    assert [row["field"] for row in done["plan"]] == ["permissions.mode"]
    assert owned(file)[:2] == (0o640, owner)
    target.virsh("destroy", f"{prefix}vm")
    converge(target, "storage_volume", {**volume, "permissions": said})
    assert owned(file)[:2] == (0o640, said["owner"])


def test_a_volume_is_wiped_before_it_goes(
    target: Target, pool: str, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    """Seen by another name of its file."""
    file = outside(libvirtd, images, "one")
    volume = {"pool": pool, "name": "one", "capacity": "1MiB", "format": "raw"}
    converge(target, "storage_volume", {**volume, "provisioning": "thick"})
    file.write_bytes(b"fleet" * 1000 + bytes(MIB - 5000))
    kept = file.with_name("kept")
    os.link(file, kept)
    gone = {"pool": pool, "name": "one", "state": "absent", "wipe": True}
    done = converge(target, "storage_volume", gone)
    [row] = [row for row in done["plan"] if row["field"] == "state"]
    assert row["note"].startswith("wiped before it goes (zero); of a sparse file libvirt frees")
    assert not file.exists() and kept.read_bytes() == bytes(MIB)
    assert target.module("storage_volume", gone, False)["changed"] is False


SCRUB = Path("/usr/bin/scrub")
BY_SCRUB = ("nnsa", "dod", "bsi", "gutmann", "schneier", "pfitzner7", "pfitzner33", "random")


@pytest.mark.skipif(not SCRUB.exists(), reason="scrub is not here")
@pytest.mark.parametrize("algorithm", BY_SCRUB)
def test_a_volume_is_wiped_by_scrub(
    target: Target, pool: str, images: Path, libvirtd: PrivateLibvirtd, algorithm: str
) -> None:
    file = outside(libvirtd, images, "one")
    converge(target, "storage_volume", {"pool": pool, "name": "one", "capacity": "1MiB"})
    kept, before = file.with_name("kept"), file.read_bytes()
    os.link(file, kept)
    gone = {"pool": pool, "name": "one", "state": "absent", "wipe": True}
    converge(target, "storage_volume", {**gone, "wipe_algorithm": algorithm})
    assert not file.exists() and kept.read_bytes() != before


@pytest.mark.skipif(SCRUB.exists(), reason="scrub is here")
def test_what_wipes_in_another_way_has_to_be_there(target: Target, pool: str) -> None:
    converge(target, "storage_volume", {"pool": pool, "name": "one", "capacity": "1MiB"})
    gone = {"pool": pool, "name": "one", "state": "absent", "wipe": True}
    with target.unchanged():
        [error] = refused(target, "storage_volume", {**gone, "wipe_algorithm": "random"})
        assert "random is done by /usr/bin/scrub, which is not there" in error


# ---- refused


def refusals(qcow2: Path, raw: Path) -> list[tuple[dict[str, Any], list[str]]]:
    wrong = f"sha256:{'0' * 64}"
    unpacked = raw.with_suffix(".gz")
    unpacked.write_bytes(b"\x1f\x8b" + b"\0" * 600)
    overlay = raw.with_suffix(".overlay")
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", raw, overlay], check=True
    )
    broken = raw.with_suffix(".broken")
    broken.write_bytes(b"QFI\xfb\0\0\0\x03")
    cut = raw.with_suffix(".cut")
    cut.write_bytes(qcow2.read_bytes()[:66_000])
    image = {"image": str(qcow2)}
    return [
        ({}, ["capacity: is needed"]),
        ({"capacity": "10"}, ["capacity: 10 has no unit; write 10MiB or 10GiB"]),
        ({"capacity": "10GB"}, ["capacity: the unit of 10GB"]),
        ({"capacity": "1000B"}, ["capacity: 1000B is no multiple of 1KiB"]),
        ({"capacity": "1GiB", "name": "a/b"}, ["name: 'a/b'"]),
        ({"capacity": "1GiB", "name": ".a.partial"}, ["name: .a.partial is a name that marks"]),
        ({"capacity": "1GiB", "pool": "nowhere"}, ["pool: there is no pool nowhere"]),
        ({"capacity": "1GiB", "format": "vmdk"}, ["vmdk"]),
        ({"image": "/nowhere"}, ["image: cannot read /nowhere: No such file"]),
        ({**image, "checksum": wrong}, [f"not {wrong}"]),
        ({**image, "checksum": "md5:1"}, ["checksum: md5:1 is none"]),
        ({"checksum": wrong, "capacity": "1GiB"}, ["checksum: is that of an image"]),
        ({**image, "format": "raw"}, ["is qcow2, not raw"]),
        ({"image": str(raw), "format": "qcow2"}, ["is raw, not qcow2"]),
        ({"image": str(unpacked)}, ["is gzip, not qcow2"]),
        ({"image": str(overlay)}, [f"is not whole, it stands on {raw}"]),
        ({"image": str(broken)}, ["its qcow2 header is broken"]),
        ({"image": str(cut)}, [f"image: {cut} is cut off: it has 66000 bytes"]),
        ({"backing": {"file": str(cut)}}, [f"backing.file: {cut} is cut off: it has"]),
        ({**image, "capacity": "512MiB"}, ["capacity: 512MiB is less than the 1GiB of"]),
        ({**image, "provisioning": "thick"}, ["provisioning: thick is for"]),
        ({**image, "copy_of": {"volume": "x"}}, ["copy_of and image exclude each other"]),
        ({"copy_of": {"volume": "none"}}, ["copy_of: there is no volume"]),
        ({"backing": {"volume": "none"}}, ["backing: there is no volume"]),
        ({"backing": {}}, ["backing: needs a volume or a file"]),
        ({"backing": {"volume": "a", "file": "/b"}}, ["backing: needs a volume or a file"]),
        ({"backing": {"file": str(qcow2), "format": "raw"}}, ["which is qcow2"]),
        ({"backing": {"file": str(qcow2)}, "format": "raw"}, ["format: raw has no backing"]),
        (
            {"image": "/nowhere", "checksum": wrong, "pool": "nowhere"},
            ["there is no pool", "cannot read"],
        ),
    ]


def test_every_mistake_is_named(target: Target, pool: str, qcow2: Path, raw: Path) -> None:
    with target.unchanged():
        for options, says in refusals(qcow2, raw):
            errors = refused(target, "storage_volume", {"pool": pool, "name": "one", **options})
            for words in says:
                assert any(words in error for error in errors), (options, errors)


def test_what_a_volume_is_cannot_change(target: Target, pool: str) -> None:
    volume = {"pool": pool, "name": "one", "capacity": "10MiB"}
    converge(target, "storage_volume", volume)
    converge(target, "storage_volume", {**volume, "name": "two"})
    errors = refused(
        target,
        "storage_volume",
        {**volume, "capacity": "5MiB", "backing": {"volume": "two"}, "format": "qcow2"},
    )
    assert any("has 10MiB and would shrink to 5MiB" in error for error in errors)
    assert any("is no linked clone" in error for error in errors)
    [error] = refused(target, "storage_volume", {**volume, "format": "raw"})
    assert "is qcow2 and cannot become raw" in error


def test_what_nothing_can_grow_is_refused_in_the_plan(
    target: Target, pool: str, images: Path, tmp_path: Path
) -> None:
    """Volumes that others made, of a format that QEMU cannot resize, and what is a folder."""
    target.run(["qemu-img", "create", "-q", "-f", "vmdk", str(images / "disk.vmdk"), "10M"])
    target.run(["mkdir", str(images / "folder")])
    make_sealed(tmp_path / "luks", "luks", "word")
    target.run(["cp", str(tmp_path / "luks"), str(images / "luks")])
    kinds = {"disk.vmdk": "is vmdk", "folder": "is a folder", "luks": "is encrypted"}
    for name, why in kinds.items():
        [error] = refused(
            target, "storage_volume", {"pool": pool, "name": name, "capacity": "20MiB"}
        )
        assert f"{why}" in error and "cannot grow to 20MiB" in error
    for origin in ({"copy_of": {"volume": "folder"}}, {"backing": {"volume": "folder"}}):
        [error] = refused(target, "storage_volume", {"pool": pool, "name": "new", **origin})
        assert "/folder is a folder; name a volume with a disk in it" in error


def test_what_a_volume_stands_on_has_to_be_there(
    target: Target, pool: str, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    """QEMU opens all of it, to make it larger as well as to copy it or to put another on top."""
    converge(target, "storage_volume", {"pool": pool, "name": "base", "capacity": "8MiB"})
    converge(target, "storage_volume", {"pool": pool, "name": "one", "backing": {"volume": "base"}})
    outside(libvirtd, images, "base").unlink()
    target.virsh("pool-refresh", pool)
    new, gone = {"pool": pool, "name": "two"}, f"needs {images}/base, which is not there"
    for declared in (
        {"pool": pool, "name": "one", "capacity": "12MiB"},
        {**new, "copy_of": {"volume": "one"}},
        {**new, "backing": {"volume": "one"}},
        {**new, "backing": {"file": f"{images}/one"}},
    ):
        [error] = refused(target, "storage_volume", declared)
        assert gone in error


def test_what_a_volume_takes_it_keeps(target: Target, pool: str) -> None:
    """libvirt sets no capacity below that."""
    full = {"pool": pool, "name": "one", "capacity": "8MiB", "preallocation": "falloc"}
    converge(target, "storage_volume", full)
    less = {"pool": pool, "name": "one", "capacity": "4MiB", "shrink": True}
    [error] = refused(target, "storage_volume", less)
    assert "below which libvirt sets no capacity" in error and "cannot shrink to 4MiB" in error


def test_a_size_of_others_is_taken_as_it_is(target: Target, pool: str, images: Path) -> None:
    """libvirt tells it to the byte, and sets whole KiB."""
    target.run(["truncate", "-s", "1000001", str(images / "odd")])
    target.run(["touch", str(images / "none")])
    target.virsh("pool-refresh", pool)
    none = {"pool": pool, "name": "none", "capacity": "0B"}
    assert not target.module("storage_volume", none, False)["changed"]
    odd = {"pool": pool, "name": "odd", "capacity": "1000001B"}
    assert not target.module("storage_volume", odd, False)["changed"]
    converge(target, "storage_volume", {**odd, "capacity": "977KiB"})
    new = {**odd, "name": "new"}
    for declared in (new, {**new, "capacity": "0B"}, {**odd, "capacity": "1000449B"}):
        [error] = refused(target, "storage_volume", declared)
        assert "is no multiple of 1KiB above zero, by which libvirt counts" in error


def test_what_is_made_from_an_odd_size_is_as_large_as_the_plan_says(
    target: Target, pool: str, images: Path
) -> None:
    """qemu-img writes a qcow2 of whole sectors, and libvirt hands it whole KiB for a clone."""
    target.run(["truncate", "-s", "1000001", str(images / "odd")])
    target.virsh("pool-refresh", pool)
    made = {
        "clone": ({"backing": {"volume": "odd"}}, "977KiB", 1000448),
        "copy": ({"copy_of": {"volume": "odd"}}, "977KiB", 1000448),
        "raw": ({"copy_of": {"volume": "odd"}, "format": "raw"}, "1000001B", 1000001),
    }
    for name, (options, said, size) in made.items():
        done = target.module("storage_volume", {"pool": pool, "name": name, **options}, False)
        assert [one["after"] for one in done["plan"] if one["field"] == "capacity"] == [said]
        assert f">{size}</capacity>" in target.virsh("vol-dumpxml", name, pool)


def test_what_qemu_does_not_read_is_neither_copied_nor_stood_on(
    target: Target, pool: str, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    """libvirt knows the image of User-mode Linux by its content, and qemu-img does not."""
    outside(libvirtd, images, "old").write_bytes(b"OOOM\0\0\0\x02" + bytes(4096))
    target.virsh("pool-refresh", pool)
    for option in ("copy_of", "backing"):
        declared = {"pool": pool, "name": "new", option: {"volume": "old"}}
        [error] = refused(target, "storage_volume", declared)
        assert f"{option}: {pool}/old is cow, which QEMU does not read; convert it first" in error


def test_a_volume_that_is_not_there_yet_is_told_of_in_check_mode(target: Target, pool: str) -> None:
    declared = {"pool": pool, "name": "new", "copy_of": {"volume": "gone"}}
    planned = target.module("storage_volume", declared, True)
    assert f"there is no volume {pool}/gone; taken to be what an earlier" in str(
        planned["warnings"]
    )


def test_what_libvirt_cannot_tell_is_in_nobodys_way(
    target: Target, pool: str, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    """A QED on top of another image, and a file whose name is no text."""
    base, odd = outside(libvirtd, images, "base"), outside(libvirtd, images, "odd")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "1M"], check=True)
    on_base = ["-o", "backing_file=base,backing_fmt=qcow2"]
    create = ["qemu-img", "create", "-q", "-f", "qed", *on_base, odd.name, "1M"]
    subprocess.run(create, check=True, cwd=odd.parent)
    target.virsh("pool-refresh", pool)
    volume = {"pool": pool, "name": "odd"}
    for declared in ({"capacity": "1MiB"}, {"state": "absent"}):
        [error] = refused(target, "storage_volume", {**volume, **declared})
        assert "is there, and libvirt does not tell what it is (unknown storage file" in error
    assert odd.exists()
    no_text = Path(os.fsdecode(bytes(odd.parent) + b"/\xff"))
    no_text.touch()
    target.virsh("pool-refresh", pool)
    told = target.module("storage_info", {"pools": [pool], "volumes": True}, False)
    no_text.unlink()
    states = {one["name"]: one["state"] for one in told["pools"][0]["volumes"]}
    assert states == {"base": "present", "odd": "unreadable"}


def test_a_folder_goes_only_if_nothing_is_in_it(target: Target, pool: str, images: Path) -> None:
    target.run(["mkdir", str(images / "folder")])
    target.run(["touch", str(images / "folder" / "kept")])
    target.virsh("pool-refresh", pool)
    gone = {"pool": pool, "name": "folder", "state": "absent"}
    [error] = refused(target, "storage_volume", gone)
    assert "is a folder with kept in it" in error
    target.run(["rm", str(images / "folder" / "kept")])
    converge(target, "storage_volume", gone)


def test_check_mode_does_not_stop_a_pool_whose_folder_is_gone(
    target: Target, pool: str, images: Path
) -> None:
    """libvirt takes such a pool for inactive once it is asked to look at it anew."""
    target.run(["mv", str(images), f"{images}.away"])
    volume = {"pool": pool, "name": "one", "capacity": "10MiB"}
    [error] = refused(target, "storage_volume", volume)
    assert f"{images}, the folder of pool {pool}, is not there" in error
    assert pool in target.virsh("pool-list", "--name").split()
    target.run(["mv", f"{images}.away", str(images)])
    converge(target, "storage_volume", volume)


def test_a_pool_that_is_not_there_may_be_what_an_earlier_task_makes(target: Target) -> None:
    volume = {"pool": "nowhere", "name": "one", "capacity": "1GiB"}
    predicted = target.module("storage_volume", volume, True)
    assert predicted["changed"] is True
    assert "there is no pool nowhere" in json.dumps(predicted["warnings"])


# ---- interrupted


def test_libvirtd_killed_during_an_upload(
    target: Target, pool: str, big: Path, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    volume = {"pool": pool, "name": "one", "image": str(big)}
    failed = interrupted(target, volume, outside(libvirtd, images, "one"), libvirtd.kill)
    assert "the connection to libvirt" in failed["msg"] and "was lost" in failed["msg"]
    libvirtd.start_libvirtd()
    made_anew(target, volume, outside(libvirtd, images, "one"))
    assert same_data(big, outside(libvirtd, images, "one"))


def test_libvirtd_killed_during_a_copy(
    target: Target, pool: str, big: Path, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    converge(target, "storage_volume", {"pool": pool, "name": "base", "image": str(big)})
    volume = {"pool": pool, "name": "one", "copy_of": {"volume": "base"}}
    interrupted(target, volume, outside(libvirtd, images, "one"), libvirtd.kill)
    libvirtd.start_libvirtd()
    made_anew(target, volume, outside(libvirtd, images, "one"))
    assert same_data(big, outside(libvirtd, images, "one"))


def interrupted(
    target: Target, volume: dict[str, Any], file: Path, interrupt: Callable[[], None]
) -> dict[str, Any]:
    """Run the module, and interrupt it once the volume is being filled. What it returned."""
    with ThreadPoolExecutor() as pool:
        run: Future[dict[str, Any]] = pool.submit(target.module_beside, "storage_volume", volume)
        wait_until(lambda: being_filled(file) or run.done(), 300, "the volume to be filled")
        assert not run.done(), run.result()
        interrupt()
        done = run.result(timeout=600)
    assert done["failed"] is True, done
    assert "Traceback" not in json.dumps(done)
    assert (file.parent / f".{file.name}.partial").exists()
    return done


def being_filled(file: Path) -> bool:
    return file.exists() and file.stat().st_blocks * 512 > 4 * MIB


def made_anew(target: Target, volume: dict[str, Any], file: Path) -> None:
    """What an interrupted run left is told of and counts as nothing; the next run makes it."""
    [pool] = target.module("storage_info", {"pools": [volume["pool"]], "volumes": True}, False)[
        "pools"
    ]
    assert [v["state"] for v in pool["volumes"] if v["name"] == "one"] == ["half-made"]
    predicted = target.module("storage_volume", volume, True)
    assert "half-made" in json.dumps(predicted["warnings"])
    done = target.module("storage_volume", volume, False)
    assert done.get("failed") is None, done
    assert done["plan"] == predicted["plan"]
    assert target.module("storage_volume", volume, False)["changed"] is False
    assert not (file.parent / f".{file.name}.partial").exists()


@pytest.mark.parametrize("source", ["image", "copy_of"])
def test_a_killed_run(
    source: str, target: Target, pool: str, big: Path, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    """libvirt ends an upload then, and goes on with a copy."""
    made_from: dict[str, Any] = {"image": str(big)}
    if source == "copy_of":
        converge(target, "storage_volume", {"pool": pool, "name": "base", **made_from})
        made_from = {"copy_of": {"volume": "base"}}
    volume = {"pool": pool, "name": "one", **made_from}
    file = outside(libvirtd, images, "one")
    process = start_module("storage_volume", volume, libvirtd)
    wait_until(lambda: being_filled(file), 300, "the volume to be filled")
    kill_module(process)
    assert process.communicate(timeout=600) == ("", ""), "it was killed too late"
    made_anew(target, volume, file)
    assert same_data(big, file)


def test_what_is_half_made_can_go(
    target: Target, pool: str, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    for name in ("one", ".one.partial"):
        outside(libvirtd, images, name).touch()
    converge(target, "storage_volume", {"pool": pool, "name": "one", "state": "absent"})
    assert target.volumes(pool) == {}


def test_what_is_half_made_but_in_use_is_left_alone(
    target: Target, pool: str, prefix: str, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    volume = {"pool": pool, "name": "one", "capacity": "1MiB"}
    converge(target, "storage_volume", volume)
    outside(libvirtd, images, ".one.partial").touch()
    vm = VM.format(name=f"{prefix}vm", path=images / "one")
    libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=vm)
    target.volumes(pool)
    [error] = refused(target, "storage_volume", volume)
    assert f"but {prefix}vm uses it" in error
    target.virsh("undefine", f"{prefix}vm")


THICK = {"capacity": "96MiB", "format": "raw", "provisioning": "thick"}


def test_a_failed_upload_leaves_nothing(
    target: Target, prefix: str, tmp_path: Path, libvirtd: PrivateLibvirtd
) -> None:
    image, large = tmp_path / "image.raw", tmp_path / "large.raw"
    image.write_bytes(os.urandom(66 * MIB))  # what is kept for root might be enough
    large.write_bytes(os.urandom(96 * MIB))
    small = tmp_path / "small"
    small.mkdir()
    target.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(small)])
    name = f"{prefix}small"
    target.virsh("pool-define-as", name, "dir", "--target", str(small))
    target.virsh("pool-start", name)
    options = {"pool": name, "name": "one", "image": str(image)}
    for foreseen in ({"image": str(large)}, {"image": None, **THICK}):
        [error] = refused(target, "storage_volume", {**options, **foreseen})
        assert f"takes 96MiB, and pool {name} has 64MiB free" in error
    failed = target.module("storage_volume", options, False)
    assert failed["failed"] is True
    if libvirtd.answers():
        assert f"there was no room for it in pool {name}" in failed["msg"], failed["msg"]
        assert "free now (No space left)" in failed["msg"]
        assert target.run(["ls", "-A", str(small)]) == ""
    else:  # libvirtd 11.3 does not survive it, so what it leaves is the next run's
        assert "the next run converges" in failed["msg"], failed["msg"]
        libvirtd.start_libvirtd()
    target.run(["mount", "-o", "remount,size=256m", str(small)])
    made = target.module("storage_volume", options, False)
    assert not made.get("failed"), made["msg"]
    assert target.run(["ls", "-A", str(small)]).split() == ["one"]
    target.run(["cmp", str(image), str(small / "one")])
    target.virsh("pool-destroy", name)
    target.run(["umount", str(small)])


# ---- at once


def test_two_runs_that_make_one_volume(
    target: Target, pool: str, big: Path, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    volume = {"pool": pool, "name": "one", "image": str(big)}
    with ThreadPoolExecutor() as threads:
        runs = [
            threads.submit(target.module_beside, "storage_volume", volume) for _time in range(2)
        ]
        results = [run.result(timeout=600) for run in runs]
    assert [result.get("failed") for result in results] == [None, None], results
    assert same_data(big, outside(libvirtd, images, "one"))
    assert list(target.volumes(pool)) == ["one"]


def test_two_runs_that_take_over_one_volume(
    target: Target, pool: str, big: Path, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    for name in ("one", ".one.partial"):
        outside(libvirtd, images, name).touch()
    test_two_runs_that_make_one_volume(target, pool, big, images, libvirtd)


def test_a_run_that_stood_still_leaves_the_volume_to_the_one_that_took_it_over(
    target: Target, pool: str, big: Path, images: Path, libvirtd: PrivateLibvirtd
) -> None:
    volume = {"pool": pool, "name": "one", "image": str(big)}
    file = outside(libvirtd, images, "one")
    process = start_module("storage_volume", volume, libvirtd)
    wait_until(lambda: being_filled(file), 300, "the volume to be filled")
    signal_module(process, signal.SIGSTOP)
    made_anew(target, volume, file)
    process.send_signal(signal.SIGCONT)  # nsenter, which stopped with its child and lets it go on
    told = json.loads(process.communicate(timeout=600)[0])
    assert "another run took it for left" in told["msg"]
    assert same_data(big, file)
    assert list(target.volumes(pool)) == ["one"]


def test_many_runs_in_one_pool(target: Target, pool: str, qcow2: Path) -> None:
    kinds = [{"capacity": "1MiB"}, {"image": str(qcow2)}]
    volumes = [{"pool": pool, "name": f"v{n}", **kinds[n % 2]} for n in range(8)]
    with ThreadPoolExecutor(4) as threads:
        runs = [threads.submit(target.module_beside, "storage_volume", v) for v in volumes]
        results = [run.result(timeout=600) for run in runs]
    assert not [result["msg"] for result in results if result.get("failed")]
    assert sorted(target.volumes(pool)) == [volume["name"] for volume in volumes]


# ---- other drivers


def test_the_test_driver_has_volumes_too() -> None:
    volume = {"pool": "default-pool", "name": "one", "capacity": "1GiB", "uri": "test:///default"}
    done = run_module("storage_volume", volume)
    assert (done["changed"], done["storage_volume"]["capacity"]) == (True, "1GiB")
