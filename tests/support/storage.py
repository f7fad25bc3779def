"""What tests of storage share: how things look without the module, and how a change has to go.

Nothing here knows the collection's own engine: virsh, qemu-img and the file system tell.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from support.ansible_runs import run_module
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

Args = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """A host to test on: how a module runs on it, one at a time or beside others, and a command."""

    module: Callable[[str, Args, bool], dict[str, Any]]
    module_beside: Callable[[str, Args], dict[str, Any]]
    run: Callable[[list[str]], str]

    def virsh(self, *arguments: str) -> str:
        return self.run(["virsh", "--quiet", *arguments]).strip()

    def pool(self, name: str, *flags: str) -> ET.Element:
        return ET.fromstring(self.virsh("pool-dumpxml", name, *flags))

    def pools(self) -> list[str]:
        return self.virsh("pool-list", "--all", "--name").split()

    def volumes(self, pool: str) -> dict[str, str]:
        """The paths of a pool's volumes by name, as libvirt finds them when it looks again."""
        self.virsh("pool-refresh", pool)
        lines = self.virsh("vol-list", pool).splitlines()
        return dict(line.split() for line in lines)

    def image(self, path: str) -> dict[str, Any]:
        """What qemu-img says of an image, which may be in use."""
        return json.loads(self.run(["qemu-img", "info", "-U", "--output=json", path]))

    def state(self) -> dict[str, str]:
        """All definitions of storage, and all files in the pools' directories with their sizes."""
        seen = {}
        for name in self.pools():
            commands = f"pool-dumpxml {name}; pool-dumpxml {name} --inactive; pool-info {name}"
            live, _end, rest = self.virsh(commands).partition("</pool>")
            stored, _end, info = rest.partition("</pool>")
            seen[f"{name} live"] = _without_sizes(live)
            seen[f"{name} stored"] = _without_sizes(stored)
            seen[f"{name} info"] = _without_sizes(info)
            seen[f"{name} files"] = self._files(ET.fromstring(f"{live}</pool>"))
        return seen

    def _files(self, pool: ET.Element) -> str:
        path = pool.findtext("target/path")
        if pool.get("type") not in ("dir", "fs", "netfs") or not path:
            return ""
        listed = 'test ! -e "$0" || find "$0" -printf "%P %s %m %U %G\\n"'
        return self.run(["sh", "-c", listed, path])

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """See that nothing of the storage changes meanwhile."""
        before = self.state()
        yield
        assert self.state() == before


def on_libvirtd(libvirtd: PrivateLibvirtd, modules: ModuleServer) -> Target:
    """The host that a private libvirtd pretends to be."""
    return Target(modules.run, lambda name, args: run_module(name, args, on=libvirtd), libvirtd.run)


def _without_sizes(text: str) -> str:
    """What virsh says of a pool, without what changes by itself on a busy file system."""
    sizes = ("capacity", "allocation", "available")
    lines = text.splitlines()
    return "\n".join(line for line in lines if not line.lower().strip(" <").startswith(sizes))


def converge(target: Target, module: str, args: Args) -> dict[str, Any]:
    """Run a module as it has to run: check mode writes nothing and says what the run then does,
    and a second run changes nothing. What the run returned."""
    with target.unchanged():
        predicted = target.module(module, args, True)
    assert not predicted.get("failed"), predicted.get("msg")
    done = target.module(module, args, False)
    assert not done.get("failed"), done.get("msg")
    assert (done["changed"], done["plan"]) == (predicted["changed"], predicted["plan"])
    assert done["diff"] == predicted["diff"]
    again = target.module(module, args, False)
    assert (again["changed"], again["plan"]) == (False, []), again
    return done


def refused(target: Target, module: str, args: Args) -> list[str]:
    """The errors of a module that has to fail."""
    done = target.module(module, args, False)
    assert done.get("failed"), done
    assert "Traceback" not in json.dumps(done)
    return list(done.get("errors", [done["msg"]]))


def pool_lifecycle(target: Target, pool: Args, capacity: str = "16MiB") -> None:
    """What a pool of any type has to do: come, hold a volume, stop, start and go."""
    name = pool["name"]
    converge(target, "storage_pool", pool)
    info = target.virsh("pool-info", name)
    assert "running" in info and "yes" in info.split("Autostart:")[1]
    volume = {"pool": name, "name": "one", "capacity": capacity}
    converge(target, "storage_volume", volume)
    path = target.volumes(name)["one"]
    assert target.image(path)["virtual-size"] >= 16 * 2**20
    converge(target, "storage_pool", {"name": name, "state": "inactive"})
    assert "inactive" in target.virsh("pool-info", name)
    converge(target, "storage_pool", {"name": name})
    assert target.volumes(name) == {"one": path}
    converge(target, "storage_volume", {**volume, "state": "absent"})
    assert target.volumes(name) == {}
    converge(target, "storage_pool", {"name": name, "state": "absent"})
    assert name not in target.pools()
