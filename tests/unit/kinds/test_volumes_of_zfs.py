"""What is otherwise with volumes of ZFS."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume import (
    meanings,
    reader_zfs,
    zfs,
)


@pytest.mark.parametrize("key", ["tank/data", "/dev/zvol/tank/data"])
def test_a_key_is_the_same_before_and_after_a_look(key: str) -> None:
    assert zfs.same_key(key) == "tank/data"


def test_the_key_of_others_is_as_it_is() -> None:
    assert zfs.same_key("/srv/data") == "/srv/data"


def test_a_volume_with_snapshots_stays_with_a_word_of_them() -> None:
    told = "cannot destroy 'tank/data': volume has children\nuse '-r' to destroy the following"
    assert "zfs list -t snapshot tank/data" in meanings.why_it_stays(told)
    assert meanings.why_it_stays("cannot destroy 'tank/data': dataset is busy") == ""


VOLUME = "<volume><name>data</name><key>{}</key><target><path>{}</path></target></volume>"


@pytest.mark.parametrize(
    ("key", "path", "other"),
    [
        ("tank/data", "/dev/zvol/tank/data", False),
        ("/dev/zvol/tank/data", "/dev/zvol/tank/data", False),
        ("tank/below/data", "/dev/zvol/tank/data", True),
        ("tank/below/data", "/dev/zvol/tank/below/data", False),
        ("/srv/data", "/srv/data", False),
        ("uuid-of-lvm", "/dev/vg/data", False),
    ],
)
def test_a_volume_of_a_data_set_below_is_told(
    key: str, path: str, other: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_zfs, "properties", lambda *_: [])
    told = reader_zfs.set_right(xmltree.parse(VOLUME.format(key, path)))
    assert bool(told) == other
    assert not other or "(source.name: tank/below)" in told


def test_of_two_with_one_name_each_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        reader_zfs, "properties", lambda volume, *_: asked.append(volume) or ["64", "none"]
    )
    volume = xmltree.parse(VOLUME.format("tank/below/data", "/dev/zvol/tank/data"))
    assert reader_zfs.set_right(volume) == "" and asked == ["tank/data"]
    assert [xmltree.get(volume, at) for at in ("capacity", "allocation")] == ["64", "0"]
