"""A machine below a folder whose kernel answers writes as Linux does: huge pages, and KSM."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ansible_collections.kvm.fleet.plugins.module_utils.kinds.host_memory.applier import Machine

MIB, GIB = 2**20, 2**30
HUGE_PAGES = "sys/kernel/mm/hugepages/hugepages-{kib}kB"
OF_NODE = "sys/devices/system/node/node{node}/hugepages/hugepages-{kib}kB"
KSM = "sys/kernel/mm/ksm"
SIZES_KIB = (2048, 1048576)
NODES = (0, 1)
TMPFILES = "etc/tmpfiles.d/kvm-fleet-host-memory.conf"
GRUB = "etc/default/grub.d/kvm-fleet-huge-pages.cfg"


class FakeMachine(Machine):
    """16 GiB on two nodes, with systemd and GRUB, no huge pages, and KSM off."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.most: dict[int, int] = {}  # of a size in KiB, what there is memory in one piece for
        self.grub_says = ""
        self.grub_updates = 0
        self._put("proc/meminfo", self._meminfo(16 * GIB, 12 * GIB))
        self._put("proc/cmdline", "root=/dev/vda quiet\n")
        self._put("usr/sbin/update-grub", "")
        self._put("boot/grub/grub.cfg", "")
        (root / "run/systemd/system").mkdir(parents=True)
        for kib in SIZES_KIB:
            self._put_pages(HUGE_PAGES.format(kib=kib), resv_hugepages=0)
            for node in NODES:
                self._put_pages(OF_NODE.format(kib=kib, node=node))
        for node in NODES:
            free = f"Node {node} MemFree: {6 * MIB} kB\n"
            self._put(f"sys/devices/system/node/node{node}/meminfo", free)
        ksm = {"run": 0, "pages_to_scan": 100, "sleep_millisecs": 20, "merge_across_nodes": 1}
        for name, value in {**ksm, "use_zero_pages": 0, "pages_shared": 0}.items():
            self._put(f"{KSM}/{name}", value)
        self._put(f"{KSM}/pages_sharing", 0)

    # ---- what others do

    def memory(self, total: int, available: int) -> None:
        self._put("proc/meminfo", self._meminfo(total, available))

    def use(self, kib: int, pages: int) -> None:
        """A program takes pages of node 0."""
        for folder in (HUGE_PAGES.format(kib=kib), OF_NODE.format(kib=kib, node=0)):
            self._put(f"{folder}/free_hugepages", self.number(f"{folder}/free_hugepages") - pages)

    def merge(self, pages: int) -> None:
        self._put(f"{KSM}/pages_shared", 1)
        self._put(f"{KSM}/pages_sharing", pages)

    def boot(self, command_line: str) -> None:
        self._put("proc/cmdline", command_line)

    def text(self, file: str) -> str:
        path = self.root / file
        return path.read_text() if path.exists() else ""

    def put(self, file: str, text: str) -> None:
        self._put(file, text)

    # ---- what the kernel does

    def write_number(self, file: str, value: int) -> None:
        name = Path(file).name
        if name == "nr_hugepages":
            self._resize(str(Path(file).parent), value)
        elif name == "merge_across_nodes" and self.number(f"{KSM}/pages_shared"):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        else:
            self._put(file, value)
        if name == "run" and value == 2:
            self._put(f"{KSM}/pages_shared", 0)
            self._put(f"{KSM}/pages_sharing", 0)

    def update_grub(self) -> str:
        self.grub_updates += 1
        return self.grub_says

    def _resize(self, folder: str, asked: int) -> None:
        """Of all nodes it is node 0 that gives and takes."""
        kib = int(folder.rpartition("-")[2].removesuffix("kB"))
        total = HUGE_PAGES.format(kib=kib)
        given = folder if folder != total else OF_NODE.format(kib=kib, node=0)
        used = self.number(f"{folder}/nr_hugepages") - self.number(f"{folder}/free_hugepages")
        got = max(min(asked, self.most.get(kib, asked)), used)
        more = got - self.number(f"{folder}/nr_hugepages")
        for each in (given, total):
            for name in ("nr_hugepages", "free_hugepages"):
                self._put(f"{each}/{name}", self.number(f"{each}/{name}") + more)
            self._put(f"{each}/surplus_hugepages", max(0, got - asked))

    def _put_pages(self, folder: str, **more: int) -> None:
        names = {"nr_hugepages": 0, "free_hugepages": 0, "surplus_hugepages": 0, **more}
        for name, value in names.items():
            self._put(f"{folder}/{name}", value)

    def _put(self, file: str, content: object) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else f"{content}\n")

    @staticmethod
    def _meminfo(total: int, available: int) -> str:
        return f"MemTotal: {total // 1024} kB\nMemAvailable: {available // 1024} kB\n"
