"""The builder of the tiny guest: which kernel it takes, and what it says where there is none."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.roles.tiny_guest.files import build_tiny_guest as builder

META = "linux-image-cloud-amd64"
IMAGE = "linux-image-6.1.0-1-cloud-amd64"
LISTED = {
    META: f"Version: 6.1.1\nDepends: {IMAGE} (= 6.1.1)\nSHA256: aa\n",
    IMAGE: "Version: 6.1.1\nSHA256: bb\n",
}


def apt_says(monkeypatch: pytest.MonkeyPatch, shown: dict[str, str]) -> None:
    monkeypatch.setattr(builder, "run", lambda *command: shown[command[-1]])


def test_a_package_for_the_newest_kernel_leads_to_that_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    apt_says(monkeypatch, LISTED)
    assert builder.find_kernel(META) == builder.Kernel(IMAGE, "6.1.1", "bb")


@pytest.mark.parametrize("said", ["Status: install ok installed\nVersion: 6.1.1\n", ""])
def test_a_package_that_no_list_has_ends_with_what_to_do(
    said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    apt_says(monkeypatch, {**LISTED, IMAGE: said})
    monkeypatch.setattr(builder, "check_machine", lambda: None)
    monkeypatch.setattr("sys.argv", ["build-tiny-guest", "/nowhere"])
    assert builder.main() == 1
    told = capsys.readouterr().err
    assert IMAGE in told and "apt-get update" in told and "--kernel" in told
