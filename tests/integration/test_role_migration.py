"""What the role kvm_host sets up for migrations: hosts that know each other, and certificates.

Two are on this machine, each with a libvirtd and files of its own. Ansible's Python runs there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.ansible_runs import PlaybookRun
from support.private_libvirtd import PrivateLibvirtd, why_not_here
from support.role_runs import OnHosts, bare_place, changed_by_host

pytestmark = [
    pytest.mark.skipif(bool(why_not_here()), reason=why_not_here() or "runs"),
    pytest.mark.long(
        touched_by=r"roles/kvm_host/(tasks|vars|files)/(migration|authority|certificate|peer)",
        together=True,
    ),
]

ADDRESSES = {"kvm1": "10.0.30.11", "kvm2": "10.0.30.12"}
PKI = "/root/pki"
KEY_OF_HOST = "/etc/ssh/ssh_host_ed25519_key"
TWIN = "4c4c4544-0000-2010-8020-80c04f202020"  # of a board whose makers gave all the same
Places = dict[str, PrivateLibvirtd]


@pytest.fixture(scope="module")
def places() -> Iterator[Places]:
    with ExitStack() as stack:
        found = {name: stack.enter_context(bare_place(f"role-{name}")) for name in ADDRESSES}
        for place in found.values():
            lockd = place.outside("/etc/libvirt/qemu-lockd.conf")
            lockd.write_text("#auto_disk_leases = 0\n")
            place.run(["sh", "-c", "for one in root etc/ssh; do mount -t tmpfs none /$one; done"])
            with place.outside("/etc/libvirt/libvirtd.conf").open("a") as conf:
                conf.write(f'host_uuid = "{TWIN}"\n')
            place.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", KEY_OF_HOST])
        yield found


class Role:
    """Runs what the role does about migrations, on both hosts."""

    def __init__(self, places: Places, folder: Path) -> None:
        self.folder = folder
        self.authority = folder / "authority"
        self.whole = {"ssh": {}, "tls": {"folder": str(self.authority)}, "distinct_uuids": True}
        self.hosts = OnHosts(places, folder, "migration")

    def run(self, *options: str, **migration: Any) -> PlaybookRun:
        settings = {"group": "kvm_hosts", **self.whole, **migration}
        of_hosts = {
            name: {"kvm_host_migration": {"address": address, "names": [name], **settings}}
            for name, address in ADDRESSES.items()
        }
        extra = json.dumps({"__kvm_host_pki": PKI})
        return self.hosts.run(of_hosts, "-e", extra, *options)


@pytest.fixture(scope="module")
def role(places: Places, tmp_path_factory: pytest.TempPathFactory) -> Role:
    return Role(places, tmp_path_factory.mktemp("role"))


@pytest.fixture(scope="module")
def planned(role: Role, places: Places) -> PlaybookRun:
    """Check mode where nothing is yet, which leaves it so."""
    run = role.run("--check")
    assert run.returncode == 0, run.output
    assert not role.authority.exists()
    for place in places.values():
        assert place.run(["sh", "-c", "ls -A /root"]) == ""
    return run


@pytest.fixture(scope="module")
def done(role: Role, planned: PlaybookRun) -> PlaybookRun:
    run = role.run()
    assert run.returncode == 0, run.output
    return run


def changed(run: PlaybookRun) -> dict[str, list[str]]:
    """What each host says that changed, by tasks."""
    return {name: changed_by_host(run).get(name, []) for name in ADDRESSES}


def test_check_mode_says_what_would_be(planned: PlaybookRun) -> None:
    for tasks in changed(planned).values():
        assert {"Have a key of its own", "Make a key, and ask for a certificate"} <= set(tasks)


def test_hosts_log_in_to_each_other(places: Places, done: PlaybookRun) -> None:
    for name, other in (("kvm1", "kvm2"), ("kvm2", "kvm1")):
        key = places[other].run(["cat", "/root/.ssh/id_ed25519.pub"]).strip()
        accepted = places[name].run(["cat", "/root/.ssh/authorized_keys"])
        assert key in accepted.splitlines()
        of_host = " ".join(places[other].run(["cat", f"{KEY_OF_HOST}.pub"]).split()[:2])
        for known_as in (other, ADDRESSES[other]):
            assert of_host in places[name].run(["ssh-keygen", "-F", known_as])
        modes = places[name].run(["sh", "-c", "stat -c %a /root/.ssh /root/.ssh/*"]).split()
        assert modes == ["700", "600", "600", "644", "600"]  # the public key may be read


def test_certificates_are_of_the_authority(places: Places, role: Role, done: PlaybookRun) -> None:
    assert role.authority.stat().st_mode & 0o777 == 0o700
    assert (role.authority / "ca-key.pem").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in role.authority.iterdir()) == ["ca-cert.pem", "ca-key.pem"]
    for name, place in places.items():
        for side, purpose in (("server", "sslserver"), ("client", "sslclient")):
            for cert in (f"{PKI}/libvirt/{side}cert.pem", f"{PKI}/qemu/{side}-cert.pem"):
                ca = f"{PKI}/CA/cacert.pem"
                place.run(["openssl", "verify", "-CAfile", ca, "-purpose", purpose, cert])
                for check, named in (("-checkhost", name), ("-checkip", ADDRESSES[name])):
                    told = place.run(["openssl", "x509", "-noout", check, named, "-in", cert])
                    assert "does match" in told
        keys = "libvirt/private libvirt/private/* qemu/*-key.pem qemu/dh-params.pem"
        told = place.run(["sh", "-c", f"cd {PKI} && stat -c '%a %U:%G' {keys}"])
        kept = ["700 root:root", *["600 root:root"] * 2, *["640 root:libvirt-qemu"] * 3]
        assert told.splitlines() == kept
        conf = place.run(["cat", "/etc/libvirt/qemu.conf"])
        assert "migrate_tls_x509_verify = 1" in conf
        assert f'migration_address = "{ADDRESSES[name]}"' in conf


def test_qemu_makes_no_parameters_of_its_own_for_each_move(
    places: Places, done: PlaybookRun
) -> None:
    read = ["openssl", "dhparam", "-noout", "-text", "-in", f"{PKI}/qemu/dh-params.pem"]
    assert "GROUP: ffdhe2048" in places["kvm1"].run(read)


def test_twins_get_another_uuid(places: Places, done: PlaybookRun) -> None:
    told = (places[name].virsh("capabilities") for name in ADDRESSES)
    assert [f"<uuid>{TWIN}</uuid>" in text for text in told] == [True, False]


def test_a_second_run_changes_nothing(role: Role, done: PlaybookRun) -> None:
    assert changed(role.run()) == {"kvm1": [], "kvm2": []}


def test_what_ends_soon_is_renewed_and_who_is_away_stays_known(
    places: Places, role: Role, done: PlaybookRun
) -> None:
    read = ["cat", f"{PKI}/libvirt/servercert.pem"]
    before = places["kvm1"].run(read)
    tls = {**role.whole["tls"], "days": 400, "renew_days": 390}
    soon = role.run("--limit", "kvm1", tls=tls)
    assert soon.returncode == 0, soon.output
    assert changed(soon)["kvm1"] == [
        "Make a key, and ask for a certificate",
        "Put it where libvirt and QEMU look for it",
        "Stop the daemon",
        "Start the daemons that do not run",
    ]
    assert places["kvm1"].run(read) != before
    assert "kvm2" in places["kvm1"].run(["cat", "/root/.ssh/authorized_keys"])


def test_all_mistakes_are_told_before_anything_changes(role: Role, done: PlaybookRun) -> None:
    refused = role.run(
        group="nobody",
        ssh={"user": "nobody-here"},
        tls={"folder": str(role.folder / "another"), "days": 20},
        firewall=True,
        time_sync=True,
        leases="/tmp",
    )
    assert refused.returncode != 0
    assert changed(refused) == {"kvm1": [], "kvm2": []}
    told = " ".join(refused.output.split())
    for said in (
        "group: the inventory has no group nobody",
        "ssh.user: nobody-here does not exist",
        "tls: days (20) has to be more than renew_days (30)",
        "cacert.pem is the certificate of another authority",
        "firewall: say with network from where",
        "time_sync: nothing keeps services running",
        "which other hosts do not see; mount shared storage there first",
    ):
        assert said in told
