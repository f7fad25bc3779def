"""Volumes from images by URL, on a real libvirtd, with a web server beside it that misbehaves."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support import image_server
from support.module_process import kill_module, start_module
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd, wait_until
from support.storage import Target, converge, on_libvirtd, refused

MIB = 2**20


@dataclass
class Site:
    """A pool, a library, and a server of images, all where libvirtd runs."""

    target: Target
    pool: str
    folder: Path
    library: Path
    served: Path
    port: str
    log: Path
    libvirtd: PrivateLibvirtd

    def volume(self, path: str, name: str = "one", **more: Any) -> dict[str, Any]:
        """The declaration of a volume from an image; its checksum is the real one unless said."""
        url = f"http://127.0.0.1:{self.port}/{path}"
        file = self.served / path.split("/", 1)[1].partition("?")[0]
        right = {"checksum": sha256(file)} if file.exists() else {}
        download = {"library": str(self.library), **more.pop("download", {})}
        base = {"pool": self.pool, "name": name, "image": url, "download": download}
        return {**base, **right, **more}

    def asked(self) -> list[str]:
        """What the server was asked since this was last looked at."""
        text = self.log.read_text() if self.log.exists() else ""
        self.log.write_text("")
        return text.splitlines()

    def kept(self) -> set[str]:
        """What is in the library, but for locks."""
        there = self.libvirtd.outside(self.library)
        names = {path.name for path in there.iterdir()} if there.exists() else set()
        return {name for name in names if not name.endswith(".lock")}


def sha256(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@pytest.fixture
def site(
    libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path, tmp_path: Path
) -> Iterator[Site]:
    target = on_libvirtd(libvirtd, modules)
    name = f"{prefix}pool"
    folder = images / "pool"
    libvirtd.outside(folder).mkdir()
    target.virsh("pool-define-as", name, "dir", "--target", str(folder))
    target.virsh("pool-start", name)
    served, log = tmp_path / "served", tmp_path / "log"
    served.mkdir()
    command = [*libvirtd.entry(), sys.executable, image_server.__file__, str(served), str(log)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    assert server.stdout
    port = server.stdout.readline().strip()
    library = images / "library"
    yield Site(target, name, folder, library, served, port, log, libvirtd)
    kill_module(server)
    server.kill()
    server.wait()


@pytest.fixture
def qcow2(site: Site) -> Path:
    """An image of 32 MiB with 4 MiB of data in it."""
    path = site.served / "a.qcow2"
    raw = site.served / "a.raw"
    raw.write_bytes(os.urandom(4 * MIB) + bytes(28 * MIB))
    argv = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(path)]
    subprocess.run(argv, check=True)
    return path


def holds(site: Site, name: str, path: Path) -> bool:
    made = site.libvirtd.outside(site.folder / name)
    argv = ["qemu-img", "compare", str(made), str(path)]
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


def test_a_copy_of_what_is_fetched_in_the_same_run_is_laid_out_as_it(
    site: Site, qcow2: Path
) -> None:
    options = ["-o", "cluster_size=128k,extended_l2=on", "-O", "qcow2"]
    image = site.served / "laid.qcow2"
    subprocess.run(["qemu-img", "convert", *options, str(qcow2), str(image)], check=True)
    of_one = {"pool": site.pool, "copy_of": {"volume": "one"}}
    volumes = [
        site.volume("plain/laid.qcow2"),
        {**of_one, "name": "like"},
        {**of_one, "name": "small", "cluster_size": "4KiB"},
        {**of_one, "name": "raw", "format": "raw"},
    ]
    converge(site.target, "host_config", {"storage_volumes": volumes})
    assert holds(site, "like", qcow2) and holds(site, "raw", qcow2)
    like, small = (site.target.image(str(site.folder / name)) for name in ("like", "small"))
    assert (like["cluster-size"], like["format-specific"]["data"]["extended-l2"]) == (2**17, True)
    assert (small["cluster-size"], small["format-specific"]["data"]["extended-l2"]) == (4096, False)


def test_an_image_is_fetched_once_and_never_again(site: Site, qcow2: Path) -> None:
    volume = site.volume("plain/a.qcow2")
    predicted = site.target.module("storage_volume", volume, True)
    assert (site.asked(), site.kept()) == ([], set()), "check mode fetches nothing"
    assert predicted["changed"]
    done = converge(site.target, "storage_volume", volume)
    assert done["fetched"]["fetched_bytes"] == qcow2.stat().st_size
    assert site.asked() == ["plain/a.qcow2"]
    assert holds(site, "one", qcow2)
    assert site.kept() == {sha256(qcow2).replace(":", "-")}
    second = converge(site.target, "storage_volume", {**volume, "name": "two", "format": "raw"})
    assert second["fetched"]["fetched_bytes"] == 0
    assert site.target.image(str(site.folder / "two"))["format"] == "raw"
    assert holds(site, "two", qcow2)
    larger = {**volume, "name": "larger", "capacity": "64MiB"}
    converge(site.target, "storage_volume", larger)
    assert site.target.image(str(site.folder / "larger"))["virtual-size"] == 64 * MIB
    assert site.asked() == []


def test_what_is_in_the_library_is_no_more_trusted_than_what_comes(site: Site, qcow2: Path) -> None:
    volume = site.volume("plain/a.qcow2")
    converge(site.target, "storage_volume", volume)
    [kept] = site.kept()
    with site.libvirtd.outside(site.library / kept).open("r+b") as file:
        file.seek(MIB)
        file.write(b"another")
    converge(site.target, "storage_volume", {**volume, "name": "two"})
    assert holds(site, "two", qcow2)
    assert site.asked() == ["plain/a.qcow2"] * 2


def test_a_capacity_below_an_image_is_refused_once_its_size_is_known(
    site: Site, qcow2: Path
) -> None:
    less = site.volume("plain/a.qcow2", capacity="16MiB")
    predicted = site.target.module("storage_volume", less, True)
    [row] = [row for row in predicted["plan"] if row["field"] == "capacity"]
    unknown = "the run compares it with the size, not known before, of"
    assert row["note"] == f"{unknown} {less['image']}"
    says = f"capacity: 16MiB is less than the 32MiB of {less['image']}; declare as much"
    assert says in refused_by_run(site, "storage_volume", less)
    for check in (True, False):  # by now it is in the library
        assert says in told(site, "storage_volume", less, check)
    clone = {"pool": site.pool, "name": "clone", "backing": {"volume": "one"}, "capacity": "16MiB"}
    both = {"storage_volumes": [site.volume("plain/a.qcow2"), clone]}
    of_base = f"capacity: 16MiB is less than the 32MiB of {site.pool}/one; declare as much"
    assert of_base in told(site, "host_config", both, True)
    # Of one that is packed nothing tells before it is a volume.
    (site.served / "a.gz").write_bytes(gzip.compress(qcow2.read_bytes()))
    both = {"storage_volumes": [site.volume("plain/a.gz"), clone]}
    assert f"{unknown} {site.pool}/one" in json.dumps(site.target.module("host_config", both, True))
    assert of_base in refused_by_run(site, "host_config", both)
    copy = {"pool": site.pool, "name": "copy", "copy_of": {"volume": "one"}, "capacity": "16MiB"}
    for one in (clone, copy):
        assert of_base in told(site, "storage_volume", one, True)
    assert {path.name for path in site.libvirtd.outside(site.folder).iterdir()} == {"one"}


def refused_by_run(site: Site, module: str, args: dict[str, Any]) -> str:
    """What a run says that check mode could not know."""
    assert not site.target.module(module, args, True).get("failed")
    return told(site, module, args, False)


def told(site: Site, module: str, args: dict[str, Any], check: bool) -> str:
    """The error of a module that has to fail."""
    done = site.target.module(module, args, check)
    assert done.get("failed"), done
    return str(done["msg"])


def test_what_is_packed_or_of_another_format_becomes_what_the_volume_is(
    site: Site, qcow2: Path
) -> None:
    """Whatever it is called: its content tells."""
    for what in others(site, qcow2):
        done = site.target.module("storage_volume", site.volume(f"plain/{what}", what), False)
        assert not done.get("failed"), done["msg"]
        assert site.target.image(str(site.folder / what))["format"] == "qcow2"
        assert holds(site, what, qcow2), what
    assert not [name for name in site.kept() if "." in name]


def others(site: Site, qcow2: Path) -> list[str]:
    """The image packed, and in other formats, by the names as which it is served."""
    content = qcow2.read_bytes()
    packs = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}
    for name, pack in packs.items():
        (site.served / name).write_bytes(pack(content[: 2 * MIB]) + pack(content[2 * MIB :]))
    names = [*packs, "vmdk", "vhdx", "vdi", "vpc", "raw", "zst"]
    subprocess.run(["zstd", "-q", str(qcow2), "-o", str(site.served / "zst")], check=True)
    for form in names[3:8]:
        sub = {"vmdk": "streamOptimized", "vpc": "fixed"}.get(form)
        more = ["-o", f"subformat={sub}"] if sub else []
        path = str(site.served / form)
        subprocess.run(["qemu-img", "convert", "-O", form, *more, str(qcow2), path], check=True)
    return names


def test_what_is_cut_off_goes_on_and_a_list_says_what_it_is(site: Site, qcow2: Path) -> None:
    (site.served / "SHA256SUMS").write_text(f"{sha256(qcow2)[7:]}  a.qcow2\n")
    sums = f"sha256:http://127.0.0.1:{site.port}/plain/SHA256SUMS"
    done = converge(site.target, "storage_volume", site.volume("cut/a.qcow2", checksum=sums))
    [change] = [one for one in done["plan"] if one["field"] == "checksum"]
    assert change["after"] == sha256(qcow2)
    assert any("bytes=3145728-" in one for one in site.asked())
    assert holds(site, "one", qcow2)


def test_a_killed_run_is_gone_on_with(site: Site, qcow2: Path) -> None:
    volume = site.volume("slow/a.qcow2")
    process = start_module("storage_volume", volume, site.libvirtd)
    part = f"{volume['checksum'].replace(':', '-')}.part"
    file = site.libvirtd.outside(site.library / part)
    wait_until(lambda: file.exists() and file.stat().st_size > 2 * MIB, 300, "a part to come")
    kill_module(process)
    process.communicate(timeout=600)
    assert site.target.volumes(site.pool) == {}
    assert site.kept() == {part, f"{part}.json"}
    size = file.stat().st_size
    done = converge(site.target, "storage_volume", volume)
    assert done["fetched"]["resumed_at_bytes"] == size
    assert holds(site, "one", qcow2)
    assert len(site.kept()) == 1


def test_another_image_than_is_there_is_refused_and_a_disk_keeps_its_own(
    site: Site, qcow2: Path, prefix: str
) -> None:
    volume = site.volume("plain/a.qcow2")
    converge(site.target, "storage_volume", volume)
    clone = {"pool": site.pool, "name": "clone", "backing": {"volume": "one"}}
    converge(site.target, "storage_volume", clone)
    newer = {**volume, "checksum": f"sha256:{'0' * 64}"}
    with site.target.unchanged():
        [error] = refused(site.target, "storage_volume", newer)
    assert f"was made from {sha256(qcow2)}, not sha256:000" in error
    assert f"{site.pool}/clone stands on it" in error
    disk = {key: volume[key] for key in ("pool", "image", "checksum", "download")}
    vm = {"name": f"{prefix}vm", "virt_type": "qemu", "memory": {"size": "64MiB"}}
    disks = [{"name": "root", **disk}]
    site.target.module("vm", {**vm, "disks": disks}, False)
    disks[0]["checksum"] = newer["checksum"]
    site.asked()
    done = site.target.module("vm", {**vm, "disks": disks}, False)
    assert (done["changed"], site.asked()) == (False, []), done
    assert "stays so; sha256:000" in json.dumps(done["warnings"])


def test_what_is_no_image_or_not_the_one_leaves_nothing(site: Site, qcow2: Path) -> None:
    for name, why, more in bad(site, qcow2):
        volume = site.volume(f"plain/{name}", **more)
        [error] = refused(site.target, "storage_volume", volume)
        assert why in error, (name, error)
        assert site.target.volumes(site.pool) == {}
        made = [one for one in site.kept() if not one.startswith("sha256-")]
        assert made == [], (name, "nothing that was not verified is kept")
        assert not [one for one in site.kept() if "." in one], name


def bad(site: Site, qcow2: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    served = site.served
    wrong = {"checksum": f"sha256:{'0' * 64}"}
    unchecked = {"checksum": "none"}
    yield "a.qcow2", f"has {sha256(qcow2)}, not sha256:000", wrong
    yield "none.qcow2", "the server says 404", wrong
    (served / "page").write_text("<!DOCTYPE html><html>sign in</html>" + " " * 477)
    yield "page", "is no image but a text", unchecked
    (served / "odd").write_bytes(b"\1" * 1000)
    yield "odd", "is no image of a known format", unchecked
    (served / "cut.gz").write_bytes(gzip.compress(qcow2.read_bytes())[:-1000])
    yield "cut.gz", "cannot be unpacked (gzip)", {}
    (served / "cut.xz").write_bytes(lzma.compress(qcow2.read_bytes())[:-1000])
    yield "cut.xz", "cannot be unpacked (xz)", {}
    (served / "twice").write_bytes(gzip.compress(gzip.compress(qcow2.read_bytes())))
    yield "twice", "is packed twice", {}
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F", "raw", "-b", "/etc/shadow"]
    subprocess.run([*argv, str(served / "b.qcow2"), "1M"], check=True)
    yield "b.qcow2", "it names /etc/shadow", {}
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={served}/data"]
    subprocess.run([*argv, str(served / "d.qcow2"), "1M"], check=True)
    yield "d.qcow2", "it names", {}
    lines = ["# Disk DescriptorFile", "version=1", "CID=1", "parentCID=ffffffff"]
    lines += ['createType="monolithicFlat"', 'RW 2048 FLAT "/etc/shadow" 0', ""]
    (served / "flat.vmdk").write_text("\n".join(lines))
    yield "flat.vmdk", "is a vmdk that names other files", {}
    # As raw bytes of a disk, an image that libvirt would take for what the volume is.
    subprocess.run(
        ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", served / "b.qcow2", served / "in"],
        check=True,
    )
    yield "in", "holds another image (qcow2) inside of it", {"format": "raw"}
    yield "a.qcow2", "capacity: 16MiB is less than the 32MiB of", {"capacity": "16MiB"}


def test_secrets_of_a_url_are_shown_to_nobody(site: Site, qcow2: Path) -> None:
    login = {"username": "me", "password": "word"}
    volume = site.volume("login/a.qcow2?token=CANARY-9", download=login)
    done = converge(site.target, "storage_volume", volume)
    assert "CANARY-9" not in json.dumps(done) and "token=(hidden)" in json.dumps(done["plan"])
    failed = site.volume("login/b.qcow2?token=CANARY-9", "two", checksum="none", download=login)
    done = site.target.module("storage_volume", failed, False)
    assert "404" in done["msg"] and "CANARY-9" not in json.dumps(done)
