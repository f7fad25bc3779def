"""An image has one writer: what would give it a second one is refused in the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.image_site import ImageSite, disk_xml
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

Args = dict[str, Any]


@pytest.fixture
def site(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path) -> ImageSite:
    return ImageSite(libvirtd, modules, prefix, images)


def on_file(path: str, **options: Any) -> list[Args]:
    return [{"name": "root", "file": path, "format": "qcow2", **options}]


def test_an_image_of_another_vm_is_refused(site: ImageSite) -> None:
    path = site.image("web.qcow2")
    site.define(disk_xml(path), name=f"{site.vm}-other")
    link, hard_link = f"{site.folder.parent}/link", f"{site.folder.parent}/hard"
    site.libvirtd.run(["ln", "-s", path, link])
    site.libvirtd.run(["ln", path, hard_link])
    for way in (path, link, hard_link):
        told = site.refused(**site.args(disks=on_file(way)))
        assert f"disks.vda of vm/{site.vm}-other" in told and "shareable" in told
    by_name = [{"name": "root", "pool": site.pool, "volume": "web.qcow2"}]
    assert f"{site.vm}-other" in site.refused(**site.args(disks=by_name))
    assert f"{site.vm}-other" in site.refused(**site.args(disks=on_file(path, read_only=True)))


def test_disks_of_others_on_one_image_become_no_worse(site: ImageSite) -> None:
    """What others have made so already may be mended in steps, a disk at a time."""
    path, other = site.image("web.qcow2"), f"{site.vm}-other"
    site.define(disk_xml(path))
    site.define(disk_xml(path), name=other)

    def disk(**options: Any) -> Args:
        return {"name": other, "disks": [{"name": "vda", **options}]}

    for better in ({"read_only": True}, {"cache": "none"}):
        assert site.run("vm", **disk(**better))["changed"]
        assert not site.run("vm", **disk(**better))["changed"]
    assert f"disks.vda of vm/{site.vm}" in site.refused(**disk(read_only=False))


def test_the_image_below_the_snapshot_of_another_vm_is_refused(site: ImageSite) -> None:
    path = site.image("web.qcow2")
    site.define(disk_xml(path), name=f"{site.vm}-other")
    overlay = f"{site.folder}/web.s1"
    site.virsh("snapshot-create-as", f"{site.vm}-other", "s1", "--disk-only", "--no-metadata")
    told = site.refused(**site.args(disks=on_file(path)))
    assert "would write to" in told and overlay in told
    grows = {"pool": site.pool, "name": "web.qcow2", "capacity": "20MiB"}
    assert overlay in site.refused("storage_volume", **grows)
    gone = {"pool": site.pool, "name": "web.qcow2", "state": "absent"}
    site.refused("storage_volume", **gone)


def test_a_disk_does_not_grow_below_its_own_overlay(site: ImageSite) -> None:
    site.declare(state="paused")
    overlay = site.snapshot("s1")
    disks = [{"name": "root", "pool": site.pool, "capacity": "20MiB"}]
    assert overlay in site.refused(**site.args(disks=disks))
    site.virsh("blockcommit", site.vm, "vda", "--active", "--pivot", "--wait")
    assert site.declare(disks=disks)["changed"]


def test_a_volume_grows_in_a_vm_that_has_it_by_a_link(site: ImageSite) -> None:
    path, link = site.image("web.qcow2"), f"{site.folder.parent}/link"
    site.libvirtd.run(["ln", "-s", path, link])
    site.define(disk_xml(link))
    site.virsh("start", site.vm, "--paused")
    site.run("storage_volume", pool=site.pool, name="web.qcow2", capacity="20MiB")
    assert str(20 * 2**20) in site.virsh("domblkinfo", site.vm, "vda")


def test_what_clones_stand_on_is_no_writable_disk(site: ImageSite) -> None:
    base = site.image("base.qcow2")
    clone = {"pool": site.pool, "name": "clone.qcow2", "backing": {"volume": "base.qcow2"}}
    site.run("storage_volume", **clone)
    assert "clone.qcow2" in site.refused(**site.args(disks=on_file(base)))
    site.declare(disks=on_file(base, read_only=True))
    site.define(disk_xml(site.image("own.qcow2")), name=f"{site.vm}-other")
    of_other = {"pool": site.pool, "name": "second.qcow2", "backing": {"volume": "own.qcow2"}}
    assert f"{site.vm}-other" in site.refused("storage_volume", **of_other)


def test_images_that_all_share_are_shared(site: ImageSite) -> None:
    raw = f"{site.folder}/shared.img"
    site.libvirtd.run(["truncate", "-s", "10M", raw])
    shared = disk_xml(raw, form="raw", more="<shareable/>")
    site.define(shared, name=f"{site.vm}-other")
    disk = {"name": "root", "file": raw, "format": "raw"}
    assert "shareable" in site.refused(**site.args(disks=[disk]))
    site.declare(disks=[{**disk, "shareable": True}])
    assert site.refused(**site.args(disks=[{**disk, "shareable": False}]))


def test_media_are_used_by_all(site: ImageSite) -> None:
    medium = f"{site.folder}/medium.iso"
    site.libvirtd.run(["truncate", "-s", "1M", medium])
    drives = [{"name": "medium", "file": medium}]
    site.declare(disks=[], cdroms=drives)
    site.run("vm", **{**site.args(disks=[], cdroms=drives), "name": f"{site.vm}-other"})


def test_a_vm_with_one_image_twice_is_refused(site: ImageSite) -> None:
    path = site.image("web.qcow2")
    disks = [*on_file(path), {"name": "again", "file": path, "format": "qcow2"}]
    told = site.refused(**site.args(disks=disks))
    assert "disks.root" in told and "disks.again" in told


def test_disks_of_a_running_vm_swap_images_at_the_next_start(site: ImageSite) -> None:
    one, other = on_file(site.image("one.qcow2"))[0], on_file(site.image("two.qcow2"))[0]
    site.declare(disks=[one, {**other, "name": "data"}], state="paused")
    swapped = [{**other, "name": "root"}, {**one, "name": "data"}]
    done = site.declare(disks=swapped)
    assert len(done["pending_restart"]) == 2
    taken = site.args(disks=[{**one, "name": "x"}])
    assert f"vm/{site.vm}" in site.refused(**{**taken, "name": f"{site.vm}-2"})
    # A guest that is paused lets nothing go, and the image cannot come under another name before.
    named = [{"name": "data", "state": "absent"}, {**one, "name": "new"}]
    assert "disks.new" in site.refused(**site.args(disks=named))


def test_what_others_did_already_blocks_nothing_else(site: ImageSite) -> None:
    path = site.image("web.qcow2")
    for name in (site.vm, f"{site.vm}-other"):
        site.define(disk_xml(path), name=name)
    disks = on_file(path)
    assert not site.declare(disks=disks)["changed"]
    assert site.declare(disks=disks, title="new")["changed"]
    grows = {"pool": site.pool, "name": "web.qcow2", "capacity": "20MiB"}
    assert "each would see it grow" in site.refused("storage_volume", **grows)


def test_names_that_collide_take_no_volume_over(site: ImageSite) -> None:
    one = {**site.args(), "disks": [{"name": "y-z", "pool": site.pool, "capacity": "10MiB"}]}
    other = {
        **site.args(),
        "name": f"{site.vm}-y",
        "disks": [{"name": "z", "pool": site.pool, "capacity": "20MiB"}],
    }
    told = site.refused("host_config", vms=[one, other])
    assert f"vm/{site.vm} and vm/{site.vm}-y" in told and "volume" in told
    site.run("vm", **one)
    told = site.refused(**other)
    assert f"disks.y-z of vm/{site.vm}" in told
    size = {**other["disks"][0], "capacity": "10MiB"}
    assert "(volume)" in site.refused(**{**other, "disks": [size]})
    named = {**size, "volume": "own.qcow2"}
    site.run("vm", **{**other, "disks": [named]})


def test_a_kernel_that_a_vm_boots_stays(site: ImageSite) -> None:
    path = site.image("kernel")
    site.declare(disks=[], boot={"kernel": path})
    gone = {"pool": site.pool, "name": "kernel", "state": "absent"}
    assert f"is used by {site.vm}" in site.refused("storage_volume", **gone)


@pytest.mark.parametrize(
    ("os", "devices"),
    [
        ("<kernel>{}</kernel>", ""),
        ("<loader readonly='yes' type='pflash'>{}</loader>", ""),
        ("<loader readonly='yes' type='pflash'>/code</loader><nvram template='{}'>/v</nvram>", ""),
        ("", "<serial type='file'><source path='{}'/></serial>"),
        (
            "",
            "<memory model='nvdimm'><source><path>{}</path></source><target>"
            "<size unit='MiB'>16</size><node>0</node></target></memory>",
        ),
    ],
)
def test_the_files_of_a_vm_stay_by_whatever_path(site: ImageSite, os: str, devices: str) -> None:
    path, link = site.image("file"), f"{site.folder.parent}/link"
    site.libvirtd.run(["ln", "-s", str(site.folder), link])
    text = f"""
        <domain type='qemu'><name>{site.vm}</name><memory unit='MiB'>64</memory>
        <maxMemory slots='2' unit='MiB'>256</maxMemory>
        <os><type arch='x86_64' machine='q35'>hvm</type>{os}</os><features><acpi/></features>
        <cpu><numa><cell id='0' cpus='0' memory='64' unit='MiB'/></numa></cpu>
        <devices>{devices}</devices></domain>"""
    text = text.replace("{}", path.replace(str(site.folder), link))
    site.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=text)
    gone = {"pool": site.pool, "name": "file", "state": "absent"}
    assert f"is used by {site.vm}" in site.refused("storage_volume", **gone)
    site.virsh("undefine", site.vm, "--keep-nvram")
    site.run("storage_volume", **gone)


def test_two_new_vms_on_one_image_are_refused(site: ImageSite) -> None:
    path = site.image("web.qcow2")
    one = site.args(disks=on_file(path))
    told = site.refused("host_config", vms=[one, {**one, "name": f"{site.vm}-other"}])
    assert f"vm/{site.vm}-other disks.root" in told


@pytest.fixture
def with_nvram(site: ImageSite) -> str:
    """Another VM, as after virsh domrename: with the variables of the VM that will be declared."""
    path = f"/var/lib/libvirt/qemu/nvram/{site.vm}_VARS.fd"
    site.define(name=f"{site.vm}-other")
    text = site.virsh("dumpxml", f"{site.vm}-other", "--inactive")
    firmware = "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
    nvram = f"{firmware}<nvram>{path}</nvram></os>"
    site.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=text.replace("</os>", nvram))
    return path


def test_a_variable_store_of_another_vm_is_refused(site: ImageSite, with_nvram: str) -> None:
    """A NVRAM file is written to as a disk is."""
    site.libvirtd.run(["mkdir", "-p", str(Path(with_nvram).parent)])
    site.image(with_nvram)
    assert "NVRAM" in site.refused(**site.args(disks=on_file(with_nvram)))
    told = site.refused(**site.args(disks=[], firmware="efi"))
    assert f"{with_nvram} is in use by NVRAM of vm/{site.vm}-other" in told
    site.libvirtd.run(["rm", with_nvram])


# ---- what only the headers of other files tell


def test_a_disk_is_not_put_below_the_overlay_of_a_vm_that_went(site: ImageSite) -> None:
    """libvirt has forgotten the snapshot, and not yet seen the overlay in the pool."""
    site.declare(state="paused")
    overlay = site.snapshot("s1")
    site.remove()
    told = site.refused(**site.args())
    assert f"would write to {site.base}, on which {overlay} stands" in told
    site.libvirtd.run(["rm", overlay])
    site.declare()


def test_what_a_file_stands_on_is_not_removed(site: ImageSite) -> None:
    volume = {"pool": site.pool, "name": "base.qcow2"}
    site.run("storage_volume", **volume, capacity="1MiB")
    base, clone = f"{site.folder}/base.qcow2", f"{site.folder}/clone.qcow2"
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", clone]
    site.libvirtd.run(make)
    assert f"is used by {clone}" in site.refused("storage_volume", **volume, state="absent")
    assert clone in site.refused("storage_volume", **volume, capacity="2MiB")
    site.libvirtd.run(["touch", "-d", "tomorrow", base])  # it was merged, and is left over
    site.run("storage_volume", **volume, capacity="2MiB")


@pytest.mark.parametrize("state", ["present", "paused"])
def test_a_disk_does_not_grow_below_what_a_file_stands_on(site: ImageSite, state: str) -> None:
    """Grown it would look as if it had been written to since, and the clone as if it were spoilt:
    then nothing would keep the image from going with its VM."""
    site.declare(state=state)
    clone = f"{site.folder}/clone.qcow2"
    make = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", site.base, "-F", "qcow2"]
    site.libvirtd.run([*make, clone, "10M"])
    disks = [{"name": "root", "pool": site.pool, "capacity": "20MiB"}]
    assert f"cannot grow below {clone}" in site.refused(**site.args(state=state, disks=disks))
    gone = {"state": "absent", "remove_storage": True}
    assert clone in site.refused(name=site.vm, **gone)
    site.libvirtd.run(["rm", clone])
    site.declare(state=state, disks=disks)


def test_what_clones_stand_on_is_not_made_anew_and_empty(site: ImageSite) -> None:
    """The image was moved away; the clone would begin on an empty one."""
    volume = {"pool": site.pool, "name": "base.qcow2", "capacity": "10MiB"}
    disk = {"name": "root", "pool": site.pool, "backing": {"volume": "base.qcow2"}}
    both = {"storage_volumes": [volume], "vms": [site.args(disks=[disk])]}
    site.run("host_config", **both)
    path = f"{site.folder}/base.qcow2"
    site.libvirtd.run(["mv", path, f"{path}.moved"])
    assert "stands on it, and it would be new" in site.refused("storage_volume", **volume)
    assert "stands on it, and it would be new" in site.refused("host_config", **both)
    site.libvirtd.run(["cp", f"{path}.moved", f"{site.folder.parent}/image.qcow2"])
    image = {**volume, "image": f"{site.folder.parent}/image.qcow2"}
    assert site.run("storage_volume", **image)["changed"]
    assert not site.run("host_config", **both)["changed"]


def test_a_loop_device_is_the_file_behind_it(site: ImageSite) -> None:
    path = f"{site.folder}/disk.img"
    site.run("storage_volume", pool=site.pool, name="disk.img", format="raw", capacity="10MiB")
    made = site.libvirtd.try_run(["losetup", "--find", "--show", path])
    if made.returncode != 0:
        pytest.skip(f"no loop device here: {made.stderr}")
    device = made.stdout.strip()
    try:
        site.declare(disks=[{"name": "root", "device": device}])
        other = site.args(disks=[{"name": "root", "file": path, "format": "raw"}])
        told = site.refused(**{**other, "name": f"{site.vm}-other"})
        assert f"disks.root of vm/{site.vm}" in told
        gone = {"pool": site.pool, "name": "disk.img", "state": "absent"}
        assert f"disks.root of vm/{site.vm}" in site.refused("storage_volume", **gone)
        site.remove()
        assert f"is used by the loop device {device}" in site.refused("storage_volume", **gone)
    finally:
        site.libvirtd.run(["losetup", "--detach", device])
    site.run("storage_volume", **gone)


def test_no_pool_is_made_on_the_device_of_a_disk(site: ImageSite) -> None:
    """libvirt makes a file system where it knows nothing that is there; a guest's data may be."""
    path = f"{site.folder}/disk.img"
    site.run("storage_volume", pool=site.pool, name="disk.img", format="raw", capacity="16MiB")
    made = site.libvirtd.try_run(["losetup", "--find", "--show", path])
    if made.returncode != 0:
        pytest.skip(f"no loop device here: {made.stderr}")
    device = made.stdout.strip()
    pool = {"name": f"{site.pool}-fs", "type": "fs", "path": f"{site.folder.parent}/fs"}
    pool["source"] = {"device": device, "format": "ext4"}
    disk = [{"name": "root", "device": device}]
    try:
        site.declare(disks=disk)
        told = site.refused("storage_pool", **pool)
        assert f"{device} is in use by disks.root of vm/{site.vm}" in told
        site.remove()
        define = ["virsh", "pool-define-as", pool["name"], "fs", "--target", pool["path"]]
        site.libvirtd.run([*define, "--source-dev", device, "--source-format", "ext4"])
        assert f"in use by storage_pool/{pool['name']}" in site.refused(**site.args(disks=disk))
    finally:
        site.libvirtd.run(["losetup", "--detach", device])


