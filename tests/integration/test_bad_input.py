"""Bad input: one clear error that names every mistake, in check mode too, before anything changes.

A case is an entry in bad_input/TOPIC.yml: a module, its arguments, and how its errors begin.
PREFIX- stands for the test's own prefix, IMAGES for its folder. On the host there are the pool
PREFIX-pool in IMAGES with the volumes image.qcow2, base.qcow2 (8 MiB) and raw.img, the vswitch
PREFIX-net, and the VMs PREFIX-there, which uses the first volume, PREFIX-base, a template on the
second, and PREFIX-precious and PREFIX-kept-1, which are protected; the latter is of a group.
With `before` a case runs modules first, with `files` it writes files below IMAGES, those that are
`gone` it removes, and folders there are `read_only`, or `small`, which is 64 KiB.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.module_server import ModuleServer
from support.observer import Observer
from support.private_libvirtd import PrivateLibvirtd

TOPICS = sorted(Path(__file__).with_name("bad_input").glob("*.yml"))
Case = dict[str, Any]


def cases() -> Iterator[Any]:
    for topic in TOPICS:
        for name, case in yaml.safe_load(topic.read_text()).items():
            yield pytest.param(case, id=f"{topic.stem}: {name}")


@pytest.fixture
def host(
    libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path
) -> dict[str, str]:
    """A host with things that a mistake can be about; what stands for what in a case."""
    outside = libvirtd.outside(images)
    for name, form in (("image.qcow2", "qcow2"), ("base.qcow2", "qcow2"), ("raw.img", "raw")):
        subprocess.run(["qemu-img", "create", "-q", "-f", form, outside / name, "8M"], check=True)
    memory = {"size": "64MiB"}
    disks = [{"name": "root", "file": f"{images}/image.qcow2", "format": "qcow2"}]
    nics = [{"name": "lan", "vswitch": f"{prefix}net", "mac": "52:54:00:00:be:ef"}]
    there = {"name": f"{prefix}there", "memory": memory, "disks": disks, "nics": nics}
    of_template = [{"name": "root", "file": f"{images}/base.qcow2", "format": "qcow2"}]
    base = {"name": f"{prefix}base", "memory": memory, "disks": of_template, "template": True}
    precious = {"name": f"{prefix}precious", "memory": memory, "protected": True}
    kept = {**precious, "name": f"{prefix}kept-1", "group": f"{prefix}kept"}
    done = modules.run(
        "host_config",
        {
            "storage_pools": [{"name": f"{prefix}pool", "type": "dir", "path": str(images)}],
            "vswitches": [{"name": f"{prefix}net", "type": "isolated"}],
            "vms": [there, base, precious, kept],
        },
    )
    assert not done.get("failed"), done["msg"]
    return {"PREFIX-": prefix, "IMAGES": str(images)}


@pytest.mark.parametrize("case", list(cases()))
def test_every_mistake_is_named_and_nothing_changes(
    case: Case, host: dict[str, str], modules: ModuleServer, observer: Observer, images: Path
) -> None:
    text = json.dumps(case)
    for word, meant in host.items():
        text = text.replace(word, meant)
    said = json.loads(text)
    folder = observer.libvirtd.outside(images)
    _prepare(said, modules, folder)
    with _mounted(said, observer.libvirtd, images):
        before = _files(folder)
        with observer.unchanged():
            predicted = modules.run(said["module"], said["args"], check=True)
            done = modules.run(said["module"], said["args"])
        assert _files(folder) == before
    _names_all(done, said["errors"])
    if said.get("check") == "warns":
        assert not predicted.get("failed") and predicted["warnings"], predicted
    else:
        assert _errors(predicted) == _errors(done)


def _prepare(case: Case, modules: ModuleServer, folder: Path) -> None:
    """What is to be there beside what every case has."""
    for step in case.get("before", ()):
        for module, args in step.items():
            done = modules.run(module, args)
            assert not done.get("failed"), done["msg"]
    for name, text in case.get("files", {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in case.get("gone", ()):
        (folder / name).unlink()


@contextmanager
def _mounted(case: Case, libvirtd: PrivateLibvirtd, images: Path) -> Iterator[None]:
    """Folders are mounted so that they cannot be written to, or hold little."""
    small = [str(images / name) for name in case.get("small", ())]
    read_only = [str(images / name) for name in case.get("read_only", ())]
    for path in (*small, *read_only):
        libvirtd.run(["mkdir", "-p", path])
    for path in small:
        libvirtd.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=711", "none", path])
    for path in read_only:
        libvirtd.run(["mount", "--bind", path, path])
        libvirtd.run(["mount", "-o", "remount,bind,ro", path])
    yield
    for path in (*small, *read_only):
        libvirtd.run(["umount", path])


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """All below the folder, by size and time."""
    found = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {name: (one.st_size, one.st_mtime_ns) for name, one in found.items()}


def _errors(done: dict[str, Any]) -> list[str]:
    # Ansible's own check of arguments stops at one mistake, and has no list.
    return done.get("errors") or [done["msg"]]


def _names_all(done: dict[str, Any], expected: list[str]) -> None:
    assert done.get("failed"), f"this was not refused: {done}"
    assert "Traceback" not in json.dumps(done)
    told = _errors(done)
    for beginning in expected:
        assert any(error.startswith(beginning) for error in told), f"{beginning}\nis not in {told}"
        assert beginning in done["msg"]
    assert len(told) == len(expected), told
    assert not done.get("changed")
