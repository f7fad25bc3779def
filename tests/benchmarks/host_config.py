"""host_config over many VMs of one libvirtd, beside what else one could use, in the same run.

Prints a table; asserts no time. `--vms 50,500,2000` are the sizes, `--peer N` how many VMs the
loops of community.libvirt go over (their time grows with each VM alike, so a part of them tells).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import libvirt

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from measuring import COLLECTIONS, playbook, site_packages  # noqa: E402

from support.private_libvirtd import IMAGES, PrivateLibvirtd, why_not_here  # noqa: E402

POOL = {"name": "bench", "type": "dir", "path": str(IMAGES / "bench")}
NETWORK = {"name": "bench", "type": "isolated"}
VM = "bench{:04d}"


def main() -> None:
    """Measure every size on a fresh libvirtd, and print the table."""
    options = _options()
    if reason := why_not_here():
        sys.exit(f"cannot measure: {reason}")
    rows = []
    for count in options.vms:
        with private_libvirtd() as uri:
            rows.append(measure(uri, count, min(options.peer, count)))
            print(f"# {count} VMs done", file=sys.stderr)
    print_table(rows)


def measure(uri: str, count: int, peer: int) -> dict[str, float]:
    """Every time in seconds for one number of VMs."""
    empty = min(playbook([{"ansible.builtin.ping": None}]) for _each in range(3))
    declared = {"uri": uri, "storage_pools": [POOL], "vswitches": [NETWORK], "vms": vms(count)}
    task = [{"kvm.fleet.host_config": declared}]
    create = playbook(task)
    nothing = min(playbook(task, changed=False) for _each in range(3))
    bare = min(
        timed([sys.executable, str(Path(__file__).with_name("bare.py")), uri]) for _each in range(3)
    )
    status = (playbook(status_by_peer(uri, peer)) - empty) / peer
    declare = (playbook(declaration_by_peer(uri, peer)) - empty) / peer
    return {
        "VMs": count,
        "create s": create,
        "no change s": nothing,
        "Ansible alone s": empty,
        "bare script s": bare,
        "times bare": (nothing - empty) / bare,
        "peer status, s a VM": status,
        "times faster": status * count / nothing,
        "peer declare, s a VM": declare,
        "times faster than it": declare * count / nothing,
        "module MiB": module_memory_mib(declared),
    }


def status_by_peer(uri: str, count: int) -> list[dict[str, Any]]:
    """The least that community.libvirt does with VMs: it asks each for its state."""
    return [looped(count, "community.libvirt.virt", uri=uri, name="{{ item }}", command="status")]


def declaration_by_peer(uri: str, count: int) -> list[dict[str, Any]]:
    """What community.libvirt needs to declare these VMs and their volumes, which are there."""
    connection = libvirt.open(uri)
    domain = connection.lookupByName(VM.format(0))
    volume = connection.storageVolLookupByPath(
        ET.fromstring(domain.XMLDesc()).find("devices/disk/source").get("file")
    )
    one = {"uri": uri, "pool": POOL["name"], "state": "present", "xml": template(volume.XMLDesc())}
    other = {"uri": uri, "command": "define", "xml": template(domain.XMLDesc())}
    connection.close()
    return [
        looped(count, "community.libvirt.virt_volume", **one),
        looped(count, "community.libvirt.virt", **other),
    ]


def template(definition: str) -> str:
    """A definition of the first VM or its volume as one for any, without what it alone has."""
    tree = ET.fromstring(definition)
    for name in ("uuid", "key"):
        for element in tree.findall(name):
            tree.remove(element)
    for nic in tree.findall("devices/interface"):
        nic.remove(nic.find("mac"))
    return ET.tostring(tree, encoding="unicode").replace(VM.format(0), "{{ item }}")


def looped(count: int, module: str, **arguments: str) -> dict[str, Any]:
    """A task that goes over the VMs one by one."""
    return {module: arguments, "loop": [vm["name"] for vm in vms(count)]}


def vms(count: int) -> list[dict[str, Any]]:
    """The VMs of the benchmark: one disk on a volume of its own, one NIC."""
    return [
        {
            "name": VM.format(number),
            "memory": {"size": "512MiB"},
            "cpu": {"count": 2},
            "disks": [{"name": "root", "pool": "bench", "capacity": "1GiB"}],
            "nics": [{"name": "lan", "vswitch": "bench"}],
        }
        for number in range(count)
    ]


def module_memory_mib(arguments: dict[str, Any]) -> float:
    """The most memory that the module's own process held."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ansible_collections.kvm.fleet.plugins.modules.host_config"],
        env={**os.environ, "PYTHONPATH": f"{COLLECTIONS}:{site_packages()}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
    process.stdin.close()
    _pid, _status, usage = os.wait4(process.pid, 0)
    return usage.ru_maxrss / 1024


def timed(argv: list[str]) -> float:
    """Seconds for a command."""
    started = time.monotonic()
    subprocess.run(argv, check=True)
    return time.monotonic() - started


@contextmanager
def private_libvirtd() -> Iterator[str]:
    """A libvirtd without any VMs; yields its URI."""
    daemon = PrivateLibvirtd(Path(tempfile.mkdtemp(prefix="kvmf-", dir="/tmp")))
    daemon.start()
    try:
        yield daemon.uri
    finally:
        daemon.stop()


def print_table(rows: list[dict[str, float]]) -> None:
    """One line a measure, one column a size."""
    for name in rows[0]:
        cells = (f"{row[name]:12.0f}" if name == "VMs" else f"{row[name]:12.2f}" for row in rows)
        print(f"{name:22}{''.join(cells)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--vms", type=lambda text: [int(n) for n in text.split(",")], default=[50, 500, 2000]
    )
    parser.add_argument("--peer", type=int, default=50, metavar="N")
    return parser.parse_args()


if __name__ == "__main__":
    main()
