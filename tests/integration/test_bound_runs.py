"""A run that is bound to a plan does that plan, or nothing, and says what is another now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.module_server import ModuleServer
from support.observer import Observer
from support.private_libvirtd import PrivateLibvirtd

Args = dict[str, Any]
Result = dict[str, Any]


class Reviewed:
    """A host, and declarations that are planned, reviewed and run."""

    def __init__(
        self, libvirtd: PrivateLibvirtd, modules: ModuleServer, folder: Path, prefix: str
    ) -> None:
        self.virsh = libvirtd.virsh
        self.modules = modules
        self.folder = folder
        self.prefix = prefix
        self.name = f"{prefix}vm"

    def vm(self, name: str = "vm", **options: Any) -> Args:
        disk = {"name": "root", "pool": f"{self.prefix}pool", "capacity": "8MiB"}
        backed = {**disk, "backing": {"volume": "base.qcow2"}}
        small = {"virt_type": "qemu", "memory": {"size": "64MiB"}}
        return {"name": f"{self.prefix}{name}", **small, "disks": [backed], **options}

    def everything(self, **options: Any) -> Args:
        pool = f"{self.prefix}pool"
        return {
            "storage_pools": [{"name": pool, "type": "dir", "path": str(self.folder)}],
            "storage_volumes": [{"pool": pool, "name": "base.qcow2", "capacity": "4MiB"}],
            "vms": [self.vm(**options), self.vm("other")],
        }

    def made(self) -> None:
        done = self.modules.run("host_config", self.everything())
        assert not done.get("failed"), done["msg"]

    def planned(self, module: str, args: Args) -> Result:
        planned = self.modules.run(module, args, check=True)
        assert planned["plan"]
        return planned

    def ran(self, module: str, args: Args, expect: Any) -> Result:
        return self.modules.run(module, {**args, "expect": expect})


@pytest.fixture
def host(libvirtd: PrivateLibvirtd, modules: ModuleServer, images: Path, prefix: str) -> Reviewed:
    return Reviewed(libvirtd, modules, images, prefix)


def test_a_whole_host_comes_as_it_was_reviewed_and_then_nothing(host: Reviewed) -> None:
    args = host.everything()
    planned = host.planned("host_config", args)
    done = host.ran("host_config", args, planned["made_from"])
    assert done["plan"] == planned["plan"]
    again = host.ran("host_config", args, planned["made_from"])
    assert (again["changed"], again.get("failed")) == (False, None), again


@pytest.mark.parametrize("form", ["made_from", "digests", "file of it", "file of the result"])
def test_what_was_reviewed_is_given_in_any_form(host: Reviewed, tmp_path: Path, form: str) -> None:
    host.made()
    args = {"name": host.name, "title": "x"}
    planned = host.planned("vm", args)
    file = tmp_path / "plan.json"
    made_from = planned["made_from"]
    file.write_text(json.dumps(planned if form == "file of the result" else made_from))
    digests = {resource: one["digest"] for resource, one in made_from.items()}
    given = {"made_from": made_from, "digests": digests}.get(form, str(file))
    assert host.ran("vm", args, given)["plan"] == planned["plan"]
    assert host.ran("vm", args, given)["changed"] is False


@pytest.mark.parametrize(
    "command",
    [
        ("desc", "--title", "--config", "other"),
        ("setvcpus", "2", "--config", "--maximum"),
        ("autostart",),
        ("start",),
        ("undefine",),
    ],
    ids=lambda command: command[0],
)
def test_what_somebody_else_changed_ends_the_run(
    host: Reviewed, observer: Observer, command: tuple[str, ...]
) -> None:
    host.made()
    args = host.everything(description="x")
    planned = host.planned("host_config", args)
    host.virsh(command[0], host.name, *command[1:])
    with observer.unchanged():
        done = host.ran("host_config", args, planned["made_from"])
        by_digest = host.ran("host_config", args, _digests(planned))
    assert (
        f"vm/{host.name}: is not planned as is expected: not as it was: vm {host.name}"
        in (done["msg"])
    )
    assert f"vm {host.name}" in by_digest["msg"]


def _digests(planned: Result) -> dict[str, str]:
    return {resource: one["digest"] for resource, one in planned["made_from"].items()}


def test_what_others_do_beside_it_does_not(host: Reviewed, libvirtd: PrivateLibvirtd) -> None:
    """Another clone runs and its image's owner is another, files come, and libvirt looks anew."""
    host.made()
    args = {**host.vm("new"), "state": "running"}
    planned = host.planned("vm", args)
    gone = {"name": host.name, "state": "absent", "remove_storage": True}
    planned_gone = host.planned("vm", gone)
    host.virsh("start", f"{host.prefix}other")
    libvirtd.outside(host.folder / "stray.iso").write_bytes(b"\0" * 512)
    libvirtd.run(["ip", "link", "add", "veth-a", "type", "veth", "peer", "name", "veth-b"])
    host.virsh("pool-refresh", f"{host.prefix}pool")
    done = host.ran("vm", args, _digests(planned))
    libvirtd.run(["ip", "link", "delete", "veth-a"])
    assert not done.get("failed"), done["msg"]
    assert done["plan"] == planned["plan"]
    done = host.ran("vm", gone, _digests(planned_gone))
    assert not done.get("failed"), done["msg"]


