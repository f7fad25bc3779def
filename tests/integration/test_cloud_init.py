"""Seeds for cloud-init on a real libvirtd: made, read back by another program, changed, gone."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.ansible_runs import run_module
from support.guest import CHANNEL, COMMAND_LINE, TinyGuest, provide
from support.guest_moves import Moves
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd, wait_until

Result = dict[str, Any]

OFF = {"timeout_s": 1, "on_timeout": "power_off"}
HASH = "$6$salt$CANARYCANARYCANARY"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKeyOfNobody me@there"


class Guest:
    """One VM with a seed, declared again and again."""

    def __init__(
        self, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, folder: Path
    ) -> None:
        self.libvirtd, self.modules = libvirtd, modules
        self.name, self.pool, self.folder = f"{prefix}web", f"{prefix}pool", folder
        pool = {"name": self.pool, "type": "dir", "path": str(folder)}
        assert not modules.run("storage_pool", pool).get("failed")
        net = {"name": f"{prefix}net", "type": "isolated", "address": "192.0.2.1/24"}
        done = modules.run("vswitch", net)
        assert not done.get("failed"), done["msg"]
        self.nic = {"name": "lan", "vswitch": net["name"], "mac": "52:54:00:00:00:01"}
        self.disk = {"name": "root", "pool": self.pool, "capacity": "2MiB"}

    def run(self, check: bool = False, **options: Any) -> Result:
        return self.modules.run("vm", {"name": self.name, **options}, check)

    def set(self, seed: dict[str, Any] | None = None, **options: Any) -> Result:
        """Declare it: check mode says what the run does, and a second run does nothing."""
        options.update({} if seed is None else {"cloud_init": seed})
        predicted, done = self.run(True, **options), self.run(**options)
        assert not done.get("failed"), done["msg"]
        for part in ("plan", "diff", "summary"):
            assert predicted[part] == done[part], part
        assert "CANARY" not in str(predicted) + str(done)
        again = self.run(**options)
        assert (again["changed"], again["plan"]) == (False, []), again["plan"]
        return done

    def come(self, seed: dict[str, Any], **options: Any) -> Result:
        small = {"virt_type": "qemu", "memory": {"size": "64MiB"}, "disks": [self.disk]}
        return self.set(seed, **{**small, **options})

    def fails(self, seed: dict[str, Any], **options: Any) -> str:
        done = self.run(True, cloud_init=seed, **options)
        assert done.get("failed"), done["plan"]
        return str(done["msg"])

    @property
    def files(self) -> list[str]:
        """What is in its pool beside its disk."""
        there = [path.name for path in self.libvirtd.outside(self.folder).iterdir()]
        return sorted(name.replace(self.name, "web") for name in there if "root" not in name)

    def drive(self, *options: str) -> str:
        """The file in the drive of the seed."""
        xml = self.libvirtd.virsh("dumpxml", self.name, *options)
        disks = re.findall(r"<disk [^>]*cdrom.*?</disk>", xml, re.DOTALL)
        found = re.search(r"<source file='([^']*)'", next(d for d in disks if "cloud-init" in d))
        return found[1] if found else ""

    def channel(self) -> str:
        """The channel of the agent, as it is in what runs."""
        xml = self.libvirtd.virsh("dumpxml", self.name)
        return "".join(re.findall(r"<target [^>]*org.qemu.guest_agent.0[^>]*>", xml))

    def seed(self) -> dict[str, str]:
        """The files in the image of the seed, read by another program."""
        image = self.libvirtd.outside(self.drive("--inactive"))
        found = {}
        for name in ("meta-data", "user-data", "network-config", "vendor-data"):
            into = image.parent / "read"
            read = ["xorriso", "-osirrox", "on", "-indev", str(image), "-extract", f"/{name}"]
            subprocess.run([*read, str(into)], capture_output=True, check=False)
            if into.exists():
                found[name] = into.read_text()
                into.unlink()
        return found


@pytest.fixture
def guest(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path) -> Guest:
    return Guest(libvirtd, modules, prefix, images)


def rows(done: Result) -> dict[str, tuple[Any, Any, str]]:
    return {row["field"]: (row["before"], row["after"], row["class"]) for row in done["plan"]}


def test_a_seed_comes_is_read_and_goes_with_its_vm(guest: Guest) -> None:
    nic = {"name": "lan", "address": "192.0.2.10/24", "gateway": "192.0.2.1", "dns": "192.0.2.53"}
    seed = {
        "hostname": "web.example.com",
        "user": "ops",
        "ssh_keys": [KEY],
        "password_hash": HASH,
        "nics": [nic],
        "user_data": {"packages": ["nginx"], "write_files": [{"path": "/a", "content": "CANARY"}]},
        "vendor_data": "#!/bin/sh\necho CANARY\n",
    }
    done = guest.come(seed, nics=[guest.nic])
    assert guest.files == ["web-cidata.iso"]
    found = guest.seed()
    assert yaml.safe_load(found["meta-data"]) == {
        "instance-id": guest.name,
        "local-hostname": "web.example.com",
    }
    assert found["user-data"].startswith("#cloud-config\n")
    data = yaml.safe_load(found["user-data"])
    assert data["packages"] == ["nginx"] and data["write_files"][0]["content"] == "CANARY"
    assert data["users"][0]["hashed_passwd"] == HASH
    [lan] = yaml.safe_load(found["network-config"])["config"]
    assert (lan["name"], lan["mac_address"]) == ("lan", "52:54:00:00:00:01")
    assert lan["subnets"][0]["address"] == "192.0.2.10/24"
    assert found["vendor-data"] == seed["vendor_data"]
    assert done["vm"]["cloud_init"]["hostname"] == "web.example.com"
    assert "CANARY" not in guest.libvirtd.virsh("dumpxml", guest.name, "--security-info")
    done = guest.set(state="absent")
    volume = f"cloud_init.volumes.{guest.pool}/{guest.name}-cidata.iso"
    assert (volume, "absent") in {(r["field"], r["after"]) for r in done["plan"]}
    assert guest.files == []


def test_another_content_is_another_volume_and_rerun_another_instance(guest: Guest) -> None:
    guest.come({"user_data": {"packages": ["a"]}})
    one = guest.seed()
    done = guest.set({"user_data": {"packages": ["b"]}})
    assert "cloud_init.user_data" in rows(done)
    note = next(r["note"] for r in done["plan"] if r["field"] == "cloud_init.user_data")
    assert "a guest that has run takes up only" in note
    assert guest.files == ["web-cidata-2.iso"]
    two = guest.seed()
    assert two["user-data"] != one["user-data"] and two["meta-data"] == one["meta-data"]
    done = guest.set({"user_data": {"packages": ["b"]}, "rerun": True})
    assert "cloud_init.instance_id" in rows(done)
    three = guest.seed()
    assert three["user-data"] == two["user-data"] and three["meta-data"] != two["meta-data"]
    guest.set({"user_data": {"packages": ["c"]}, "rerun": True})
    four = guest.seed()["meta-data"]
    assert four not in (one["meta-data"], three["meta-data"])
    assert guest.files == ["web-cidata-2.iso"]
    guest.set({})
    guest.set({"user_data": {"packages": ["c"]}, "rerun": True})
    five = guest.seed()["meta-data"]
    guest.set({})
    guest.set({"user_data": {"packages": ["c"]}, "rerun": True})
    six = guest.seed()["meta-data"]
    assert len({one["meta-data"], three["meta-data"], four, five, six}) == 5
    guest.set({})
    guest.set({"user_data": {"packages": ["c"]}})
    assert guest.seed()["meta-data"] == six, "without rerun it stays the instance that it is"


def test_what_runs_gets_another_seed_at_once_and_none_when_it_is_taken_away(guest: Guest) -> None:
    guest.come({"hostname": "a"}, state="running")
    first = guest.drive()
    done = guest.set({"hostname": "b"})
    assert rows(done)["cdroms.cloud-init.file"][2] == "live"
    assert guest.drive() == guest.drive("--inactive") != first
    assert guest.files == ["web-cidata-2.iso"]
    guest.set(purge=True, cdroms=[])
    assert guest.drive()
    guest.set({"hostname": "c"}, apply="next_boot")
    assert guest.drive() != guest.drive("--inactive")
    assert guest.files == ["web-cidata-2.iso", "web-cidata.iso"]
    guest.set({"hostname": "c"})
    assert guest.files == ["web-cidata.iso"]
    done = guest.set({})
    assert guest.files == [] and guest.drive() == ""
    assert '"said": {}' in guest.libvirtd.virsh("dumpxml", guest.name, "--inactive")
    guest.set(state="stopped", shutdown=OFF)


def test_a_volume_of_others_is_passed_over_and_one_they_wrote_to_is_made_anew(guest: Guest) -> None:
    theirs = guest.libvirtd.outside(guest.folder) / f"{guest.name}-cidata.iso"
    theirs.write_text("theirs")
    guest.come({"hostname": "a"})
    assert theirs.read_text() == "theirs" and guest.drive("--inactive").endswith("-cidata-2.iso")
    guest.libvirtd.outside(Path(guest.drive("--inactive"))).write_text("broken")
    done = guest.set({"hostname": "a"})
    assert [r.get("note") for r in done["plan"] if r["field"] == "cloud_init.volume"] == [
        "others wrote to it"
    ]
    assert "local-hostname" in guest.seed()["meta-data"]
    guest.libvirtd.outside(Path(guest.drive("--inactive"))).unlink()
    done = guest.set({"hostname": "a"})
    assert "local-hostname" in guest.seed()["meta-data"]
    guest.set({})
    assert guest.files == ["web-cidata.iso"] and theirs.read_text() == "theirs"


def test_a_clone_keeps_the_seed_that_it_shares(guest: Guest, prefix: str) -> None:
    guest.come({"hostname": "a"})
    xml = guest.libvirtd.virsh("dumpxml", "--inactive", guest.name)
    xml = re.sub(r"<uuid>.*</uuid>", "", xml.replace(f"<name>{guest.name}", f"<name>{prefix}two"))
    guest.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=xml)
    done = guest.set({"hostname": "b"})
    notes = [row["note"] for row in done["plan"] if row["field"] == "cloud_init.former"]
    assert notes == [f"{prefix}two uses it too"]
    assert guest.files == ["web-cidata-2.iso", "web-cidata.iso"]
    guest.libvirtd.virsh("undefine", f"{prefix}two")
    guest.set({"hostname": "b"})
    assert guest.files == ["web-cidata-2.iso"]


def test_a_seed_stays_as_long_as_a_snapshot_has_it(guest: Guest) -> None:
    virsh = guest.libvirtd.virsh
    guest.come({"hostname": "a"}, state="running")
    virsh("snapshot-create-as", guest.name, "mem")
    done = guest.set({"hostname": "b"})
    assert guest.files == ["web-cidata-2.iso", "web-cidata.iso"]
    notes = [row["note"] for row in done["plan"] if row["field"] == "cloud_init.former"]
    assert notes == ["snapshot mem has it, and it stays until that is gone"]
    guest.set({})
    assert guest.files == ["web-cidata.iso"]
    virsh("snapshot-revert", guest.name, "mem")
    assert guest.drive().endswith("web-cidata.iso")
    guest.set({"hostname": "c"})
    # libvirt deletes no internal snapshot whole of what runs with another medium.
    virsh("snapshot-delete", guest.name, "mem", "--metadata")
    guest.set({"hostname": "c"})
    assert guest.files == ["web-cidata-2.iso"]
    guest.set(state="stopped", shutdown=OFF)


def test_what_an_interrupted_run_left_is_cleared_up(guest: Guest) -> None:
    pool = guest.libvirtd.outside(guest.folder)
    half = [f".{guest.name}-cidata.iso.partial", f"{guest.name}-cidata.iso"]
    for name in half:  # it had made the volume, and no VM yet that names it
        (pool / name).write_text("half")
    guest.come({"hostname": "a"})
    assert guest.files == ["web-cidata.iso"] and "local-hostname" in guest.seed()["meta-data"]
    (pool / half[0]).write_text("")  # the VM names it, and its mark is still there
    guest.libvirtd.virsh("pool-refresh", guest.pool)
    guest.set({"hostname": "a"})
    assert guest.files == ["web-cidata-2.iso"]
    (pool / half[1]).write_text("the former one")  # it was to go
    guest.libvirtd.virsh("pool-refresh", guest.pool)
    note = ["metadata", guest.name, "urn:kvm.fleet:1:seed", "--config"]
    told = guest.libvirtd.virsh(*note).replace(
        '"volume"', f'"former": ["{guest.pool}/{half[1]}"], "volume"'
    )
    guest.libvirtd.virsh(*note, "--key", "fleet-seed", "--set", told.strip())
    done = guest.set({"hostname": "a"})
    gone = f"cloud_init.volumes.{guest.pool}/{half[1]}"
    assert [row["field"] for row in done["plan"]] == ["cloud_init.former", gone]
    assert guest.files == ["web-cidata-2.iso"]


def test_a_plan_for_a_snapshot_is_that_for_the_host(guest: Guest, images: Path) -> None:
    dest = str(images / "host.json")
    guest.come({"user_data": {"packages": ["CANARY"]}})
    taken = guest.modules.run("host_snapshot", {"dest": dest})
    assert not taken.get("failed"), taken["msg"]
    assert "CANARY" not in guest.libvirtd.outside(Path(dest)).read_text()
    for packages, changes in (("CANARY", False), ("other", True)):
        seed = {"user_data": {"packages": [packages]}}
        on_host = guest.run(True, cloud_init=seed)
        by_file = guest.run(True, cloud_init=seed, uri=f"snapshot:{dest}")
        assert on_host["changed"] == changes
        for part in ("plan", "diff", "summary"):
            assert by_file[part] == on_host[part], part
    guest.libvirtd.outside(Path(dest)).unlink()


def test_a_host_is_exported_with_seeds_of_which_nothing_is_hidden(guest: Guest) -> None:
    def told() -> tuple[dict[str, Any], str]:
        done = guest.modules.run("export", {"volumes": "none"})
        [vm] = [vm for vm in done["declarations"]["vms"] if vm["name"] == guest.name]
        return vm, str([text for text in done.get("warnings", []) if guest.name in str(text)])

    nics = [{"name": "lan", "address": ["192.0.2.10/24"]}]
    guest.come({"hostname": "a", "user": "ops", "nics": nics}, nics=[guest.nic])
    vm, warnings = told()
    assert vm["cloud_init"] == {"hostname": "a", "user": "ops", "nics": nics, "detach": "never"}
    assert "cdroms" not in vm and "cloud_init" not in warnings
    guest.set({"hostname": "a", "user_data": {"packages": ["b"]}})
    vm, warnings = told()
    assert "cloud_init" not in vm and "cdroms" not in vm and "cloud_init" in warnings


# As the agent does, which no tiny guest has: it opens its channel and keeps it open.
BE_AN_AGENT = """
for port in /sys/class/virtio-ports/*; do
    grep -q guest_agent "$port/name" || continue
    setsid sleep 1000 </dev/null >/dev/null 2>&1 3<>"/dev/${port##*/}" &
