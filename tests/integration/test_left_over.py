"""What a merge of a part of a chain left over, when its VM goes with its storage."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.image_site import ImageSite
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd


@pytest.fixture
def site(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path) -> ImageSite:
    return ImageSite(libvirtd, modules, prefix, images)


def merged(site: ImageSite, how: str) -> list[str]:
    """A VM with three overlays, of which some were merged; the overlays."""
    site.declare(state="paused")
    overlays = [site.snapshot(f"s{number}") for number in (1, 2, 3)]
    first, second, _third = overlays
    ways = {
        "pulled": ("blockpull", site.vm, "vda", "--base", first),
        "committed": ("blockcommit", site.vm, "vda", "--top", second, "--base", first),
        "pivoted": ("blockcommit", site.vm, "vda", "--base", second, "--active", "--pivot"),
    }
    site.virsh(*ways[how], "--wait")
    return overlays


@pytest.mark.parametrize("how", ["pulled", "committed", "pivoted"])
def test_what_a_merge_left_over_goes_with_its_vm(site: ImageSite, how: str) -> None:
    overlays = merged(site, how)
    assert {Path(path).name for path in overlays} <= site.files()
    done = site.remove(remove_storage=True)
    gone = {line["resource"] for line in done["plan"]}
    names = [Path(path).name for path in (site.base, *overlays)]
    assert {f"storage_volume/{site.pool}/{name}" for name in names} <= gone
    assert site.files() == set()


def test_what_others_stand_on_stays(site: ImageSite) -> None:
    _first, second, _third = merged(site, "pulled")
    clone = site.image("clone.qcow2", "-b", second, "-F", "qcow2")
    said = site.refused(name=site.vm, state="absent", remove_storage=True)
    assert Path(clone).name in said
    assert {Path(path).name for path in (second, clone)} <= site.files()
