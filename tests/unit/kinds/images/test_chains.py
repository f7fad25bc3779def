"""What images stand on, by the names that stand in their headers."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import Image, Layout
from ansible_collections.kvm.fleet.plugins.module_utils.host import images
from ansible_collections.kvm.fleet.plugins.module_utils.host.files import read_place
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.images.headers import backing_path


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("", ""),
        ("/base.qcow2", "/base.qcow2"),
        ("base.qcow2", "/pool/base.qcow2"),
        ("../base.qcow2", "/pool/../base.qcow2"),
        ("file:/base.qcow2", "/base.qcow2"),
        ("file:///base.qcow2", "/base.qcow2"),
        ("nbd://host/export", "nbd://host/export"),
        ('json:{"driver":"file","filename":"/b"}', "/b"),
        ('json:{"driver":"qcow2","file":{"driver":"file","filename":"/b"}}', "/b"),
        ('json:{"driver":"qcow2","file.driver":"file","file.filename":"b"}', "/pool/b"),
        ('json:{"driver":"nbd","host":"h"}', ""),
        ("json:{", "json:{"),
    ],
)
def test_a_backing_file_is_found_by_its_name(name: str, path: str) -> None:
    assert backing_path(name, "/pool/overlay.qcow2") == path


def test_all_paths_to_a_file_are_one_place(tmp_path: Path) -> None:
    file, link, name = tmp_path / "file", tmp_path / "link", tmp_path / "name"
    file.write_text("")
    link.symlink_to(file)
    os.link(file, name)
    assert len({read_place(str(path)) for path in (file, link, name)}) == 1
    assert read_place(f"{tmp_path}/none/../x") == f"{tmp_path}/x"


def test_the_format_of_a_backing_file_is_read(tmp_path: Path) -> None:
    extension = struct.pack(">II8s", images.BACKING_FORMAT, 3, b"raw")
    start = struct.pack(">4sIQIIQ", b"QFI\xfb", 3, 128, 5, 16, 2**30)
    header = start.ljust(100, b"\0") + struct.pack(">I", 104) + extension
    file = tmp_path / "image"
    file.write_bytes(header.ljust(128, b"\0") + b"/base")
    assert images.inspect(str(file)) == Image("qcow2", 2**30, "/base", "raw", layout=Layout())


def test_all_names_of_a_device_are_one_place(tmp_path: Path) -> None:
    """Without udev `/dev/mapper/vg-lv` is a node, and `/dev/vg/lv` a link to another."""
    nodes = [tmp_path / "by-mapper", tmp_path / "by-group"]
    for node in nodes:
        try:
            os.mknod(node, stat.S_IFBLK | 0o600, os.makedev(7, 250))
        except OSError:
            pytest.skip("makes no device nodes here")
    assert len({read_place(str(node)) for node in nodes}) == 1
    assert read_place(str(nodes[0])).startswith("block:")
