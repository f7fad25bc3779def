"""The end of the demo: the daemons that it started are gone with what it made, but no others."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.private_libvirtd import (
    VIRTLOGD_PID_FILE,
    PrivateLibvirtd,
    wait_until,
    why_not_here,
)

ROOT = Path(__file__).resolve().parents[2]
NOTE = "/run/libvirt/kvm-fleet-demo-daemons"

pytestmark = [
    pytest.mark.skipif(bool(why_not_here()), reason=why_not_here() or "runs"),
    pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="systemd minds the daemons"),
]


@pytest.fixture
def place() -> Iterator[PrivateLibvirtd]:
    """A libvirtd of this test's own: its daemons come and go."""
    place = PrivateLibvirtd(Path("/tmp") / f"kvm-fleet-demo-{os.getpid()}")
    place.start()
    try:
        yield place
    finally:
        place.stop()


def clean(place: PrivateLibvirtd) -> str:
    done = subprocess.run(
        [*place.entry(), str(ROOT / "examples/demo/clean")],
        capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def virtlogd_runs(place: PrivateLibvirtd) -> bool:
    try:
        pid = place.outside(VIRTLOGD_PID_FILE).read_text().strip()
    except FileNotFoundError:  # it takes its file with it, at any moment
        pid = ""
    return bool(pid) and place.try_run(["bash", "-c", f"kill -0 {pid}"]).returncode == 0


def test_daemons_of_others_stay(place: PrivateLibvirtd) -> None:
    assert "demo: stopped" not in clean(place)
    assert place.answers() and virtlogd_runs(place)


def test_daemons_of_the_demo_go(place: PrivateLibvirtd) -> None:
    place.kill()
    pid = place.outside(VIRTLOGD_PID_FILE).read_text().strip()
    place.run(["bash", "-c", f"kill {pid}"])
    wait_until(lambda: not virtlogd_runs(place), 120, "virtlogd to end")
    said = clean(place)
    for name in ("libvirtd", "virtlogd", "virtlockd"):
        assert f"demo: stopped {name}" in said
    assert not place.answers() and not virtlogd_runs(place)


def test_daemons_stay_as_long_as_others_need_them(place: PrivateLibvirtd) -> None:
    network = "<network><name>theirs</name><bridge name='theirs'/></network>"
    place.run(["virsh", "net-create", "/dev/stdin"], stdin=network)
    place.outside(NOTE).write_text("libvirtd\nvirtlogd\n")
    assert "other VMs or networks run" in clean(place)
    assert place.answers()