def test_the_data_file_of_an_image_is_nobody_elses(site: ImageSite) -> None:
    data, top = f"{site.folder}/data.raw", f"{site.folder}/top.qcow2"
    site.image(top, "-o", f"data_file={data}")
    disks = [{"name": "root", "file": data, "format": "raw"}]
    assert f"{data} is in use by {top}" in site.refused(**site.args(disks=disks))
    gone = {"pool": site.pool, "name": "data.raw", "state": "absent"}
    assert f"is used by {top}" in site.refused("storage_volume", **gone)


@pytest.mark.parametrize("below", [False, True])
def test_the_data_file_of_an_image_in_another_folder_stays(site: ImageSite, below: bool) -> None:
    """A VM has the image, or an overlay over it; libvirt knows nothing of the data file."""
    data, top = f"{site.folder}/data.raw", f"{site.folder.parent}/top.qcow2"
    site.image(top, "-o", f"data_file={data}")
    if below:
        top = site.image(f"{site.folder.parent}/over.qcow2", "-b", top, "-F", "qcow2")
    site.define(disk_xml(top))
    gone = {"pool": site.pool, "name": "data.raw", "state": "absent"}
    assert f"is used by disks.vda of vm/{site.vm}" in site.refused("storage_volume", **gone)
    disks = [{"name": "root", "file": data, "format": "raw"}]
    assert data in site.refused(**{**site.args(disks=disks), "name": f"{site.vm}-2"})


