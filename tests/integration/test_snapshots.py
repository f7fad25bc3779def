"""Snapshots, overlays and copies that others made of VMs' disks: nothing is planned away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.guest import CHANNEL, COMMAND_LINE, TinyGuest, provide
from support.image_site import ImageSite, disk_xml
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd, wait_until

Args = dict[str, Any]


@pytest.fixture
def site(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path) -> ImageSite:
    return ImageSite(libvirtd, modules, prefix, images)


# ---- snapshots


@pytest.mark.parametrize("state", ["paused", "stopped"])
@pytest.mark.parametrize("more", [(), ("--no-metadata",)])
def test_a_snapshot_is_not_planned_away(site: ImageSite, state: str, more: tuple[str, ...]) -> None:
    site.declare(state=state)
    overlay = site.snapshot("s1", *more)
    for apply in ("live", "next_boot", "restart"):
        done = site.declare(apply=apply)
        assert (done["changed"], done["plan"], done["pending_restart"]) == (False, [], [])
    warned = str(done["warnings"])
    assert overlay in warned and site.base in warned
    assert site.sources() == {overlay}


def test_a_transient_disk_waits_for_nothing(site: ImageSite) -> None:
    """libvirt gives it an overlay of its own at each start, which nobody is to merge."""
    site.declare(state="stopped")
    text = site.virsh("dumpxml", site.vm, "--inactive")
    stored = text.replace("<target dev='vda'", "<transient/><target dev='vda'")
    site.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=stored)
    site.virsh("start", site.vm, "--paused")
    for apply in ("live", "restart"):
        done = site.declare(apply=apply)
        assert (done["plan"], done["pending_restart"]) == ([], [])
        assert "warnings" not in done
    found = site.run("vm_info", names=[site.vm])["vms"][0]
    assert not found.get("pending_restart")


def test_a_chain_of_three_is_not_planned_away(site: ImageSite) -> None:
    site.declare(state="paused")
    overlays = [site.snapshot(f"s{number}") for number in (1, 2, 3)]
    assert not site.declare()["changed"]
    assert site.sources() == {overlays[-1]}


def test_a_vm_with_a_snapshot_changes_otherwise(site: ImageSite) -> None:
    site.declare(state="paused")
    overlay = site.snapshot("s1")
    done = site.declare(title="kept", apply="next_boot")
    assert [change["field"] for change in done["plan"]] == ["title"]
    site.virsh("destroy", site.vm)
    assert site.declare(description="kept too")["changed"]
    assert site.sources() == {overlay}


def test_after_a_commit_the_disk_is_as_declared_again(site: ImageSite) -> None:
    site.declare(state="paused")
    site.snapshot("s1")
    site.virsh("blockcommit", site.vm, "vda", "--active", "--pivot", "--wait")
    done = site.declare()
    assert (done["changed"], done.get("warnings", [])) == (False, [])
    assert site.sources() == {site.base}


def test_an_overlay_in_another_folder_is_one_too(site: ImageSite) -> None:
    """And one whose header alone tells the chain, under a relative and a json: name."""
    site.declare(state="stopped")
    elsewhere = str(site.folder.parent / "overlay.qcow2")
    names = (
        site.base,
        f"pool/{site.vm}-root.qcow2",
        f'json:{{"file":{{"driver":"file","filename":"{site.base}"}}}}',
    )
    for name in names:
        site.image(elsewhere, "-b", name, "-F", "qcow2")
        text = site.virsh("dumpxml", site.vm, "--inactive").replace(site.base, elsewhere)
        site.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=text)
        assert not site.declare()["changed"], name
        assert site.sources() == {elsewhere}
        site.virsh("start", site.vm, "--paused")
        assert not site.declare()["changed"], name
        site.virsh("destroy", site.vm)


def test_what_a_guest_wrote_into_a_raw_disk_is_no_chain(site: ImageSite) -> None:
    site.declare(state="stopped")
    other = site.image("other.qcow2", "-b", site.base, "-F", "qcow2")
    text = site.virsh("dumpxml", site.vm, "--inactive")
    text = text.replace(site.base, other).replace("type='qcow2'", "type='raw'")
    site.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=text)
    named = [{"name": "root", "pool": site.pool, "volume": Path(site.base).name, "format": "qcow2"}]
    assert "would write to" in site.refused(**site.args(disks=named))


@pytest.mark.parametrize("state", ["paused", "stopped"])
def test_an_overlay_is_neither_replaced_nor_taken_away(site: ImageSite, state: str) -> None:
    site.declare(state=state)
    overlay = site.snapshot("s1")
    assert overlay in site.refused(**site.args(disks=[], purge=True))
    assert overlay in site.refused(**site.args(disks=[{"name": "root", "state": "absent"}]))
    disks = [{"name": "root", "pool": site.pool, "volume": "new.qcow2", "capacity": "10MiB"}]
    assert overlay in site.refused(**site.args(disks=disks))
    assert site.sources() == {overlay}


def test_an_overlay_over_a_raw_image_is_one_too(site: ImageSite) -> None:
    disks = [{"name": "root", "pool": site.pool, "capacity": "10MiB", "format": "raw"}]
    site.declare(disks=disks, state="paused")
    overlay = f"{site.folder}/{site.vm}-root.s1"
    site.snapshot("s1")
    assert not site.declare(disks=disks)["changed"]
    assert site.sources() == {overlay}


def test_an_overlay_that_was_merged_is_not_put_back(site: ImageSite) -> None:
    site.declare(state="paused")
    overlay = site.snapshot("s1")
    site.virsh("blockcommit", site.vm, "vda", "--active", "--pivot", "--wait")
    site.virsh("snapshot-delete", site.vm, "s1", "--metadata")
    disks = [{"name": "root", "file": overlay, "format": "qcow2"}]
    assert "does not fit it any more" in site.refused(**site.args(disks=disks))
    site.virsh("destroy", site.vm)
    site.libvirtd.run(["touch", site.base])
    assert "does not fit it any more" in site.refused(**site.args(disks=disks))
    site.libvirtd.run(["touch", overlay])  # as an overlay that is made by hand, for the VM
    done = site.run("vm", check=True, **site.args(disks=disks))
    assert "disks.root.file" in [change["field"] for change in done["plan"]]


def test_a_disk_that_snapshots_in_images_need_goes_with_a_warning(site: ImageSite) -> None:
    root = site.args()["disks"][0]
    data = {**root, "name": "data"}
    site.declare(disks=[root, data], state="stopped")
    site.virsh("snapshot-create-as", site.vm, "inside")
    assert not site.declare(disks=[root, data])["changed"]
    [told] = site.run("vm_info", names=[site.vm])["vms"]
    assert told["snapshots"][0]["internal"]
    gone = site.run("vm", **site.args(disks=[{"name": "data", "state": "absent"}]))
    assert "disks.data holds a part of the snapshots inside" in str(gone["warnings"])


def test_what_only_a_snapshot_has_in_a_drive_stays(site: ImageSite) -> None:
    medium = {"pool": site.pool, "name": "medium.iso"}
    site.run("storage_volume", **medium, capacity="1MiB", format="raw")
    drive = {"name": "medium", "pool": site.pool, "volume": "medium.iso"}
    site.declare(cdroms=[drive], state="stopped")
    site.virsh("snapshot-create-as", site.vm, "before")
    site.declare(cdroms=[{"name": "medium", "file": ""}])
    refused = site.refused("storage_volume", **medium, state="absent")
    assert f"is used by {site.vm} (snapshot before)" in refused
    site.virsh("snapshot-delete", site.vm, "before")
    assert site.run("storage_volume", **medium, state="absent")["changed"]


# ---- adoption


def test_a_disk_of_others_is_found_by_its_source(site: ImageSite) -> None:
    path = site.image("web.qcow2")
    site.define(disk_xml(path))
    before = site.virsh("dumpxml", site.vm, "--inactive")
    disks: list[Args] = [{"name": "root", "pool": site.pool, "volume": "web.qcow2"}]
    assert not site.declare(disks=disks, purge=True)["changed"]
    assert site.virsh("dumpxml", site.vm, "--inactive") == before
    done = site.declare(disks=[{**disks[0], "cache": "none"}])
    assert [change["field"] for change in done["plan"]] == ["disks.vda.cache"]


def test_a_disk_of_others_is_found_below_its_overlay(site: ImageSite) -> None:
    path = site.image("web.qcow2")
    site.define(disk_xml(path))
    overlay = f"{site.folder}/web.s1"
    site.virsh("start", site.vm, "--paused")
    site.virsh("snapshot-create-as", site.vm, "s1", "--disk-only")
    disks = [{"name": "root", "pool": site.pool, "volume": "web.qcow2"}]
    assert not site.declare(disks=disks)["changed"]
    assert site.sources() == {overlay}


def test_a_disk_of_others_goes_by_its_source(site: ImageSite) -> None:
    path = site.image("web.qcow2")
    site.define(disk_xml(path))
    for disk in ({"file": path}, {"pool": site.pool, "volume": "web.qcow2"}):
        gone = [{"name": "root", "state": "absent", **disk}]
        done = site.run("vm", check=True, **site.args(disks=gone))
        assert [change["field"] for change in done["plan"]] == ["disks.vda"]
    site.declare(disks=gone)
    assert not site.xml().findall("devices/disk")
    site.run("vm", **site.args(disks=[{"name": "x", "file": "/none", "state": "absent"}]))


def test_a_link_to_an_image_is_the_image(site: ImageSite) -> None:
    path = site.image("web.qcow2")
    site.define(disk_xml(path))
    link = f"{site.folder.parent}/link"
    site.libvirtd.run(["ln", "-s", path, link])
    disks = [{"name": "root", "file": link, "format": "qcow2"}]
    assert not site.declare(disks=disks)["changed"]


def test_a_disk_under_two_names_is_refused(site: ImageSite) -> None:
    site.declare(state="stopped")
    disks = [{"name": "other", "pool": site.pool, "volume": f"{site.vm}-root.qcow2"}]
    assert "declare it as root" in site.refused(**site.args(disks=disks))


# ---- removal


def test_overlays_and_their_base_go_together(site: ImageSite) -> None:
    site.declare(state="paused")
    overlays = [site.snapshot(name) for name in ("s1", "s2")]
    done = site.remove(remove_storage=True)
    gone = {change["resource"] for change in done["plan"] if change["after"] == "absent"}
    volumes = {Path(path).name for path in (site.base, *overlays)}
    assert {f"storage_volume/{site.pool}/{name}" for name in volumes} < gone
    assert site.files() == set()


def test_images_stay_where_the_vm_goes_alone(site: ImageSite) -> None:
    site.declare(state="stopped")
    overlay = site.snapshot("s1")
    done = site.remove()
    assert "snapshots" in [change["field"] for change in done["plan"]]
    assert site.files() == {Path(site.base).name, Path(overlay).name}


def test_what_a_clone_stands_on_stays(site: ImageSite) -> None:
    golden = site.image("golden.qcow2")
    disk = {"name": "root", "pool": site.pool, "backing": {"volume": "golden.qcow2"}}
    site.declare(disks=[disk], state="paused")
    site.snapshot("s1")
    done = site.remove(remove_storage=True)
    assert golden in [change["before"] for change in done["plan"] if change["after"] == "kept"]
    assert site.files() == {"golden.qcow2"}


def test_images_of_which_nobody_knows_whose_they_are_stay(site: ImageSite) -> None:
    site.declare(state="paused")
    overlay = site.snapshot("s1", "--no-metadata")
    told = site.refused(**site.args(disks=None, state="absent", remove_storage=True))
    assert overlay in told and site.base in told and "virsh blockcommit" in told


def test_an_overlay_outside_of_every_pool_is_refused(site: ImageSite) -> None:
    site.declare(state="paused")
    elsewhere = f"{site.folder.parent}/s1.qcow2"
    site.virsh(
        *("snapshot-create-as", site.vm, "s1", "--disk-only", "--diskspec", f"vda,file={elsewhere}")
    )
    assert not site.declare()["changed"]
    told = site.refused(**site.args(disks=None, state="absent", remove_storage=True))
    assert elsewhere in told and site.base in told


# ---- jobs, and disks that others moved


def test_a_disk_is_left_alone_while_a_job_works_on_it(site: ImageSite) -> None:
    site.declare(state="paused")
    copy = f"{site.folder}/copy.qcow2"
    site.virsh("blockcopy", site.vm, "vda", copy, "--wait", "--transient-job")
    assert not site.declare()["changed"]
    gone = [{"name": "root", "state": "absent"}]
    told = site.refused(**site.args(disks=gone))
    assert "disks.root: a blockcopy of it is under way" in told and "--abort" in told
    assert "blockcopy" in site.refused("host_config", vms=[site.args(disks=gone)])
    grown = [{"name": "root", "pool": site.pool, "capacity": "20MiB"}]
    assert f"in vm/{site.vm}" in site.refused(**site.args(disks=grown))
    how = {"timeout_s": 1, "on_timeout": "power_off"}
    restarts = site.args(title="new", cpu={"maximum": 2}, apply="restart", shutdown=how)
    assert "blockcopy" in site.refused(**restarts)
    other = site.image("other.qcow2")
    site.refused(**site.args(disks=[{"name": "root", "file": other, "format": "qcow2"}]))
    third = {**site.args(disks=[{"name": "root", "file": copy, "format": "qcow2"}])}
    assert f"disks.root of vm/{site.vm}" in site.refused(**{**third, "name": f"{site.vm}-2"})
    site.virsh("blockjob", site.vm, "vda", "--abort")
    assert site.declare(disks=grown)["changed"]


@pytest.mark.parametrize("scratch", ["scratch", "scratch.qcow2"])
def test_a_disk_is_left_alone_while_it_is_backed_up(site: ImageSite, scratch: str) -> None:
    site.declare(state="paused")
    pull = f"""
        <domainbackup mode='pull'>
        <server transport='unix' socket='/var/lib/libvirt/qemu/{site.vm}.nbd'/><disks>
          <disk name='vda' backup='yes' type='file'><scratch file='{site.folder}/{scratch}'/></disk>
        </disks></domainbackup>"""
    site.libvirtd.run(["virsh", "backup-begin", site.vm, "/dev/stdin"], stdin=pull)
    assert not site.declare()["changed"]
    gone = [{"name": "root", "state": "absent"}]
    assert "a backup of it is under way" in site.refused(**site.args(disks=gone))
    volume = {"pool": site.pool, "name": scratch}
    told = site.refused("storage_volume", **volume, state="absent")
    assert f"is used by the backup of vda of vm/{site.vm}" in told
    second = [{"name": "root", "file": f"{site.folder}/{scratch}", "format": "qcow2"}]
    assert "the backup of vda" in site.refused(**{**site.args(disks=second), "name": "second"})
    assert scratch in site.files()
    site.virsh("domjobabort", site.vm)
    # libvirt removes the file once the job has ended, which it does not wait for.
    wait_until(lambda: scratch not in site.files(), 60, "the backup's file to be gone")
    assert not site.run("storage_volume", **volume, state="absent")["changed"]
    assert site.run("vm", check=True, **site.args(disks=gone))["plan"]


def _move(site: ImageSite, job: str) -> str:
    """Have others move the disk to another image; the path of that."""
    if job == "blockpull":
        site.snapshot("s1", "--no-metadata")
        site.virsh(job, site.vm, "vda", "--wait")
        return site.sources().pop()
    copy = f"{site.folder}/copy.qcow2"
    site.virsh(job, site.vm, "vda", copy, "--wait", "--transient-job", "--pivot")
    return copy


@pytest.mark.parametrize("job", ["blockcopy", "blockpull"])
@pytest.mark.parametrize("by", ["volume", "file"])
def test_a_disk_on_a_named_image_is_not_put_back(site: ImageSite, by: str, job: str) -> None:
    base = site.image("named.qcow2")
    disk = {"pool": site.pool, "volume": "named.qcow2"}
    if by == "file":
        disk = {"file": base, "format": "qcow2"}
    named = [{"name": "root", **disk}]
    site.declare(state="paused", disks=named)
    now = _move(site, job)
    told = site.refused(**site.args(disks=named))
    assert f"is on {now} (last written" in told and f"no more on {base} (last written" in told
    assert now in site.sources() and base not in site.sources()
    moved = [{"name": "root", "pool": site.pool, "volume": Path(now).name}]
    assert not site.declare(disks=moved)["changed"]
    site.refused(**site.args(disks=named))  # it would still be put back
    site.virsh("destroy", site.vm)
    site.declare(disks=[{"name": "root", "state": "absent"}])
    assert site.declare(disks=named)["changed"]
    assert site.sources() == {base}


def test_a_disk_that_is_declared_anew_is_moved(site: ImageSite) -> None:
    """Where others have moved it meanwhile, as where they have not."""
    named = [{"name": "root", "file": site.image("a.qcow2"), "format": "qcow2"}]
    site.declare(state="paused", disks=named)
    now = _move(site, "blockcopy")
    site.virsh("destroy", site.vm)
    other = site.image("b.qcow2")
    done = site.declare(disks=[{"name": "root", "file": other, "format": "qcow2"}])
    warned = str(done["warnings"])
    assert f"{now} (last written" in warned and f"{other} (last written" in warned
    assert site.sources() == {other}
    assert site.declare(disks=named)["changed"]


def test_nothing_is_told_of_others_where_a_disk_is_on_what_was_declared(site: ImageSite) -> None:
    named = [{"name": "root", "file": site.image("a.qcow2"), "format": "qcow2"}]
    site.declare(disks=named)
    named[0]["file"] = site.image("b.qcow2")
    assert "others moved" not in str(site.declare(disks=named).get("warnings"))


def test_a_disk_gets_no_file_of_another_format_than_it_keeps(site: ImageSite) -> None:
    """A guest would see a qcow2 image as a raw one, and write over what makes it one."""
    raw, qcow2 = f"{site.folder}/a.raw", site.image("b.qcow2")
    site.run("storage_volume", pool=site.pool, name="a.raw", format="raw", capacity="10MiB")
    site.declare(disks=[{"name": "root", "file": raw, "format": "raw"}])
    told = site.refused(**site.args(disks=[{"name": "root", "file": qcow2}]))
    assert f"disks.root.format: is raw, but {qcow2} is qcow2" in told
    both = [{"name": "root", "file": qcow2, "format": "qcow2"}]
    assert site.declare(disks=both)["changed"]
    assert f"is qcow2, but {raw} is no" in site.refused(
        **site.args(disks=[{"name": "root", "file": raw}])
    )


def test_what_was_declared_of_a_vm_is_not_so_of_its_clone(site: ImageSite) -> None:
    base, copy = site.image("a.qcow2"), site.image("b.qcow2")
    named = [{"name": "root", "file": base, "format": "qcow2"}]
    site.declare(disks=named)
    text = site.virsh("dumpxml", site.vm, "--inactive")
    text = text.replace(f"<source file='{base}'", f"<source file='{copy}'")
    assert f'on="{base}"' in text and f"file='{base}'" not in text
    uuid = site.xml().findtext("uuid") or ""
    site.virsh("undefine", site.vm)
    clone = text.replace(f"<uuid>{uuid}</uuid>", "")
    site.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=clone)
    assert site.declare(disks=named)["changed"]


@pytest.mark.parametrize("job", ["blockcopy", "blockpull"])
def test_a_disk_that_names_no_volume_is_not_put_back(site: ImageSite, job: str) -> None:
    """The declaration is what it was, so others moved the disk, and its old data is outdated."""
    site.declare(state="paused")
    now = _move(site, job)
    told = site.refused(**site.args())
    assert f"is on {now} (last written" in told and f"its own volume {site.base}" in told
    moved = [{"name": "root", "pool": site.pool, "volume": Path(now).name}]
    assert not site.declare(disks=moved)["changed"]


def test_a_disk_is_not_moved_onto_a_new_and_empty_volume(site: ImageSite) -> None:
    """As after virsh blockpull, when what was below is no longer needed and removed."""
    site.declare(state="paused")
    overlay = site.snapshot("s1", "--no-metadata")
    site.virsh("blockpull", site.vm, "vda", "--wait")
    site.libvirtd.run(["rm", site.base])
    site.virsh("pool-refresh", site.pool)
    told = site.refused(**site.args())
    assert f"is on {overlay}" in told and f"{site.base} would be new and empty" in told
    assert site.base not in site.files()


def test_a_vm_is_not_restarted_onto_what_is_below_its_overlay(site: ImageSite) -> None:
    site.declare(state="paused")
    overlay = site.snapshot("s1", "--no-metadata")
    text = site.virsh("dumpxml", site.vm, "--inactive")
    start, _backing, rest = text.partition("<backingStore")
    rest = rest.partition("</backingStore>")[2]
    stale = (start + rest).replace(overlay, site.base)
    site.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=stale)
    done = site.run("vm", **site.args())
    assert not done["changed"] and "onto which a start puts it back" in str(done["warnings"])
    assert overlay in site.refused(**site.args(apply="restart"))


def test_snapshots_and_chains_are_told(site: ImageSite) -> None:
    site.declare(state="paused")
    overlay = site.snapshot("s1")
    [told] = site.run("vm_info", names=[site.vm])["vms"]
    assert told["backing_chains"] == {"root": [overlay, site.base]}
    [taken] = told["snapshots"]
    assert taken.pop("created").startswith("20")
    assert taken == {
        **{"name": "s1", "state": "disk-snapshot", "parent": "", "description": ""},
        **{"disk_only": True, "internal": False, "current": True, "format": "external"},
        **{"memory": False, "memory_file": "", "disks": {"vda": overlay}},
    }
    site.virsh("destroy", site.vm)
    [told] = site.run("vm_info", names=[site.vm])["vms"]
    assert told["backing_chains"] == {"root": [overlay, site.base]}


@pytest.mark.boots_guest
def test_a_guest_reads_after_a_restart_what_it_wrote_after_a_snapshot(site: ImageSite) -> None:
    provide(site.libvirtd.outside(site.folder))
    kernel, initrd = f"{site.folder}/vmlinuz", f"{site.folder}/initramfs.img"
    boots = {
        "memory": {"size": "256MiB"},
        "boot": {"kernel": kernel, "initrd": initrd, "cmdline": COMMAND_LINE},
        "channels": [{"name": CHANNEL}],
    }
    site.declare(**boots, state="running")
    guest = TinyGuest(site.vm, site.libvirtd.uri, site.libvirtd.outside)
    guest.wait_ready()
    guest.write("vda", 0, 4, "before")
    overlay = site.snapshot("s1")
    written = guest.write("vda", 0, 4, "after")
    boot = guest.report()["boot_id"]
    site.declare(**boots, cpu={"maximum": 2}, apply="restart", shutdown={"timeout_s": 60})
    guest.wait_reboot(boot)
    assert guest.checksum("vda", 0, 4) == written
    assert site.sources() == {overlay}
