"""The role kvm_host, run for real: on this machine in check mode, and where no daemon runs yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.information import host_facts
from support.private_libvirtd import (
    LIBVIRTD_PID_FILE,
    VIRTLOGD_PID_FILE,
    PrivateLibvirtd,
    why_not_here,
)
from support.role_runs import bare_place, run_role

GUEST = """
<domain type='qemu'>
  <name>survivor</name>
  <memory unit='MiB'>16</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
</domain>
"""
PID_FILES = {"libvirtd": LIBVIRTD_PID_FILE, "virtlogd": VIRTLOGD_PID_FILE}

OF_THE_ROLE = r"roles/kvm_host/(?!.*migration)|plugins/modules/host_probe|tests/support/role_runs"
pytestmark = pytest.mark.skipif(bool(why_not_here()), reason=why_not_here() or "runs")


@pytest.fixture(scope="module")
def bare() -> Iterator[PrivateLibvirtd]:
    with bare_place() as place:
        yield place


def test_check_mode_recognises_this_machine(tmp_path: Path) -> None:
    """Whatever runs here goes on running."""
    running = host_facts.running_daemons(host_facts.service_manager())
    result = run_role(tmp_path, "--check", "--diff")
    assert not result.failed, result.output
    assert result.report["libvirt"]["running"] == running
    assert "Stop the daemon" not in result.changed
    assert "Restart the daemon" not in result.changed


def test_a_machine_without_packages_is_planned(tmp_path: Path, bare: PrivateLibvirtd) -> None:
    hide = (
        "mount --bind /dev/null /usr/sbin/libvirtd;"
        "mount --bind /dev/null /var/lib/dpkg/status;"
        'exec "$@"'
    )
    entry = [*bare.entry(), "unshare", "--mount", "sh", "-c", hide, "sh"]
    result = run_role(tmp_path, "--check", "--diff", entry=entry, kvm_host_storage_types=["netfs"])
    assert not result.failed, result.output
    assert result.changed == ["Say which packages would be installed", "Say what would follow"]
    assert "libvirt-daemon-system" in result.output
    assert {"nfs-common", "qemu-utils"} <= set(result.report["missing_packages"])
    assert result.report["libvirt"] == {"daemons": None, "running": {}, "version": None}


def test_daemons_are_started_without_systemd(tmp_path: Path, bare: PrivateLibvirtd) -> None:
    started = ["Start the daemons that do not run"]
    plan = run_role(tmp_path, "--check", entry=bare.entry())
    assert not plan.failed, plan.output
    assert plan.changed == started
    assert plan.report["libvirt"]["running"] == {}, "check mode started something"

    run = run_role(tmp_path, entry=bare.entry())
    assert not run.failed, run.output
    assert run.changed == started
    assert set(run.report["libvirt"]["running"]) == {"libvirtd", "virtlockd", "virtlogd"}
    assert run.report["libvirt"]["daemons"] == "monolithic"
    pid_file = bare.outside("/run/libvirt/libvirtd.pid")
    assert int(pid_file.read_text()) == run.report["libvirt"]["running"]["libvirtd"]

    again = run_role(tmp_path, entry=bare.entry())
    assert again.changed == []
    assert again.report == run.report


@pytest.fixture
def started(bare: PrivateLibvirtd) -> PrivateLibvirtd:
    """The same place, where all daemons run that the role starts."""
    if not bare.answers():
        bare.run(["virtlogd", "--daemon", "--pid-file", VIRTLOGD_PID_FILE])
        bare.run(["virtlockd", "--daemon"])
        bare.start_libvirtd()
    return bare


@pytest.mark.long(touched_by=OF_THE_ROLE)
def test_settings_restart_the_daemon_and_no_vm(tmp_path: Path, started: PrivateLibvirtd) -> None:
    bare = started
    settings = {
        "kvm_host_libvirtd_settings": {"max_clients": 4000},
        "kvm_host_qemu_settings": {"vnc_password": "hidden", "dump_guest_core": False},
    }
    restarted = [
        "Write the settings of libvirtd.conf",
        "Write the settings of qemu.conf",
        "Stop the daemon",
    ]
    guest = bare.outside("/etc/libvirt") / "guest.xml"
    guest.write_text(GUEST)
    pids = {name: int(bare.outside(file).read_text()) for name, file in PID_FILES.items()}
    bare.virsh("create", "/etc/libvirt/guest.xml")
    guest_id = bare.virsh("domid", "survivor")

    plan = run_role(tmp_path, "--check", "--diff", entry=bare.entry(), **settings)
    assert not plan.failed, plan.output
    assert plan.changed == restarted
    assert "max_clients = 4000" in plan.output
    assert "hidden" not in plan.output
    ran = plan.report["libvirt"]["running"]
    assert {name: ran[name] for name in pids} == pids, "check mode restarted a daemon"

    run = run_role(tmp_path, "--diff", entry=bare.entry(), **settings)
    assert not run.failed, run.output
    assert run.changed == [*restarted, "Start the daemons that do not run"]
    assert "hidden" not in run.output
    running = run.report["libvirt"]["running"]
    assert running["libvirtd"] != ran["libvirtd"]
    assert running["virtlogd"] == ran["virtlogd"]
    assert bare.virsh("domid", "survivor") == guest_id, "the VM was restarted"
    assert "max_clients = 4000" in bare.outside("/etc/libvirt/libvirtd.conf").read_text()

    again = run_role(tmp_path, entry=bare.entry(), **settings)
    assert again.changed == []
    bare.virsh("destroy", "survivor")


@pytest.mark.long(touched_by=OF_THE_ROLE)
def test_the_hook_is_installed_once_and_taken_away(
    tmp_path: Path, started: PrivateLibvirtd
) -> None:
    started.run(["mount", "-t", "tmpfs", "none", "/usr/local/lib"])
    hook = started.outside("/etc/libvirt/hooks/qemu.d/50-kvm-fleet")
    changes = [
        "Install the hook and what it imports",
        "Have a daemon that started without the hook look for it",
        "Stop the daemon",
    ]

    def run(*arguments: str, wanted: bool = True, part: str = "reservations") -> list[str]:
        ran = run_role(
            tmp_path,
            *arguments,
            entry=started.entry(),
            part=part,
            kvm_host_reservations=wanted,
        )
        assert not ran.failed, ran.output
        return [name for name in ran.changed if name != "Start the daemons that do not run"]

    assert run("--check") == changes
    assert not hook.exists()
    assert run(part="") == changes
    assert hook.stat().st_mode & 0o777 == 0o755
    assert run() == []

    hook.write_text(hook.read_text() + "# by hand\n")
    assert run() == ["Install the hook and what it imports"]
    assert run(wanted=False) == ["Take back what it has the kernel hold", "Remove it"]
    assert not hook.exists()
    assert run("--check", wanted=False) == []


@pytest.mark.long(touched_by=OF_THE_ROLE)
def test_the_default_network_only_when_asked(tmp_path: Path, started: PrivateLibvirtd) -> None:
    bare = started
    # A first run may start what the role is to have running, and is about the network no more.
    assert not run_role(tmp_path, entry=bare.entry()).failed
    network = bare.outside("/etc/libvirt") / "network.xml"
    network.write_text("<network><name>default</name></network>")

    def run(*arguments: str, value: str) -> list[str]:
        # That it is left alone is a matter of the whole role.
        part = "" if value == "untouched" else "default_network"
        result = run_role(
            tmp_path, *arguments, entry=bare.entry(), part=part, kvm_host_default_network=value
        )
        assert not result.failed, result.output
        return result.changed

    def state() -> tuple[bool, bool]:
        info = bare.virsh("net-info", "default").split()
        return info[info.index("Active:") + 1] == "yes", info[info.index("Autostart:") + 1] == "yes"

    bare.virsh("net-define", "/etc/libvirt/network.xml")
    changed = ["Set whether it runs, now and with the host"]
    assert run("--check", value="active") == changed
    assert state() == (False, False), "check mode changed it"
    assert run(value="active") == changed
    assert state() == (True, True)
    assert run(value="untouched") == run(value="active") == []
    assert state() == (True, True)
    assert run(value="inactive") == changed
    assert state() == (False, False)


@pytest.mark.parametrize(
    ("variables", "messages"),
    [
        (
            {"kvm_host_users": ["root", "nobody-here", "nor-here"]},
            ["nobody-here does not exist", "nor-here does not exist"],
        ),
        ({"kvm_host_qemu_settings": {"Bad Name": 1}}, ["'Bad Name' is no name"]),
    ],
)
def test_bad_input_is_refused_before_anything_changes(
    tmp_path: Path, variables: dict[str, Any], messages: list[str]
) -> None:
    result = run_role(tmp_path, "--check", **variables)
    assert result.failed
    assert not [message for message in messages if message not in result.output]
    assert result.changed == []