def test_what_a_clone_in_a_pool_that_is_not_active_stands_on_stays(site: ImageSite) -> None:
    volume = {"pool": site.pool, "name": "base.qcow2"}
    site.run("storage_volume", **volume, capacity="1MiB")
    base, folder = f"{site.folder}/base.qcow2", f"{site.folder.parent}/other"
    pool = {"name": f"{site.pool}-other", "type": "dir", "path": folder}
    site.run("storage_pool", **pool)
    site.image(f"{folder}/clone.qcow2", "-b", base, "-F", "qcow2")
    site.run("storage_pool", **pool, state="inactive")
    assert f"is used by {folder}/clone.qcow2" in site.refused(
        "storage_volume", **volume, state="absent"
    )
    assert f"{folder}/clone.qcow2" in site.refused("storage_volume", **volume, capacity="2MiB")


@pytest.mark.parametrize("how", [("-t",), ("-t", "--read-only")])
def test_what_is_exported_stays(site: ImageSite, tmp_path: Path, how: tuple[str, ...]) -> None:
    path = site.image("export.qcow2")
    files = ["--socket", str(tmp_path / "socket"), "--pid-file", str(tmp_path / "pid")]
    site.libvirtd.run(["qemu-nbd", "--fork", *how, *files, path])
    gone = {"pool": site.pool, "name": "export.qcow2", "state": "absent"}
    assert "is used by qemu-nbd (process" in site.refused("storage_volume", **gone)
    pid = (tmp_path / "pid").read_text().strip()
    site.libvirtd.run(["bash", "-c", f"kill {pid}; while kill -0 {pid}; do sleep 0.1; done"])
    site.run("storage_volume", **gone)
    assert "export.qcow2" not in site.files()