def test_an_image_that_is_another_ends_the_run(
    host: Reviewed, libvirtd: PrivateLibvirtd, observer: Observer
) -> None:
    host.made()
    args = {"name": host.name, "state": "running"}
    planned = host.planned("vm", args)
    image = host.folder / f"{host.name}-root.qcow2"
    libvirtd.run(["qemu-img", "resize", str(image), "16M"])
    with observer.unchanged():
        done = host.ran("vm", args, planned["made_from"])
    assert f"image {image}" in done["msg"]


def test_what_nobody_reviewed_ends_the_run(host: Reviewed, observer: Observer) -> None:
    host.made()
    planned = host.planned("vm", {"name": host.name, "title": "x"})
    with observer.unchanged():
        other = host.ran("vm", {"name": host.name, "title": "y"}, planned["made_from"])
        more = host.ran("host_config", {**host.everything(title="x"), "vms": [
            {**one, "title": "x"} for one in host.everything()["vms"]
        ]}, planned["made_from"])  # fmt: skip
        none = host.ran("vm", {"name": host.name, "title": "x"}, {})
    assert "something else is declared, or planned of it" in other["msg"]
    assert "would be changed, and the plan that is expected does not say so" in none["msg"]
    assert f"vm/{host.prefix}other" in more["msg"]


@pytest.mark.parametrize("given", [["a"], 7, {"vm/x": 7}, "/nowhere.json", {"vm/x": {"facts": 1}}])
def test_what_is_no_plan_is_a_mistake(host: Reviewed, given: Any) -> None:
    args = {**host.vm(disks=[]), "expect": given}
    for check in (True, False):
        told = host.modules.run("vm", args, check)
        assert told["msg"].startswith("expect"), told
        assert "Traceback" not in json.dumps(told)


def test_a_plan_for_a_snapshot_binds_the_run_on_the_host(
    host: Reviewed, tmp_path: Path, observer: Observer
) -> None:
    host.made()
    taken = tmp_path / "host.json"
    host.modules.run("host_snapshot", {"dest": str(taken)})
    args = {"name": host.name, "cpu": {"count": 2}, "state": "running"}
    planned = host.planned("vm", {**args, "uri": f"snapshot:{taken}"})
    with observer.unchanged():
        refused = host.ran("vm", {**args, "uri": f"snapshot:{taken}"}, planned["made_from"])
    assert "can be planned for, and not changed" in refused["msg"]
    done = host.ran("vm", args, planned["made_from"])
    assert done.get("plan") == planned["plan"], done
