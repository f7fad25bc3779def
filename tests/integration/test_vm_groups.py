"""Groups of VMs on a real libvirtd: they grow and shrink, and take nobody who is not of them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from support.ansible_runs import PlaybookRun, run_playbook
from support.module_process import kill_module, start_module
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

Args = dict[str, Any]
TIMEOUT_S = 600
FOREIGN = """
<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>
"""


class Web:
    """The group web of a test, whose VMs are called PREFIX-web-1 and so on."""

    def __init__(
        self, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path
    ) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.name = f"{prefix}web"
        self.pool = {"name": f"{prefix}pool", "type": "dir", "path": str(images)}
        self.disks = libvirtd.outside(images)

    def args(self, count: int, **group: Any) -> Args:
        vm = {
            "virt_type": "qemu",
            "state": "paused",  # it runs, and needs no system
            "title": "Web %{index}",
            "memory": {"size": "32MiB"},
            "shutdown": {"timeout_s": 0, "on_timeout": "power_off"},
            "disks": [{"name": "root", "pool": self.pool["name"], "capacity": "2MiB"}],
            **group.pop("vm", {}),
        }
        return {
            "storage_pools": [self.pool],
            "vm_groups": [{"name": self.name, "count": count, "vm": vm, **group}],
        }

    def run(self, count: int, check: bool = False, more: Args | None = None, **group: Any) -> Args:
        return self.modules.run("host_config", {**self.args(count, **group), **(more or {})}, check)

    def converge(self, count: int, **group: Any) -> Args:
        """A run that does what check mode said, after which there is nothing to do."""
        predicted, done = self.run(count, check=True, **group), self.run(count, **group)
        assert not done.get("failed"), done["msg"]
        for said in ("plan", "diff", "vm_groups", "summary"):
            assert predicted[said] == done[said], said
        again = self.run(count, **group)
        assert (again["changed"], again["plan"]) == (False, []), again
        return done

    def numbers(self) -> list[str]:
        """The numbers of what is called like a member."""
        names = self.libvirtd.virsh("list", "--all", "--name").split()
        return sorted(one[len(self.name) + 1 :] for one in names if one.startswith(self.name))

    def volumes(self) -> list[str]:
        return sorted(path.name[len(self.name) + 1 :] for path in self.disks.glob("*.qcow2"))

    def of(self, number: int) -> str:
        return f"{self.name}-{number}"


@pytest.fixture
def web(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path) -> Web:
    return Web(libvirtd, modules, prefix, images)


def test_a_group_grows_and_shrinks_and_takes_nobody_else(web: Web) -> None:
    assert web.converge(1)["vm_groups"][web.name]["coming"] == [web.of(1)]
    web.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=FOREIGN.format(name=web.of(4)))
    refused = web.run(5)
    assert refused["errors"] == [refused["msg"]]
    beginning = f"vm/{web.of(4)}: is there already and is no member of {web.name}; write adopt: "
    assert refused["msg"].startswith(beginning)
    assert web.numbers() == ["1", "4"]
    web.libvirtd.virsh("undefine", web.of(4))
    web.converge(5)
    assert "<title>Web 5</title>" in web.libvirtd.virsh("dumpxml", web.of(5))

    done = web.converge(5, vm={"description": "all alike"})
    [diff, _summary] = done["diff"]
    ends = f"({web.of(1)} to {web.of(5)})"
    assert diff["after_header"] == f"vm_groups/{web.name} {ends} (after)"
    assert diff["after"] == 'description: "all alike"  # live\n'

    # Somebody puts a VM of his own in the place of a member, and it is no member.
    for step in ("destroy", "undefine"):
        web.libvirtd.virsh(step, web.of(4))
    web.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=FOREIGN.format(name=web.of(4)))
    _interrupted_once_one_is_gone(web, web.args(2))
    done = web.converge(2)
    assert done["vm_groups"][web.name]["members"] == [web.of(1), web.of(2)]
    assert web.numbers() == ["1", "2", "4"]
    assert "Web" not in web.libvirtd.virsh("dumpxml", web.of(4))
    assert web.volumes() == [f"{number}-root.qcow2" for number in (1, 2, 3, 4, 5)]
    web.converge(1, remove_storage=True)
    assert web.numbers() == ["1", "4"] and "2-root.qcow2" not in web.volumes()


def _interrupted_once_one_is_gone(web: Web, args: Args) -> None:
    """The highest goes first; the run is killed when it is gone."""
    process = start_module("host_config", args, web.libvirtd)
    deadline = time.monotonic() + TIMEOUT_S
    while "5" in web.numbers() and process.poll() is None:
        assert time.monotonic() < deadline, f"nobody left in {TIMEOUT_S} s"
    kill_module(process)
    process.communicate(timeout=TIMEOUT_S)
    assert "5" not in web.numbers()


# ---- the playbook


def scaled(web: Web, tasks: Path, count: int, *options: str) -> PlaybookRun:
    args = web.args(count, drain="required", vm={"state": "stopped"})
    said = {
        "kvm_scale_hosts": "localhost",
        "kvm_scale_become": False,
        "kvm_drain_tasks": str(tasks),
        **{f"kvm_{name}": value for name, value in args.items()},
    }
    text = "- ansible.builtin.import_playbook: kvm.fleet.scale\n"
    return run_playbook(text, "-e", json.dumps(said), *options, on=web.libvirtd)


@pytest.mark.long(
    touched_by=r"playbooks/(scale|tasks/drain)|plugins/.*/(vm_groups|leaving|binding)"
)
def test_who_leaves_is_drained_first(web: Web, tmp_path: Path) -> None:
    tasks = tmp_path / "drain.yml"
    tasks.write_text(
        "- name: Take it out of the balancer\n"
        "  ansible.builtin.debug: {msg: 'drain {{ vm }} on {{ kvm_host }} of {{ kvm_group }}'}\n"
    )
    web.converge(4, drain="required", vm={"state": "stopped"})
    refused = web.run(2, drain="required", vm={"state": "stopped"})
    assert "is to be drained first" in refused["msg"] and len(refused["errors"]) == 2

    planned = scaled(web, tasks, 2, "--check")
    assert planned.returncode == 0, planned.output
    assert "drain " not in planned.output and web.numbers() == ["1", "2", "3", "4"]

    done = scaled(web, tasks, 2)
    assert done.returncode == 0, done.output
    drained = [one.result["msg"] for one in done.tasks if "balancer" in one.task]
    assert drained == [f"drain {web.of(number)} on localhost of {web.name}" for number in (4, 3)]
    assert web.numbers() == ["1", "2"]
    again = scaled(web, tasks, 2)
    assert again.returncode == 0 and not again.changed, again.output