def test_what_is_only_read_goes(site: ImageSite) -> None:
    """A file system keeps it for whoever reads it, until he is done."""
    path = site.libvirtd.outside(site.image("read.qcow2"))
    with path.open("rb"):
        site.run("storage_volume", pool=site.pool, name="read.qcow2", state="absent")
    assert not path.exists()


def test_what_a_running_vm_has_open_is_not_made_anew(site: ImageSite) -> None:
    site.declare(state="paused")
    site.libvirtd.run(["rm", site.base])
    site.virsh("pool-refresh", site.pool)
    told = site.refused(**site.args())
    assert f"{site.base} was removed, and vm/{site.vm} runs on what it was" in told
    assert "virsh blockcopy" in told and site.files() == set()
    site.virsh("destroy", site.vm)
    site.declare()


def test_an_image_that_is_gone_is_told_when_its_vm_goes(site: ImageSite) -> None:
    site.declare(state="stopped")
    site.libvirtd.run(["rm", site.base])
    site.virsh("pool-refresh", site.pool)
    plan = site.remove(remove_storage=True)["plan"]
    assert "is not there any more" in [change.get("note") for change in plan]


# ---- volumes that are there already


def test_a_volume_that_is_there_is_told_or_refused(site: ImageSite) -> None:
    site.declare(state="stopped")
    site.remove()
    disk = {"name": "root", "pool": site.pool, "capacity": "10MiB", "existing": "error"}
    told = site.refused(**site.args(disks=[disk]))
    assert "is there already (qcow2, 10MiB, last written 20" in told
    predicted = site.run("vm", check=True, **site.args())
    done = site.run("vm", **site.args())
    for run in (predicted, done):
        assert "takes up the volume" in str(run["warnings"]) and "qcow2, 10MiB" in str(run)
    assert "warnings" not in site.run("vm", **site.args())
    assert not site.declare(disks=[disk])["changed"]  # it is the VM's by now
    volume = {"pool": site.pool, "name": "one.qcow2", "capacity": "1MiB", "existing": "error"}
    site.run("storage_volume", **volume)
    assert "is there already" in site.refused("storage_volume", **volume)
    assert not site.run("storage_volume", **{**volume, "existing": "adopt"})["changed"]


def test_an_image_in_use_is_not_copied(site: ImageSite) -> None:
    site.declare(state="paused")
    copy = {"pool": site.pool, "name": "copy.qcow2", "copy_of": {"volume": f"{site.vm}-root.qcow2"}}
    told = site.refused("storage_volume", **copy)
    assert f"written to by disks.root of vm/{site.vm}" in told
    upload = {"pool": site.pool, "name": "upload.qcow2", "image": site.base}
    told = site.refused("storage_volume", **upload)
    assert f"image: {site.base} is written to by disks.root of vm/{site.vm}" in told
    site.snapshot("s1")
    site.run("storage_volume", **upload)
    site.run("storage_volume", **copy)  # nobody writes to what is below an overlay
