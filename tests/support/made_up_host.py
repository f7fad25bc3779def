"""A host as a tree of made-up files: what the kernel, systemd and libvirt show of VMs that run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ansible_collections.kvm.fleet.plugins.module_utils.engine.promises import Vm
from ansible_collections.kvm.fleet.plugins.module_utils.host.capacity import Places

GIB, MIB = 2**30, 2**20
UUID = "00000000-0000-4000-8000-{:012}"


class MadeUpHost:
    """Its `places` are what is under test; the rest has things happen on it."""

    def __init__(self, root: Path, cpus: str = "0-3", memory: int = 8 * GIB) -> None:
        self.root = root
        self.calls: list[tuple[str, ...]] = []
        self.refuses = ""  # a property that systemd accepts and the kernel then has not
        self.next_pid = 100
        self.places = Places(*(str(root) + path for path in Places()[:-1]), run=self._run)
        self.write("/proc/meminfo", f"MemTotal: {memory // 1024} kB\nMemFree: 1 kB\n")
        self.write("/sys/devices/system/cpu/online", f"{cpus}\n")
        self.write("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory\n")
        (root / "run/systemd/system").mkdir(parents=True)
        self.daemon = self._process("1 (libvirtd) S " + " ".join("0" * 18) + " 4711 0")
        self.write(f"/proc/{self.daemon}/comm", "libvirtd\n")
        self.group("/machine.slice")

    def write(self, path: str, text: str) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def group(self, path: str, weight: int = 100) -> None:
        """A cgroup, as systemd makes it; those around it too."""
        above, _slash, _name = path.rpartition("/")
        if above and not self.cgroup(above).exists():
            self.group(above)
        for file, value in {"cpu.weight": weight, "memory.min": 0, "cpuset.cpus": ""}.items():
            self.write(f"/sys/fs/cgroup{path}/{file}", f"{value}\n")

    def cgroup(self, path: str) -> Path:
        return self.root / "sys/fs/cgroup" / path.lstrip("/")

    def _process(self, stat: str) -> int:
        self.next_pid += 1
        self.write(f"/proc/{self.next_pid}/stat", stat)
        return self.next_pid

    def start(self, name: str, slices: str = "/machine.slice", weight: int = 100) -> str:
        """A QEMU with a scope of its own, as at libvirt's `started`; the scope."""
        pid = self._process("")
        scope = f"{slices}/machine-qemu\\x2d{pid}\\x2d{name}.scope"
        self.group(scope, weight)
        self.write(f"/proc/{pid}/cgroup", f"1:name=systemd:/\n0::{scope}/libvirt/emulator\n")
        self.write(f"/run/libvirt/qemu/{name}.pid", str(pid))
        return scope

    def stop(self, scope: str) -> None:
        for file in self.cgroup(scope).iterdir():
            file.unlink()
        self.cgroup(scope).rmdir()

    def value(self, path: str, file: str) -> str:
        return (self.cgroup(path) / file).read_text(encoding="utf-8").strip()

    def put(self, path: str, file: str, value: object) -> None:
        (self.cgroup(path) / file).write_text(f"{value}\n", encoding="utf-8")

    def _run(self, command: Sequence[str]) -> str:
        """busctl call ... SetUnitProperties sba(sv) UNIT true COUNT NAME TYPE VALUE..."""
        self.calls.append(tuple(command))
        at = command.index("sba(sv)")
        unit, rest = command[at + 1], list(command[at + 4 :])
        found = [one for one in self.cgroup("").rglob("*") if one.name == unit]
        if not found:
            return f"Call failed: Unit {unit} not found."
        while rest:
            name, kind, value, *rest = rest
            if kind == "ay":
                mask, rest = rest[: int(value)], rest[int(value) :]
                bits = int.from_bytes(bytes(map(int, mask)), "little")
                value = ",".join(str(cpu) for cpu in range(bits.bit_length()) if bits >> cpu & 1)
            file = {"CPUWeight": "cpu.weight", "MemoryMin": "memory.min"}.get(name, "cpuset.cpus")
            if name != self.refuses:
                (found[0] / file).write_text(f"{value}\n", encoding="utf-8")
        return ""


def vm(name: str, number: int = 1, **values: object) -> Vm:
    """A VM of 1 GiB and one vCPU."""
    plain = Vm(name, UUID.format(number), memory=GIB)
    return plain._replace(**values)  # type: ignore[arg-type]
