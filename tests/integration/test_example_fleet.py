"""The example that users copy: it is what it says, on a real libvirtd."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.ansible_runs import ROOT, PlaybookRun, run_playbook
from support.guest import build
from support.leftovers import remove_all
from support.private_libvirtd import PrivateLibvirtd

EXAMPLE = ROOT / "examples" / "fleet"
HOST = "kvm1.example.org"
CONVERGE = "Bring the host to its declared state"


@pytest.fixture
def host(libvirtd: PrivateLibvirtd, tmp_path: Path) -> Iterator[PrivateLibvirtd]:
    """A host with the image that VMs are made from, though a smaller one."""
    shutil.copy(build() / "tiny.qcow2", tmp_path / "debian-12.qcow2")
    yield libvirtd
    for name in ("web", "db", "images", "lan", "storage"):
        remove_all(libvirtd.uri, name)


def play(host: PrivateLibvirtd, images: Path, *options: str) -> PlaybookRun:
    """Run the example's declaration of its first host, here instead of over the network."""
    here = {
        "ansible_connection": "local",
        "ansible_become": False,
        "kvm_image_directory": str(images),
    }
    where = ["--inventory", str(EXAMPLE / "inventory"), "--limit", HOST, "--tags", "config"]
    run = run_playbook(
        f"- import_playbook: {EXAMPLE}/site.yml",
        *(*where, "--extra-vars", json.dumps(here), *options),
        on=host,
    )
    assert run.returncode == 0, run.output
    return run


@pytest.mark.boots_guest
def test_the_plan_then_the_run_then_nothing(host: PrivateLibvirtd, tmp_path: Path) -> None:
    planned = play(host, tmp_path, "--check", "--diff").result_of(CONVERGE)
    assert "web" not in host.virsh("list", "--all", "--name").split()
    done = play(host, tmp_path).result_of(CONVERGE)
    assert done["plan"] == planned["plan"]
    assert sorted(host.virsh("list", "--name").split()) == ["db", "web"]
    assert not play(host, tmp_path).changed


def test_the_whole_playbook_is_well_formed() -> None:
    run = run_playbook(f"- import_playbook: {EXAMPLE}/site.yml", "--syntax-check")
    assert run.returncode == 0, run.output
