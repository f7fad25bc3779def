"""Plans for exports over NBD: what is begun, ended, cleared and refused."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import File
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_backup_export import reader
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_backup_export.case import Case
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_backup_export.declared import (
    declared_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_backup_export.planned import (
    Planned,
    planned,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm_backup_export.told import told
from support import backups
from support.backups import DATA, DIRECTORY
from support.moves import GIB, MIB, UUID, VM

OWN = "/var/lib/libvirt/qemu/domain-1-web"
SOCKET = f"{OWN}/backup.sock"
UNIX = f'transport="unix" socket="{SOCKET}"'
Rows = list[tuple[str, Any, Any]]


class Site(backups.Site):
    """A host with a VM, of which nothing is exported yet."""

    def __init__(self, state: str = "running", **parts: str) -> None:
        super().__init__(state=state, **parts)
        self.place: dict[str, Any] = {"exists": True}
        facts = self.host.facts
        facts[("exported", DIRECTORY, VM)] = self.place
        facts[("own_folder", VM)] = OWN
        facts[("file", OWN)] = File("folder")
        facts[("lacks_certificates",)] = ""

    def noted(self, **more: Any) -> None:
        """A run noted what it was about to begin."""
        files = ["vda.scratch"]
        mark = {"uuid": UUID, "begun": True, "checkpoint": "", "socket": SOCKET, "files": files}
        self.place["mark"] = {**mark, **more}

    def under_way(self, server: str = UNIX, folder: str = f"{DIRECTORY}/{VM}.export") -> None:
        """libvirt exports the first disk."""
        scratch = f'<scratch file="{folder}/vda.scratch"/>'
        disk = f'<disk name="vda" backup="yes" type="file" exportname="vda">{scratch}</disk>'
        none = '<disk name="vdb" backup="no"/>'
        self.host.facts[("backup", VM)] = (
            f'<domainbackup mode="pull"><server {server}/>'
            f"<disks>{disk}{none}</disks></domainbackup>"
        )

    def export(self, **options: Any) -> Planned:
        params = {"vm": VM, "directory": DIRECTORY, "state": "present", **options}
        return planned(Case(self.host.world(), declared_of(params)))

    def not_exported(self, **options: Any) -> str:
        with pytest.raises(FleetErrors) as error:
            self.export(**options)
        return str(error.value)


def rows(found: Planned) -> Rows:
    changes = found.plan.changes
    return [(".".join(one.field), one.before, str(one.after)) for one in changes]


def test_it_is_at_a_socket_that_root_alone_reaches() -> None:
    found = Site().export()
    assert rows(found) == [
        ("export", None, f"nbd+unix:///?socket={SOCKET}"),
        ("disks.vda", None, "full"),
    ]
    assert found.plan.warnings == ()
    assert told(found)["disks"]["vda"] == {
        "target": "vda",
        "uri": f"nbd+unix:///vda?socket={SOCKET}",
        "bitmap": "",
        "size_bytes": 10 * GIB,
    }


def test_at_an_address_it_warns_without_tls() -> None:
    site = Site()
    site.host.facts[("why_not_bound", "::1", "10809")] = ""
    found = site.export(address="::1", port=10809)
    assert "whoever reaches ::1:10809" in " ".join(found.plan.warnings)
    assert told(found)["disks"]["vda"]["uri"] == "nbd://[::1]:10809/vda"
    found = site.export(address="::1", port=10809, tls=True)
    assert found.plan.warnings == ()
    assert told(found)["disks"]["vda"]["uri"] == "nbds://[::1]:10809/vda"
    site.host.facts[("lacks_certificates",)] = "/pki/server-cert.pem"
    site.host.facts[("why_not_bound", "::1", "10809")] = "Address already in use"
    refused = site.not_exported(address="::1", port=10809, tls=True)
    assert "there is no /pki/server-cert.pem" in refused and "already in use" in refused


def test_since_a_checkpoint_there_is_a_bitmap() -> None:
    site = Site()
    site.checkpoint("monday", vda=5 * MIB)
    found = site.export(since="monday", checkpoint="tuesday")
    assert rows(found)[1:] == [
        ("disks.vda", None, "incremental"),
        ("checkpoints.tuesday", None, "there"),
    ]
    assert told(found)["disks"]["vda"]["bitmap"] == "qemu:dirty-bitmap:backup-vda"
    assert "there is a checkpoint monday already" in site.not_exported(checkpoint="monday")
    assert "there is no checkpoint sunday" in site.not_exported(since="sunday")
    site.host.facts[("bitmaps", VM, "monday")] = {}
    assert "bitmap of vda since monday is missing" in site.not_exported(since="monday")


def test_a_raw_disk_has_no_bitmap() -> None:
    site = Site(devices=DATA.format("raw", ""))
    site.checkpoint("monday", vda=1)
    assert "is raw, in which QEMU cannot keep" in site.not_exported(since="monday")
    assert site.export(since="monday", disks=["vda"]).plan.changed
    refused = site.not_exported(disks=["vdb"], checkpoint="monday2")
    assert "none of the disks is qcow2" in refused


def test_one_that_is_under_way_as_declared_stays() -> None:
    site = Site()
    site.noted(checkpoint="monday")
    site.checkpoint("monday", vda=1)
    site.under_way()
    found = site.export(checkpoint="monday")
    assert not found.plan.changed and told(found)["checkpoint"] == "monday"
    for other in ({"socket": "/run/s"}, {"address": "::1", "port": 1}, {}):
        assert "end it first (state: absent)" in site.not_exported(**other)


@pytest.mark.parametrize("is_noted", [True, False])
def test_one_of_others_is_never_ended(is_noted: bool) -> None:
    site = Site()
    site.under_way(folder="/var/tmp")
    if is_noted:
        site.noted()
    assert "a backup of the VM is under way" in site.not_exported()
    ended = site.export(state="absent")
    assert [one[1] for one in rows(ended)] == (["over"] if is_noted else [])


def test_the_checkpoint_stays_where_that_is_said() -> None:
    site = Site()
    site.checkpoint("monday", vda=1)
    site.checkpoint("tuesday", vda=1)
    site.noted(since="monday", checkpoint="tuesday")
    site.under_way()
    ended = ("export", "under way", "absent")
    absent = ("checkpoints.tuesday", "there", "absent")
    before = ("checkpoints.monday", "there", "absent")
    assert rows(site.export(state="absent")) == [ended, absent]
    kept = {"state": "absent", "keep_checkpoint": True}
    assert rows(site.export(**kept)) == [ended]
    assert rows(site.export(**kept, remove_since=True)) == [ended, before]


@pytest.mark.parametrize("uuid", [UUID, "of another VM"])
def test_what_a_killed_run_left_goes_first(uuid: str) -> None:
    site = Site()
    site.checkpoint("monday", vda=1)
    site.noted(begun=False, checkpoint="monday", uuid=uuid)
    site.under_way()
    if uuid != UUID:
        assert "there is a checkpoint monday already" in site.not_exported(checkpoint="monday")
        return
    found = site.export(checkpoint="monday")
    assert found.ends and found.drops == ("monday",)
    assert [one[0] for one in rows(found)] == [
        *("export.before", "checkpoints.monday"),
        *("export", "disks.vda", "checkpoints.monday"),
    ]


def test_room_for_what_the_guest_overwrites() -> None:
    site = Site()
    site.host.facts[("room", DIRECTORY)] = 2 * GIB
    assert "has 2GiB left" in " ".join(site.export().plan.warnings)
    site.host.facts[("room", DIRECTORY)] = 512 * MIB
    assert "make room" in site.not_exported()


def test_what_is_at_the_socket_is_not_replaced() -> None:
    site = Site()
    site.host.facts[("file", SOCKET)] = File("other")
    assert "QEMU would replace it" in site.not_exported()
    site.noted()
    assert site.export().plan.changed, "it is what a VM that was killed left"


# ---- what is read


def test_certificates_are_where_libvirt_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "ROOT", tmp_path)
    host: Any = None
    assert reader.read_lacks_certificates(host) == f"{tmp_path}/etc/pki/qemu/ca-cert.pem"
    (tmp_path / reader.OF_BACKUPS).mkdir(parents=True)
    assert reader.read_lacks_certificates(host).endswith("libvirt-backup/ca-cert.pem")
    conf, said = tmp_path / reader.QEMU_CONF, tmp_path / "said"
    conf.parent.mkdir(parents=True)
    conf.write_text(f'#backup_tls_x509_cert_dir = "/no"\nbackup_tls_x509_cert_dir = "{said}"\n')
    assert reader.read_lacks_certificates(host) == f"{said}/ca-cert.pem"
    said.mkdir()
    for name in reader.CERTIFICATES:
        (said / name).touch()
    assert reader.read_lacks_certificates(host) == ""


def test_a_port_that_is_taken_is_seen() -> None:
    host: Any = None
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert reader.read_why_not_bound(host, "127.0.0.1", port) == "Address already in use"
    assert reader.read_why_not_bound(host, "127.0.0.1", port) == ""
    assert reader.read_why_not_bound(host, "192.0.2.1", port) != ""


def test_files_of_others_are_told(tmp_path: Path) -> None:
    host: Any = None
    assert "mark" not in reader.read_exported(host, str(tmp_path), "web")
    folder = tmp_path / "web.export"
    folder.mkdir()
    assert reader.read_exported(host, str(tmp_path), "web")["mark"] == {}
    (folder / "export.json").write_text('{"files": ["vda.scratch"]}')
    for name in ("vda.scratch", "mine"):
        (folder / name).touch()
    assert reader.read_exported(host, str(tmp_path), "web")["others"] == ["mine"]