done
"""


def test_a_guest_takes_its_name_and_address_and_gives_the_seed_back(
    guest: Guest, images: Path
) -> None:
    boot_files = images / "boot"
    provide(guest.libvirtd.outside(boot_files))
    nics = [{"name": "lan", "address": "192.0.2.77/24", "gateway": "192.0.2.1"}]
    seed = {"hostname": "seeded", "nics": nics, "detach": "after_boot"}
    guest.come(
        seed,
        memory={"size": "256MiB"},
        boot={
            "kernel": f"{boot_files}/vmlinuz",
            "initrd": f"{boot_files}/initramfs.img",
            "cmdline": COMMAND_LINE,
        },
        nics=[guest.nic],
        agent=True,
        channels=[{"name": CHANNEL}],
        state="running",
    )
    inside = TinyGuest(guest.name, guest.libvirtd.uri, guest.libvirtd.outside)
    inside.wait_ready()
    inside.wait_report("its name", lambda _: inside.wait_ready()["name"] == "seeded")
    assert inside.wait_address(guest.nic["mac"]) == "192.0.2.77"
    assert inside.ping("192.0.2.1")
    assert guest.files == ["boot", "web-cidata.iso"], "no agent has answered yet"
    guest.set(seed)
    inside.shell(BE_AN_AGENT)
    wait_until(lambda: "state='connected'" in guest.channel(), 60, "the agent answers")
    done = guest.set(seed)
    assert rows(done)["cdroms.cloud-init.file"][1:] == ("", "live")
    assert guest.files == ["boot"] and guest.drive() == guest.drive("--inactive") == ""
    inside.wait_report("no seed", lambda report: not any(d["seed"] for d in report["disks"]))
    guest.set({**seed, "hostname": "other"})  # which waits for a boot
    assert guest.files == ["boot", "web-cidata.iso"]
    guest.set(state="stopped", shutdown={**OFF, "timeout_s": 60})
    guest.set({**seed, "hostname": "other"}, state="running")
    inside.wait_report("another name", lambda _: inside.wait_ready()["name"] == "other")
    guest.set(state="absent", shutdown=OFF, remove_storage=True)
    assert guest.files == ["boot"]


def test_a_seed_goes_to_a_far_host_by_a_stream_and_is_in_the_way_of_a_move(moves: Moves) -> None:
    """xorriso runs where the module does, and what it made is seen through libvirt alone."""
    disk = {"name": "root", "pool": moves.pool, "capacity": "2MiB"}
    small = {"memory": {"size": "64MiB"}, "virt_type": "qemu", "machine": "pc"}
    args = {"uri": moves.source.tcp_uri, "name": moves.name, **small, "disks": [disk]}

    def declared(seed: dict[str, Any]) -> set[str]:
        vm = {**args, "cloud_init": seed}
        predicted = run_module("vm", vm, True, on=moves.target)
        done = run_module("vm", vm, on=moves.target)
        assert not done.get("failed"), done["msg"]
        assert predicted["plan"] == done["plan"] and done["changed"]
        assert not run_module("vm", vm, on=moves.target)["changed"]
        files = moves.source.outside(moves.images).iterdir()
        return {file.name for file in files if file.suffix == ".iso"}

    assert declared({"hostname": "a"}) == {f"{moves.name}-cidata.iso"}
    assert declared({"hostname": "b"}) == {f"{moves.name}-cidata-2.iso"}
    refused = moves.move(mode="offline")
    assert "cdroms.cloud-init" in refused["msg"], refused
    assert declared({}) == set()
    moved = moves.move(mode="offline")
    assert not moved.get("failed"), moved["msg"]
    assert moves.states() == {moves.target.name: "shut off"}
