"""This version of the collection beside an earlier one, in turns on one libvirtd, in the same run.

    versions.py REVISION [--vms 500] [--turns 5]

Prints a table; asserts no time. What runs is what Ansible sends to a host, by the Python that runs
this: a task's start, its compiling of the payload included, and its end, without Ansible's own
time on the controller. Of all turns the least counts, in processor time and by the clock.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support.private_libvirtd import PrivateLibvirtd, why_not_here  # noqa: E402

COMMON = {f"_ansible_{name}": False for name in ("check_mode", "diff", "no_log")}
VM = {"name": "v0000", "memory": {"size": "64MiB"}}


class Took(NamedTuple):
    """Seconds of a task."""

    processor: float
    clock: float


class Version(NamedTuple):
    """A version of the collection, and where its payloads are to be written."""

    name: str
    collections: Path
    payloads: Path

    def payload(self, module: str, arguments: Mapping[str, Any]) -> Path:
        """What Ansible sends for a task, made in a process that knows this version alone."""
        path = self.payloads / f"{len(list(self.payloads.iterdir()))}.py"
        told = json.dumps([module, {**arguments, **COMMON, "_ansible_verbosity": 0}, str(path)])
        subprocess.run(
            [sys.executable, __file__, "--build"],
            input=told,
            text=True,
            check=True,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(self.collections)},
        )
        return path


def main() -> None:
    """Both versions, case by case."""
    if sys.argv[1:] == ["--build"]:
        build(*json.load(sys.stdin))
        return
    options = _options()
    if reason := why_not_here():
        sys.exit(f"cannot measure: {reason}")
    with tempfile.TemporaryDirectory(prefix="kvmf-versions-") as folder:
        versions = [_unpacked(name, Path(folder)) for name in (options.revision, "HEAD")]
        daemon = PrivateLibvirtd(Path(tempfile.mkdtemp(prefix="kvmf-", dir="/tmp")))
        daemon.start()
        try:
            print(f"{'':30}{options.revision:>20}{'now':>20}")
            sizes(versions)
            times(versions, daemon.uri, options.vms, options.turns)
        finally:
            daemon.stop()


def sizes(versions: list[Version]) -> None:
    """How much goes to the host with a task."""
    for module in ("vm", "storage_pool", "host_config"):
        told = [_size(version.payload(module, {"name": "x"})) for version in versions]
        print(f"{f'payload of {module}, KiB (files)':30}{''.join(f'{one:>20}' for one in told)}")


def times(versions: list[Version], uri: str, count: int, turns: int) -> None:
    """One VM, then many: nothing to change, and a title of each."""

    def task(title: str) -> dict[str, Any]:
        vms = [{**VM, "name": f"v{number:04d}", "title": title} for number in range(count)]
        return {"uri": uri, "vms": vms}

    for version in versions:  # a later version may add to what an earlier one made
        run(version.payload("host_config", task("a")))
    compared("one VM, nothing to change", versions, turns, lambda _turn: ("vm", {"uri": uri, **VM}))
    compared(
        f"{count} VMs, nothing to change", versions, turns, lambda _turn: ("host_config", task("a"))
    )
    compared(
        f"{count} titles", versions, turns, lambda turn: ("host_config", task("ba"[turn % 2])), True
    )


def compared(
    case: str,
    versions: list[Version],
    turns: int,
    task_of: Callable[[int], tuple[str, dict[str, Any]]],
    changes: bool = False,
) -> None:
    """A line of the table. What changes something takes another title in each run."""
    took: dict[str, list[Took]] = {version.name: [] for version in versions}
    for turn in range(turns):
        for place, version in enumerate(versions if turn % 2 else versions[::-1]):
            task = task_of(turn * len(versions) + place)
            seconds, changed = run(version.payload(*task))
            if changed != changes:
                sys.exit(f"{case}, {version.name}: changed is {changed}")
            took[version.name].append(seconds)
    least = [[min(part) for part in zip(*took[version.name])] for version in versions]
    cells = (f"{clock:.2f} s ({processor:.2f})" for processor, clock in least)
    print(f"{case:30}{''.join(f'{cell:>20}' for cell in cells)}", flush=True)


def run(payload: Path) -> tuple[Took, bool]:
    """Run a task, and tell its times and whether it changed something."""
    with tempfile.TemporaryFile() as said:
        started = time.monotonic()
        process = subprocess.Popen([sys.executable, payload], stdout=said, stderr=said)
        _pid, status, usage = os.wait4(process.pid, 0)
        clock = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode()
    result = json.loads(text) if text.lstrip().startswith("{") else {"failed": True, "msg": text}
    if result.get("failed"):
        sys.exit(result["msg"])
    return Took(usage.ru_utime + usage.ru_stime, clock), result["changed"]


def build(module: str, arguments: dict[str, Any], path: str) -> None:
    """Write a task's payload as Ansible makes it."""
    from ansible.executor.module_common import modify_module
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.loader import init_plugin_loader, module_loader
    from ansible.template import Templar

    init_plugin_loader()
    name = f"kvm.fleet.{module}"
    built = modify_module(
        module_name=name,
        module_path=module_loader.find_plugin_with_context(name).plugin_resolved_path,
        module_args=arguments,
        templar=Templar(loader=DataLoader()),
        task_vars={"ansible_python_interpreter": sys.executable},
        module_compression="ZIP_DEFLATED",
    )
    Path(path).write_bytes(built.b_module_data)


def _size(payload: Path) -> str:
    """Of a payload, and how many files of the collection are in it."""
    data = payload.read_bytes()
    packed = max(re.findall(rb"[A-Za-z0-9+/=]{2000,}", data), key=len)
    files = zipfile.ZipFile(io.BytesIO(base64.b64decode(packed))).namelist()
    return f"{len(data) / 1024:.0f} ({sum('/kvm/fleet/' in name for name in files)})"


def _unpacked(revision: str, folder: Path) -> Version:
    """A version as git has it, where Ansible finds it as a collection."""
    top = folder / str(len(list(folder.iterdir())))
    collection = top / "ansible_collections" / "kvm" / "fleet"
    payloads = top / "payloads"
    for made in (collection, payloads):
        made.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", revision, "plugins", "meta", "galaxy.yml"],
        check=True,
        capture_output=True,
    )
    subprocess.run(["tar", "-x", "-C", collection], input=archive.stdout, check=True)
    return Version(revision, top, payloads)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision", help="the earlier version, as git names it")
    parser.add_argument("--vms", type=int, default=500)
    parser.add_argument("--turns", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
