"""The plays of the documentation as they are copied: from its own text, on a private libvirtd."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import image_server
from support.ansible_runs import PlaybookRun, run_playbook
from support.module_process import kill_module
from support.private_libvirtd import PrivateLibvirtd, why_not_here

ROOT = Path(__file__).resolve().parents[2]
TASK = "An image, a network and a VM"
PUBLIC = "https://cloud.debian.org/images/cloud/bookworm/latest"
# Of the diff that the page shows what is the same wherever it is made.
SHOWN = ("+++", "+address", "+capacity", "+backing", "+bridge", "+image:")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKeyOfNobody me"

pytestmark = pytest.mark.skipif(bool(why_not_here()), reason=why_not_here() or "runs")


def newcomers_play() -> str:
    """The first play of docs/guests.md, to the letter."""
    page = (ROOT / "docs" / "guests.md").read_text()
    play = re.findall(r"^```yaml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)[0]
    assert f"- name: {TASK}\n" in play
    return str(play)


@pytest.fixture
def place() -> Iterator[PrivateLibvirtd]:
    """A libvirtd of this test's own: the play has no names that a test would choose."""
    place = PrivateLibvirtd(Path("/tmp") / f"kvm-fleet-docs-{os.getpid()}")
    place.start()
    try:
        yield place
    finally:
        place.stop()


@pytest.fixture
def site(place: PrivateLibvirtd, tmp_path: Path) -> Iterator[str]:
    """Where the play's image comes from: a server beside the host, with a list of checksums."""
    served = tmp_path / "served"
    served.mkdir()
    image = served / "debian-12-genericcloud-amd64.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(image), "2G"], check=True)
    digits = hashlib.sha512(image.read_bytes()).hexdigest()
    (served / "SHA512SUMS").write_text(f"{digits}  {image.name}\n")
    program = [sys.executable, image_server.__file__, str(served), str(tmp_path / "log")]
    server = subprocess.Popen(
        [*place.entry(), *program], stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )
    assert server.stdout
    yield f"http://127.0.0.1:{server.stdout.readline().strip()}/plain"
    kill_module(server)
    server.kill()
    server.wait()


def test_the_newcomers_play_runs_as_it_is_copied(
    place: PrivateLibvirtd, site: str, tmp_path: Path
) -> None:
    """But for who serves the image, and that nobody has to become root."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_ed25519.pub").write_text(f"{KEY}\n")

    def play(*options: str) -> PlaybookRun:
        done = run_playbook(
            newcomers_play(),
            *("-e", f"debian={site}", "-e", "ansible_become=false", *options),
            on=place,
            inventory="[kvm_hosts]\nkvm1 ansible_connection=local",
            environment={"HOME": str(home)},
        )
        assert done.returncode == 0, done.output
        return done

    planned = play("--check", "--diff")
    assert place.virsh("list", "--all", "--name") == "", "check mode makes nothing"
    told = planned.result_of(TASK)
    resources = {row["resource"] for row in told["plan"]}
    assert resources == {
        "storage_pool/images",
        "storage_volume/images/debian-12.qcow2",
        "storage_volume/images/web-root.qcow2",
        "vswitch/lan",
        "vm/web",
    }
    page = (ROOT / "docs" / "guests.md").read_text()
    output = page[page.index("$ ansible-playbook -i inventory guest.yml --check --diff") :]
    for line in planned.output.replace(site, PUBLIC).splitlines():
        if line.startswith(SHOWN):
            assert line in output, "the page shows the diff of its play"
    done = play()
    assert done.result_of(TASK)["plan"] == told["plan"]
    assert play().changed == []
    assert place.virsh("list", "--name") == "web"
