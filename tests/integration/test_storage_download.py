"""A volume as a file: taken whole, known again, and never a half one or another's."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.module_process import kill_module, start_module
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd, wait_until

MIB = 1 << 20


class Volume:
    """A raw volume with a hole in its midst and at its end, in a pool of files."""

    def __init__(
        self, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path
    ) -> None:
        self.libvirtd, self.modules, self.prefix = libvirtd, modules, prefix
        self.pool, self.name = f"{prefix}pool", "data.raw"
        self.path = images / "pool" / self.name
        self.dest = images / "taken" / "taken.raw"
        self.folder = libvirtd.outside(self.dest.parent)
        self.folder.mkdir()
        self.run("storage_pool", name=self.pool, type="dir", path=str(self.path.parent))
        self.run("storage_volume", pool=self.pool, name=self.name, format="raw", capacity="24MiB")
        self.write(b"begin" * MIB, 0)
        self.write(b"end" * 1000, 20 * MIB)

    @property
    def taken(self) -> Path:
        """The file, as the test sees it."""
        return self.libvirtd.outside(self.dest)

    @property
    def bytes(self) -> bytes:
        return self.libvirtd.outside(self.path).read_bytes()

    @property
    def checksum(self) -> str:
        return f"sha256:{hashlib.sha256(self.bytes).hexdigest()}"

    def write(self, data: bytes, at: int) -> None:
        with self.libvirtd.outside(self.path).open("r+b") as file:
            file.seek(at)
            file.write(data)

    def run(self, module: str, check: bool = False, **args: Any) -> dict[str, Any]:
        done = self.modules.run(module, args, check)
        assert not done.get("failed"), done["msg"]
        return done

    def args(self, **options: Any) -> dict[str, Any]:
        return {"pool": self.pool, "volume": self.name, "dest": str(self.dest), **options}

    def listed(self) -> dict[str, tuple[int, int]]:
        files = {one.name: one.lstat() for one in self.folder.iterdir()}
        return {name: (found.st_size, found.st_mtime_ns) for name, found in files.items()}

    def take(self, **options: Any) -> dict[str, Any]:
        """Take it: check mode says so and writes nothing, and a second run does nothing."""
        before = self.listed()
        predicted = self.run("storage_download", True, **self.args(**options))
        assert self.listed() == before
        done = self.run("storage_download", **self.args(**options))
        assert (predicted["plan"], predicted["changed"]) == (done["plan"], done["changed"])
        again = self.run("storage_download", **self.args(**options))
        assert (again["changed"], again["plan"]) == (False, [])
        assert not [name for name in self.listed() if name.endswith(".partial")]
        return done

    def refused(self, in_check: bool = True, **options: Any) -> str:
        """What is said of what cannot be, in check mode as in a run, neither of which writes."""
        before = self.listed()
        seen = self.modules.run("storage_download", self.args(**options), True)
        done = self.modules.run("storage_download", self.args(**options), False)
        assert done.get("failed") and bool(seen.get("failed")) == in_check, (seen, done)
        assert not in_check or seen["errors"] == done["errors"]
        assert self.listed() == before
        return str(done["msg"])


@pytest.fixture
def volume(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path) -> Volume:
    return Volume(libvirtd, modules, prefix, images)


def test_the_file_is_the_volume(volume: Volume) -> None:
    done = volume.take()
    assert done["changed"] and volume.taken.read_bytes() == volume.bytes
    told = subprocess.run(["sha256sum", volume.taken], check=True, capture_output=True, text=True)
    assert done["file"]["checksum"] == f"sha256:{told.stdout.split()[0]}"
    assert (done["file"]["size_bytes"], done["file"]["format"]) == (24 * MIB, "raw")
    by_virsh = volume.dest.with_name("virsh.raw")
    volume.libvirtd.virsh("vol-download", "--pool", volume.pool, volume.name, str(by_virsh))
    assert volume.libvirtd.outside(by_virsh).read_bytes() == volume.taken.read_bytes()


def test_holes_stay_and_others_do_not_read_it(volume: Volume) -> None:
    done = volume.take()
    found = volume.taken.stat()
    assert found.st_blocks * 512 < 12 * MIB and found.st_mode & 0o777 == 0o600
    assert 5 * MIB <= done["statistics"]["copied_bytes"] < 12 * MIB
    assert done["statistics"]["progress"][-1]["percent"] == 100


def test_what_was_written_since_is_taken_where_that_is_said(volume: Volume) -> None:
    volume.take()
    volume.taken.chmod(0o640)
    volume.write(b"more", 22 * MIB)
    said = volume.refused()
    assert "is not the volume as it is now" in said and "overwrite: true replaces it" in said
    done = volume.take(overwrite=True)
    assert "last written" in done["plan"][0]["before"]
    assert volume.taken.read_bytes() == volume.bytes
    assert volume.taken.stat().st_mode & 0o777 == 0o640


def test_a_file_of_others_stays(volume: Volume) -> None:
    volume.taken.write_text("of others")
    assert f"{volume.dest} is there and is not the volume" in volume.refused()
    volume.taken.unlink()
    volume.taken.symlink_to("elsewhere")
    volume.take()
    assert volume.taken.is_symlink()
    assert (volume.folder / "elsewhere").read_bytes() == volume.bytes


def test_a_file_with_the_checksum_is_not_taken_again(volume: Volume) -> None:
    volume.take(checksum=volume.checksum)
    os.utime(volume.taken)
    assert volume.refused()
    assert not volume.run("storage_download", **volume.args(checksum=volume.checksum))["changed"]


def test_a_volume_that_is_something_else_is_not_kept(volume: Volume) -> None:
    wrong = f"sha256:{'0' * 64}"
    volume.taken.write_text("of others")
    assert "has another checksum" in volume.refused(checksum=wrong)
    said = volume.refused(in_check=False, checksum=wrong, overwrite=True)
    assert f"the volume is {volume.checksum}, which is not" in said
    assert volume.taken.read_text() == "of others"


def test_what_is_not_there_is_told(volume: Volume) -> None:
    assert f"the volume {volume.pool}/none is not there" in volume.refused(False, volume="none")
    assert "the storage pool none is not there" in volume.refused(False, pool="none")
    seen = volume.run("storage_download", True, **volume.args(volume="none"))
    assert seen["changed"] and "the plan assumes that it will be" in str(seen["warnings"])
    volume.libvirtd.virsh("pool-destroy", volume.pool)
    assert "is not active; start it" in volume.refused(in_check=False)


@pytest.mark.parametrize(
    ("dest", "says"),
    [
        ("{folder}", "is a folder; name a file in it"),
        ("{folder}/", "is a folder; name a file in it"),
        ("/dev/null", "/dev/null is no file"),
        ("{folder}/none/a.raw", "the folder {folder}/none is not there"),
        ("a.raw", "is no absolute path"),
    ],
)
def test_a_place_where_no_file_can_be_is_told(volume: Volume, dest: str, says: str) -> None:
    folder = str(volume.dest.parent)
    assert says.format(folder=folder) in volume.refused(dest=dest.format(folder=folder))


def test_what_a_running_vm_writes_to_is_taken_where_that_is_said(volume: Volume) -> None:
    vm = f"{volume.prefix}vm"
    disk = {"name": "data", "pool": volume.pool, "volume": volume.name, "bus": "virtio"}
    declared = {"name": vm, "memory": {"size": "64MiB"}, "disks": [disk]}
    volume.run("vm", state="paused", **declared)
    said = volume.refused()
    assert f"{vm} writes to it, so a copy would be of no one moment" in said
    assert f"{vm} writes to it meanwhile" in str(volume.take(allow_in_use=True)["warnings"])
    volume.run("vm", name=vm, disks=[{"name": "data", "read_only": True}], apply="next_boot")
    volume.run("vm", name=vm, state="stopped", shutdown={"timeout_s": 1, "on_timeout": "power_off"})
    volume.run("vm", name=vm, state="paused")
    assert not volume.run("storage_download", **volume.args())["changed"]


def test_a_linked_clone_is_taken_without_what_it_stands_on(volume: Volume) -> None:
    backing = {"volume": volume.name}
    volume.run("storage_volume", pool=volume.pool, name="clone.qcow2", backing=backing)
    done = volume.take(volume="clone.qcow2")
    assert f"it stands on {volume.path}, which is not in the file" in str(done["warnings"])
    assert done["file"]["backing"] == str(volume.path)


def large(volume: Volume) -> Path:
    """A volume that takes a while."""
    volume.run("storage_volume", pool=volume.pool, name="large.raw", format="raw", capacity="1GiB")
    path = volume.path.with_name("large.raw")
    block = os.urandom(MIB)
    with volume.libvirtd.outside(path).open("r+b") as file:
        for _each in range(400):
            file.write(block)
    return volume.libvirtd.outside(path)


def test_a_host_that_no_longer_answers_is_not_waited_for(volume: Volume) -> None:
    large(volume)
    partial = Path(f"{volume.taken}.partial")
    process = start_module("storage_download", volume.args(volume="large.raw"), volume.libvirtd)
    wait_until(partial.exists, 60, "the file as it is being made")
    volume.libvirtd.signal("STOP")
    try:
        said = process.communicate(timeout=300)[0]
    finally:
        volume.libvirtd.signal("CONT")
    assert "was lost while it should hand out the volume" in said
    assert volume.listed() == {}


def test_what_a_killed_run_left_is_replaced(volume: Volume) -> None:
    whole = large(volume)
    partial = Path(f"{volume.taken}.partial")
    process = start_module("storage_download", volume.args(volume="large.raw"), volume.libvirtd)
    wait_until(partial.exists, 60, "the file as it is being made")
    kill_module(process)
    process.wait()
    assert partial.exists() and not volume.taken.exists()
    done = volume.take(volume="large.raw")
    assert "what an interrupted run left beside it is replaced" in done["plan"][0]["note"]
    assert volume.taken.read_bytes() == whole.read_bytes()
