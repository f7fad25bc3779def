"""Volumes that are encrypted by LUKS, on a real libvirtd, seen by virsh and qemu-io."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd
from support.storage import Target, converge, on_libvirtd, refused

WORD = "open sesame"


@pytest.fixture
def target(libvirtd: PrivateLibvirtd, modules: ModuleServer) -> Iterator[Target]:
    yield on_libvirtd(libvirtd, modules)
    for line in libvirtd.virsh("secret-list").splitlines():
        if "volume" in line:
            libvirtd.virsh("secret-undefine", line.split()[0])


@pytest.fixture
def pool(target: Target, prefix: str, images: Path) -> str:
    name = f"{prefix}pool"
    target.virsh("pool-define-as", name, "dir", "--target", str(images))
    target.virsh("pool-start", name)
    return name


def size_inside(target: Target, path: str, form: str) -> int:
    """The size that the passphrase shows; it fails where that is another one."""
    opened = {
        "raw": f"driver=luks,key-secret=key,file.filename={path}",
        "qcow2": f"driver=qcow2,encrypt.format=luks,encrypt.key-secret=key,file.filename={path}",
    }
    said = target.run(
        ["qemu-io", "-r", "--object", f"secret,id=key,data={WORD}", "--image-opts", opened[form],
         "-c", "length"]
    )  # fmt: skip
    return int(float(said.split()[0]))


def host(pool: str, prefix: str, images: Path, mib: int, **vm: Any) -> dict[str, Any]:
    """A VM with a disk in raw and one in qcow2, each with a secret that is called by its path."""
    disks = [
        {"name": form, "pool": pool, "volume": f"d.{form}", "format": form,
         "capacity": f"{mib}MiB", "encryption": {"secret": f"{images}/d.{form}"}}
        for form in ("raw", "qcow2")
    ]  # fmt: skip
    secrets = [
        {"name": disk["encryption"]["secret"], "type": "volume", "value": WORD} for disk in disks
    ]
    one = {"name": f"{prefix}vm", "memory": {"size": "32MiB"}, "disks": disks, **vm}
    return {"secrets": secrets, "vms": [one]}


@pytest.mark.long(
    touched_by=r"plugins/.*(storage_volume|/secret|disk_sources|judge|\bvm/table)|test_encrypted"
)
def test_a_vm_comes_with_its_secrets_and_encrypted_volumes(
    target: Target, pool: str, prefix: str, images: Path
) -> None:
    """Made and started in one run, though libvirt has no secret when the plan is made; then grown,
    while it runs and while it is off."""
    converge(target, "host_config", host(pool, prefix, images, 8, state="running"))
    for form in ("raw", "qcow2"):
        tree = target.virsh("vol-dumpxml", f"d.{form}", pool)
        assert "<encryption format='luks'>" in tree
    done = converge(target, "host_config", host(pool, prefix, images, 12))
    assert WORD not in str(done)
    target.virsh("destroy", f"{prefix}vm")
    for form in ("raw", "qcow2"):
        assert size_inside(target, f"{images}/d.{form}", form) >= 12
    target.virsh("pool-refresh", pool)
    converge(target, "storage_volume", {"pool": pool, "name": "d.raw", "capacity": "16MiB"})
    assert size_inside(target, f"{images}/d.raw", "raw") >= 16
    for given, why in (
        ({"name": "x", "copy_of": {"volume": "d.raw"}}, "neither copies"),
        ({"name": "x", "backing": {"volume": "d.qcow2"}}, "nor makes a clone"),
    ):
        [error] = refused(target, "storage_volume", {"pool": pool, **given})
        assert why in error
    bare = {"name": f"{prefix}b", "memory": {"size": "32MiB"},
            "disks": [{"name": "a", "pool": pool, "volume": "d.raw"}]}  # fmt: skip
    [error] = refused(target, "vm", bare)
    assert "disks.a.encryption: is needed: the volume" in error
