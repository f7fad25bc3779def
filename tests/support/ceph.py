"""A Ceph cluster of the tests' own: one monitor, one manager, one OSD that keeps all in memory.

The programs are Ceph's own, run beside a private libvirtd and seen by nobody else. Without the
manager Ceph would serve images all the same, and tell of no sizes.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.private_libvirtd import PrivateLibvirtd, PrivateLibvirtdError, wait_until, which

PROGRAMS = ("ceph", "ceph-authtool", "ceph-mgr", "ceph-mon", "ceph-osd", "monmaptool", "rbd")
# What QEMU opens an image with, from a package of its own.
QEMU_MODULES = ("/usr/lib/x86_64-linux-gnu/qemu/block-rbd.so", "/usr/lib/qemu/block-rbd.so")
SERVER, PORT, NEWER_PORT = "127.0.0.1", 6789, 3300
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
MEMORY_BYTES = 2**30  # that the OSD tells it has; it takes what is written
POOL = "vms"
CLIENT = "libvirt"

# One thread does where one guest writes. The manager's modules that nobody asks are left out.
CONFIGURATION = """[global]
fsid = {fsid}
mon_host = v2:{server}:{newer_port}/0,v1:{server}:{port}/0
public_addr = {server}
cluster_addr = {server}
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
keyring = {folder}/keyring
run_dir = {folder}
crash_dir = {folder}
admin_socket =
pid_file = {folder}/$type.pid
log_file = {folder}/$type.log
log_to_stderr = false
mon_data = {folder}/mon
osd_data = {folder}/osd
mgr_data = {folder}/mgr
mgr_initial_modules =
mgr_stats_period = 1
mgr_tick_period = 1
osd_objectstore = memstore
memstore_device_bytes = {memory}
osd_op_num_shards = 1
osd_op_num_threads_per_shard = 1
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_allow_pool_delete = true
"""


def why_not_here() -> str:
    """Why no cluster can run on this machine; empty if it can."""
    missing = [name for name in PROGRAMS if not which(name)]
    if not any(Path(module).exists() for module in QEMU_MODULES):
        missing.append("QEMU's block-rbd.so")
    return f"not installed, `tools/setup ceph` does: {', '.join(missing)}" if missing else ""


class Ceph:
    """One cluster in the namespaces of a private libvirtd."""

    def __init__(self, libvirtd: PrivateLibvirtd, folder: Path) -> None:
        self.libvirtd = libvirtd
        self.folder = folder  # as libvirtd knows it
        self.configuration = folder / "ceph.conf"

    def start(self) -> None:
        """Start it, with a pool and a client that may use it; return when that pool serves."""
        self.libvirtd.run(["mkdir", "-p", f"{self.folder}/osd", f"{self.folder}/mgr"])
        self.libvirtd.outside(self.configuration).write_text(
            CONFIGURATION.format(
                fsid=(fsid := uuid.uuid4()),
                server=SERVER, port=PORT, newer_port=NEWER_PORT,
                folder=self.folder, memory=MEMORY_BYTES,
            )
        )  # fmt: skip
        self._make_keys()
        self._start_monitor(str(fsid))
        self._run("ceph-mgr", "-i", "x")
        osd = str(uuid.uuid4())
        self.ask("osd", "new", osd, "0")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._run("ceph-osd", "-i", "0")
        self._make_pool()
        self.wait_for_sizes()

    def stop(self) -> None:
        """End its daemons, those that were made to hang too."""
        for daemon in ("osd", "mgr", "mon"):
            self._end(daemon)

    def ask(self, *arguments: str) -> Any:
        """What the cluster answers to its administrator."""
        return json.loads(self._run("ceph", "--format", "json", *arguments).strip() or "null")

    def rbd(self, *arguments: str) -> str:
        """What `rbd` prints of the pool, as its administrator."""
        return self._run("rbd", "--pool", POOL, *arguments)

    def empty(self) -> None:
        """Make the pool anew where there are images in it, clones and protected snapshots too."""
        if self.images():
            self.ask("osd", "pool", "delete", POOL, POOL, "--yes-i-really-really-mean-it")
            self._make_pool()

    def images(self) -> dict[str, int]:
        """The images of the pool, with their sizes in bytes."""
        listed = json.loads(self.rbd("ls", "--long", "--format", "json"))
        return {one["image"]: one["size"] for one in listed if "snapshot" not in one}

    def key(self, client: str = CLIENT) -> str:
        """The key of a client, in base64 as Ceph writes it."""
        return str(self.ask("auth", "get-key", f"client.{client}")["key"])

    @contextmanager
    def silent(self, *daemons: str) -> Iterator[None]:
        """Have daemons (`mon`, `osd`) take connections meanwhile, and answer nothing."""
        for daemon in daemons:
            self._signal(daemon, "STOP")
        try:
            yield
        finally:
            for daemon in daemons:
                self._signal(daemon, "CONT")

    def wait_for_sizes(self) -> None:
        """Wait until the manager has told the monitor how much there is."""
        wait_until(
            lambda: self.ask("df")["stats"]["total_avail_bytes"] > 0,
            READY_TIMEOUT_S,
            "Ceph to tell how much there is",
        )

    def _make_pool(self) -> None:
        self.ask("osd", "pool", "create", POOL)
        self.ask("osd", "pool", "application", "enable", POOL, "rbd")

    def _make_keys(self) -> None:
        keys = f"{self.folder}/keyring"
        rights = {
            "mon.": ("mon", "allow *"),
            "client.admin": ("mon", "allow *", "osd", "allow *", "mgr", "allow *"),
            "mgr.x": ("mon", "allow profile mgr", "osd", "allow *"),
            "osd.0": ("mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *"),
            f"client.{CLIENT}": ("mon", "profile rbd", "osd", f"profile rbd pool={POOL}"),
        }
        self.libvirtd.run(["ceph-authtool", "--create-keyring", keys])
        for name, allowed in rights.items():
            pairs = zip(allowed[::2], allowed[1::2])
            caps = [word for what, may in pairs for word in ("--cap", what, may)]
            self.libvirtd.run(["ceph-authtool", keys, "--gen-key", "--name", name, *caps])

    def _start_monitor(self, fsid: str) -> None:
        at = f"[v2:{SERVER}:{NEWER_PORT}/0,v1:{SERVER}:{PORT}/0]"
        table, keys = f"{self.folder}/monmap", f"{self.folder}/keyring"
        self.libvirtd.run(["monmaptool", "--create", "--fsid", fsid, "--addv", "x", at, table])
        self._run("ceph-mon", "-i", "x", "--mkfs", "--monmap", table, "--keyring", keys)
        self._run("ceph-mon", "-i", "x")

    def _run(self, program: str, *arguments: str) -> str:
        return self.libvirtd.run(
            [program, "--conf", str(self.configuration), *arguments], READY_TIMEOUT_S
        )

    def _pid(self, daemon: str) -> str:
        """The process of a daemon; empty where it does not run."""
        file = self.libvirtd.outside(self.folder / f"{daemon}.pid")
        pid = file.read_text().strip() if file.exists() else ""
        runs = pid and self.libvirtd.try_run(["test", "-e", f"/proc/{pid}"]).returncode == 0
        return pid if runs else ""

    def _end(self, daemon: str) -> None:
        if self._pid(daemon):
            self._signal(daemon, "KILL")
            wait_until(lambda: not self._pid(daemon), STOP_TIMEOUT_S, f"{daemon} to be gone")

    def _signal(self, daemon: str, name: str) -> None:
        self.libvirtd.run(["bash", "-c", f"kill -{name} {self._pid(daemon)}"])


@contextmanager
def running(libvirtd: PrivateLibvirtd, folder: Path) -> Iterator[Ceph]:
    """A cluster that serves, ended with all that it kept."""
    ceph = Ceph(libvirtd, folder)
    try:
        ceph.start()
        yield ceph
    except PrivateLibvirtdError as error:
        logs = sorted(libvirtd.outside(folder).glob("*.log"))
        said = "\n".join(f"{log.name}: {log.read_text(errors='replace')[-800:]}" for log in logs)
        raise PrivateLibvirtdError(f"{error}\n{said}") from error
    finally:
        ceph.stop()


def another_key() -> str:
    """A key in the form of Ceph's (type, time, length, bytes), which no cluster knows."""
    return base64.b64encode(bytes([1, 0, *8 * [0], 16, 0, *range(16)])).decode()
