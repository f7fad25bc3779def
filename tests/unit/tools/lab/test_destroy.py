"""What destroying and cleaning remove, and what they must not."""

from __future__ import annotations

import argparse
import json
import stat

import pytest
import yaml

from ansible_collections.kvm.fleet.roles.lab.files.fleetlab import (
    __main__,
    disks,
    home,
    inventory,
    labs,
    state,
)
from ansible_collections.kvm.fleet.roles.lab.files.fleetlab.errors import LabError


@pytest.fixture
def place(tmp_path):
    return home.Home(tmp_path / "home")


def make_lab(place, name, written_to=None, images=None):
    """A lab that was prepared, and whose inventory may have been written."""
    directory = place.lab(name)
    directory.mkdir(parents=True)
    state.State({"hosts": []}, {}, images=images or {}).write(directory)
    if written_to is not None:
        inventory.write(written_to, {"all": {"vars": {"lab_directory": str(directory)}}})
        (directory / labs.INVENTORY_LINK).write_text(f"{written_to}\n")
    return directory


def destroy(place, name, written_to=None):
    __main__.destroy(place, argparse.Namespace(name=name, inventory=written_to))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/tmp"])
def test_only_a_name_can_be_destroyed(place, name):
    kept = make_lab(place, "kept")
    with pytest.raises(LabError, match="is no name of a lab"):
        destroy(place, name)
    with pytest.raises(LabError, match="is no name of a lab"):
        labs.destroy(place, name, print)
    assert kept.is_dir()


def test_the_inventory_goes_with_its_lab(place, tmp_path):
    make_lab(place, "mine", tmp_path / "lab.yml")
    destroy(place, "mine")
    assert not (tmp_path / "lab.yml").exists()


def test_another_labs_inventory_stays(place, tmp_path):
    make_lab(place, "mine", tmp_path / "lab.yml")
    other = make_lab(place, "other", tmp_path / "lab.yml")
    destroy(place, "mine")
    told = yaml.safe_load((tmp_path / "lab.yml").read_text())
    assert told["all"]["vars"]["lab_directory"] == str(other)


def test_a_lab_of_another_name_is_known_by_its_inventory(place, tmp_path, capsys):
    named = make_lab(place, "storage", tmp_path / "lab.yml")
    other = make_lab(place, "other", tmp_path / "other.yml")
    destroy(place, "default", tmp_path / "lab.yml")
    assert capsys.readouterr().out == "destroyed\n"
    assert not named.exists() and other.exists()


def test_what_is_left_is_told_where_nothing_was_destroyed(place, capsys):
    make_lab(place, "storage")
    destroy(place, "default")
    said = capsys.readouterr()
    assert said.out == "absent\n"
    assert "there is no lab default; labs: storage" in said.err


def test_the_image_of_a_lab_that_is_only_prepared_stays(place, monkeypatch):
    monkeypatch.setattr(disks, "images_in_use", lambda _home: set())
    make_lab(place, "mine", images={"kvm1": "used"})
    for key in ("used", "unused"):
        (place.images / key).mkdir(parents=True)
    labs.clean(place, print)
    assert [path.name for path in place.images.iterdir()] == ["used"]


def test_disks_and_snapshots_are_for_their_user_alone(place):
    place.snapshots.mkdir(parents=True)  # as an earlier version made it
    place.snapshots.chmod(0o755)
    place.make_private()
    for directory in (place.labs, place.snapshots):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_host_without_a_port_is_named(place, monkeypatch, tmp_path):
    monkeypatch.setattr(labs.ssh, "ensure_keys", lambda _home: labs.ssh.Keys(tmp_path))
    directory = place.lab("mine")
    directory.mkdir(parents=True)
    state.State({"hosts": [{"name": "kvm1"}]}, {}).write(directory)
    run = labs.load(place, "mine", print)
    with pytest.raises(LabError, match="kvm1 was never started"):
        labs.write_inventory(run, tmp_path / "lab.yml")
    with pytest.raises(LabError, match="kvm1 was never started"):
        labs.make_all_ready(run, labs.Options(snapshots=False))
    assert json.loads((directory / state.FILE).read_text())["ports"] == {}
