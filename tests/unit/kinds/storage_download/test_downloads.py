"""Plans for files that volumes are to be, and how such a file is written."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_download import reader
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_download.applier import Sink
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_download.declared import (
    declared_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_download.facts import Dest
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_download.planned import (
    Case,
    Planned,
    planned,
)
from support import worlds

MIB = 1 << 20
WRITTEN = 1_700_000_000_123_456_789
DIGITS = "a" * 64
FILE = "/srv/a.raw"


def pool(kind: str) -> Have:
    tree = xmltree.parse(
        f"<pool type='{kind}'><name>p</name><target><path>/pool</path></target></pool>"
    )
    return Have("storage_pool", "p", tree, tree, {"state": "active"})


def volume() -> Have:
    seconds, fraction = divmod(WRITTEN, 10**9)
    text = f"""<volume><name>a</name><capacity>{4 * MIB}</capacity><allocation>{MIB}</allocation>
        <physical>{4 * MIB}</physical><target><path>/pool/a</path><format type="raw"/>
        <timestamps><mtime>{seconds}.{fraction:09}</mtime></timestamps></target></volume>"""
    return Have("storage_volume", "p/a", xmltree.parse(text))


def found(
    dest: Dest | None = None, room: int = 8 * MIB, kind: str = "dir", **options: Any
) -> Planned:
    facts: dict[Any, Any] = {
        **worlds.HERE,
        ("dest", FILE): tuple(dest or Dest(FILE)),
        ("dest_room", FILE): room,
        ("dest_checksum", FILE, "sha256"): DIGITS,
    }
    there = {"storage_pool": {"p": pool(kind)}, "storage_volume": {"p/a": volume()}}
    params = {"pool": "p", "volume": "a", "dest": FILE, **options}
    return planned(Case(worlds.world(there, facts), declared_of(params)))


def refused(*of: Any, **options: Any) -> str:
    with pytest.raises(FleetErrors) as caught:
        found(*of, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    "dest",
    [
        Dest(FILE, type="file", size=4 * MIB, written_ns=WRITTEN),
        # On a file system that knows of whole seconds only.
        Dest(FILE, type="file", size=4 * MIB, written_ns=WRITTEN // 10**9 * 10**9),
    ],
)
def test_a_file_of_the_same_time_and_size_is_the_volume(dest: Dest) -> None:
    assert not found(dest).plan.changed


@pytest.mark.parametrize(
    "dest",
    [
        Dest(FILE, type="file", size=4 * MIB, written_ns=WRITTEN + 1),
        Dest(FILE, type="file", size=3 * MIB, written_ns=WRITTEN),
    ],
)
def test_another_file_is_not(dest: Dest) -> None:
    assert "is there and is not the volume as it is now" in refused(dest)
    assert found(dest, overwrite=True).plan.changed


def test_of_a_device_nobody_can_tell_when_it_was_written() -> None:
    dest = Dest(FILE, type="file", size=4 * MIB, written_ns=WRITTEN)
    assert "nobody can tell" in refused(dest, kind="logical")
    [change] = found(dest, kind="logical", overwrite=True).plan.changes
    assert "taken in each run" in change.note
    same = found(dest, kind="logical", checksum=f"sha256:{DIGITS}")
    assert (same.plan.changed, same.checksum) == (False, DIGITS)


@pytest.mark.parametrize(("room", "kind", "least"), [(MIB, "dir", MIB), (4 * MIB, "logical", 0)])
def test_room_is_needed_for_what_is_no_hole(room: int, kind: str, least: int) -> None:
    """Which of a device nobody can tell."""
    if least:
        assert found(room=room, kind=kind).plan.changed
    assert "free, and the file takes at least" in refused(room=room - 1, kind=kind)


def test_what_libvirt_does_not_hand_out_is_told() -> None:
    assert "libvirt hands out no volume of a pool of type rbd" in refused(kind="rbd")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"checksum": "md5:0"}, "write sha256: or sha512:"),
        ({"checksum": ""}, "write sha256: or sha512:"),
        ({"volume": "../a"}, "is no name of a volume"),
        ({"volume": ".a.partial"}, "marks a volume"),
        ({"volume": ""}, "is empty"),
    ],
)
def test_what_cannot_be_declared(options: dict[str, str], says: str) -> None:
    assert says in refused(**options)


# ---- what is there, and what is written


def test_what_is_at_the_place_is_seen(tmp_path: Path) -> None:
    here: Any = None
    file, link = tmp_path / "a.raw", tmp_path / "link"
    link.symlink_to(file)
    assert Dest(*reader.read_dest(here, str(link))) == Dest(str(file))
    file.write_bytes(b"...")
    Path(f"{file}.partial").mkdir()
    seen = Dest(*reader.read_dest(here, str(link)))
    assert (seen.type, seen.size, seen.partial) == ("file", 3, "folder")
    assert seen.written_ns == file.stat().st_mtime_ns
    assert reader.read_checksum(here, str(file), "sha256") == hashlib.sha256(b"...").hexdigest()
    assert reader.read_checksum(here, f"{file}.none", "sha256") == ""
    assert (reader.read_room(here, str(file)) or 0) > 0
    assert reader.read_room(here, "/none/a/b") is None


def test_a_file_of_data_holes_and_zeros_is_hashed_as_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.raw"
    with file.open("w+b") as opened:
        sink = Sink(opened.fileno(), hashlib.sha256(), 4 * MIB)
        sink.write(b"begin")
        sink.skip(2 * MIB + 7)
        sink.write(bytes(65536))
        sink.write(b"end")
        sink.skip(5)
        opened.truncate(sink.at)
    whole = b"begin" + bytes(2 * MIB + 7 + 65536) + b"end" + bytes(5)
    assert file.read_bytes() == whole
    assert sink.hashed.digest() == hashlib.sha256(whole).digest()
    assert (sink.at, sink.copied) == (len(whole), len(b"begin" + b"end"))
