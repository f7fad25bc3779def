"""The inventory of many hosts: in the time of the slowest, beside what else one could use.

The hosts are test drivers of libvirt with 50 VMs each, behind one private libvirtd and links that
take 10 ms for each call, one of them 50 ms. First the reading alone, by the functions that the
plugin calls. Then `ansible-inventory --list` as a whole, less what it takes for an empty inventory;
most of that is Ansible's own work with a thousand hosts. The peer, community.libvirt, takes one URI
a source, so it gets a source for each host.

Prints a table. Fails where all hosts take longer than the slowest and what the CPUs are busy with.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".ansible" / "collections"
sys.path[:0] = [str(ROOT / "tests"), str(COLLECTIONS)]

from ansible_collections.kvm.fleet.plugins.module_utils.inventory.at_once import (  # noqa: E402
    ask_all,
)
from ansible_collections.kvm.fleet.plugins.module_utils.inventory.reader import read  # noqa: E402
from support.private_libvirtd import PrivateLibvirtd, why_not_here  # noqa: E402

INVENTORY = Path(sys.executable).with_name("ansible-inventory")
NEAR_S, FAR_S = 0.010, 0.050
SOURCES = ("lease", "agent", "declared")
LONG_S = 3600
TIMES = 3
# Of what is measured on a machine that does other things as well.
TOLERANCE = 1.5
VM = """
<domain type="test"><name>{name}</name><memory unit="MiB">512</memory><vcpu>1</vcpu>
  <os><type arch="x86_64">hvm</type></os>
  <devices>
    <disk type="file" device="disk"><source file="/srv/{name}.qcow2"/><target dev="vda"/></disk>
    <interface type="network"><mac address="52:54:00:00:{host:02x}:{vm:02x}"/>
      <source network="lan"/></interface></devices></domain>
"""
NETWORK = """
<network><name>lan</name><forward mode="nat"/><bridge name="virbr0"/>
  <ip address="192.0.2.1" netmask="255.255.255.0"/></network>
"""
GROUPS = {"keyed_groups": [{"key": "kvm_host", "prefix": "host"}]}


def main() -> None:
    """Measure, print, and fail where it takes too long."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--vms", type=int, default=50)
    options = parser.parse_args()
    if reason := why_not_here():
        sys.exit(f"cannot measure: {reason}")
    with private_hosts(options.hosts, options.vms) as uris, tempfile.TemporaryDirectory() as name:
        reading = read_alone(uris, options.vms)
        whole = listed_whole(Path(name), uris, options.vms)
    print(f"{options.hosts} hosts of {options.vms} VMs, in seconds")
    print_table(reading)
    print_table(whole)
    most = TOLERANCE * (reading["the slowest host alone"] + reading["all, without links"])
    if reading["all at once"] > most:
        sys.exit(f"all at once took {reading['all at once']:.1f} s, longer than {most:.1f} s")


def read_alone(uris: Mapping[str, str], vms: int) -> dict[str, float]:
    """What the reading takes."""
    far, *near = uris
    here = {name: uri.replace("+unix", "").partition("?")[0] for name, uri in uris.items()}
    return {
        "all at once": read_at_once(uris, vms),
        "the slowest host alone": read_at_once({far: uris[far]}, vms),
        "another host alone": read_at_once({near[0]: uris[near[0]]}, vms),
        "one after the other": sum(
            read_at_once({name: uri}, vms, times=1) for name, uri in uris.items()
        ),
        "all, without links": read_at_once(here, vms),
    }


def read_at_once(uris: Mapping[str, str], vms: int, times: int = TIMES) -> float:
    """The best time of some hosts."""
    best = float("inf")
    for _time in range(times):
        began = time.monotonic()
        found = ask_all({name: partial(read, uri, SOURCES) for name, uri in uris.items()}, LONG_S)
        best = min(best, time.monotonic() - began)
        for name, one in found.items():
            if one.error or one.answer is None or len(one.answer["vms"]) != vms:
                sys.exit(f"{name}: {one}")
    return best


def listed_whole(folder: Path, uris: Mapping[str, str], vms: int) -> dict[str, float]:
    """What the inventory takes as a whole, beside an empty one."""
    empty = folder / "empty.yml"
    empty.write_text("all: {}\n")
    alone = listed([empty], 0)
    ours = write(folder / "ours.yml", plugin="kvm.fleet.vms", hosts=dict(uris), **GROUPS)
    single = [
        write(folder / f"{name}.yml", plugin="kvm.fleet.vms", hosts={name: uri}, **GROUPS)
        for name, uri in uris.items()
    ]
    peers = [
        write(folder / f"{name}.libvirt.yml", plugin="community.libvirt.libvirt", uri=uri)
        for name, uri in uris.items()
    ]
    there = vms * len(uris)
    return {
        "Ansible alone": alone,
        "kvm.fleet.vms": listed([ours], there) - alone,
        "the same, a source a host": listed(single, there, times=1) - alone,
        "community.libvirt": listed(peers, there, times=1) - alone,
    }


def write(source: Path, **options: Any) -> Path:
    """A source of an inventory."""
    source.write_text(yaml.safe_dump(options))
    return source


def listed(sources: list[Path], vms: int, times: int = TIMES) -> float:
    """The best time of ansible-inventory over sources, which have to give so many hosts."""
    best = float("inf")
    for _time in range(times):
        given = [part for source in sources for part in ("-i", str(source))]
        began = time.monotonic()
        done = subprocess.run(
            [str(INVENTORY), "--list", *given],
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS)},
            check=True,
            capture_output=True,
            text=True,
        )
        best = min(best, time.monotonic() - began)
        there = len(json.loads(done.stdout)["_meta"]["hostvars"])
        if there != vms:
            sys.exit(f"{there} VMs and not {vms}: {done.stderr}")
    return best


@contextmanager
def private_hosts(hosts: int, vms: int) -> Iterator[dict[str, str]]:
    """The URIs of hosts by their names, the slowest first."""
    folder = Path(tempfile.mkdtemp(prefix="kvmf-", dir="/tmp"))
    daemon = PrivateLibvirtd(Path(f"{folder}-d"))  # its name is that of a control group as well
    daemon.start()
    try:
        nodes = {f"host{n}": folder / f"{n}.xml" for n in range(hosts)}
        for number, (name, file) in enumerate(nodes.items()):
            made = (VM.format(name=f"{name}-{v}", host=number, vm=v) for v in range(vms))
            file.write_text(f"<node>{NETWORK}{''.join(made)}</node>")
        sockets = {name: folder / f"{name}.sock" for name in nodes}
        delays = [FAR_S, *[NEAR_S] * (hosts - 1)]
        links = [f"{path}={delay}" for path, delay in zip(sockets.values(), delays)]
        with linked(daemon.socket, links):
            yield {
                name: f"test+unix://{file}?socket={sockets[name]}" for name, file in nodes.items()
            }
    finally:
        daemon.stop()
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


@contextmanager
def linked(target: Path, links: list[str]) -> Iterator[None]:
    """Sockets that lead to the daemon's by a way that takes its time."""
    program = Path(__file__).with_name("slow_link.py")
    argv = [sys.executable, str(program), str(target), *links]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout and process.stdout.readline() == "ready\n"
        yield
    finally:
        process.kill()
        process.wait()


def print_table(measured: Mapping[str, float]) -> None:
    for what, seconds in measured.items():
        print(f"{what:<28} {seconds:8.2f}")
    print()


if __name__ == "__main__":
    main()
