"""Takes the snapshots of examples/plan_without_hosts anew.

To be run (`python tests/support/example_snapshots.py`) when the format of snapshots is another. Of
this machine is kept what the two hosts need.
"""

from __future__ import annotations

import posixpath
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / ".ansible" / "collections")]

EXAMPLE = ROOT / "examples" / "plan_without_hosts"
IMAGE = "/var/lib/libvirt/boot/debian-12.qcow2"
PATHS = ["/var/lib/libvirt/images", "/var/lib/libvirt/boot"]


def main() -> None:
    from support.module_server import ModuleServer
    from support.private_libvirtd import PrivateLibvirtd

    libvirtd = PrivateLibvirtd(Path("/tmp/kvmf-example"))
    libvirtd.start()
    try:
        libvirtd.outside(IMAGE).parent.mkdir()
        libvirtd.run(["qemu-img", "create", "-q", "-f", "qcow2", IMAGE, "2G"])
        with ModuleServer(libvirtd.entry()) as modules:
            _take(modules, "kvm2.example.org")
            done = modules.run("host_config", _carried())
            assert not done.get("failed"), done["msg"]
            _take(modules, "kvm1.example.org")
    finally:
        libvirtd.stop()


def _carried() -> dict[str, Any]:
    """What the first host carries before, which is less than is declared for it."""
    import yaml

    shared = yaml.safe_load((EXAMPLE / "inventory/group_vars/kvm_hosts.yml").read_text())
    options = ("storage_pools", "storage_volumes", "vswitches", "vm_defaults")
    web = {"name": "web", "cpu": {"count": 1, "maximum": 4}, "memory": {"size": "1GiB"}}
    return {**{option: shared[f"kvm_{option}"] for option in options}, "vms": [web]}


def _take(modules: Any, host: str) -> None:
    import json

    from ansible_collections.kvm.fleet.plugins.module_utils.engine import recording

    taken = json.loads(modules.run("host_snapshot", {"paths": PATHS})["text"])
    facts = taken["facts"]
    facts["open_files"] = {"[]": {}}
    for key, found in facts["folder"].items():
        [path] = json.loads(key)
        if found and not path.startswith("/var/lib/libvirt/"):
            facts["folder"][key] = {
                name: kind
                for name, kind in found.items()
                if json.dumps([posixpath.join(path, name)]) in facts["file"]
            }
    taken["digest"] = recording.digest_of(taken)
    text = json.dumps(taken, indent=1, sort_keys=True) + "\n"
    (EXAMPLE / "snapshots" / f"{host}.json").write_text(text)


if __name__ == "__main__":
    main()
