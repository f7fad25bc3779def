# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates and destroys labs, step by step, so that every step can be repeated."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable

from . import (
    accelerator,
    declaration,
    disks,
    hostfiles,
    image,
    inventory,
    parallel,
    processes,
    programs,
    qemu,
    ready,
    ssh,
    state,
    switch,
)
from . import snapshot as snapshots
from .declaration import Host, Lab
from .errors import HostFailed, LabError, describe
from .home import Home
from .qmp import Monitor

Report = Callable[[str], None]

START_TIMEOUT_S = 120
PORT_ATTEMPTS = 5
RESTORE_TIMEOUT_S = 240
# A boot takes 30 s of an idle processor; this is for machines that others load.
BOOT_TIMEOUT_S = 480
FAILED_DIRECTORY = "failed"
INVENTORY_LINK = "inventory.path"


@dataclass(frozen=True)
class Options:
    snapshots: bool = True
    boot_timeout_s: float = BOOT_TIMEOUT_S


class LabRun:
    """One lab on this machine: what is declared, where it lies, and what happened so far."""

    def __init__(self, home: Home, lab: Lab, saved: state.State, report: Report) -> None:
        self.home = home
        self.lab = lab
        self.directory = home.lab(lab.name)
        self.state = saved
        self.report = report
        self.keys = ssh.ensure_keys(home)
        self.config = self.directory / "ssh_config"
        # Hosts become ready in threads of their own, and share these two files.
        self._writing = threading.Lock()

    # Looking -------------------------------------------------------------------------------------

    def host_directory(self, host: Host) -> Path:
        return self.directory / host.name

    def alive(self, host: Host) -> bool:
        mark = processes.mark_of(self.lab.name, host.name)
        return any(found.mark == mark for found in processes.find(self.directory, mark))

    def condition(self, host: Host) -> str:
        """How the host is: stopped, lost or running, with what its kernel complained of."""
        if not self.alive(host):
            return "stopped"
        directory = self.host_directory(host)
        problem = ready.console_problem(directory)
        if problem:
            return f"lost ({problem})"
        stall = ready.console_stall(directory)
        return f"running (had stalled: {stall})" if stall else "running"

    @property
    def accelerator(self) -> qemu.Accelerator:
        known = self.state.accelerator
        return qemu.Accelerator(known["kvm"], known["cpus"], known["reason"])

    # Starting ------------------------------------------------------------------------------------

    def start(self, options: Options) -> int:
        """Start what does not run yet: the switches, then every host. How many hosts that were."""
        self._start_switches()
        stopped = [host for host in self.lab.hosts if not self.alive(host)]
        for host in stopped:
            self.start_host(host, restore=options.snapshots)
        return len(stopped)

    def start_host(self, host: Host, restore: bool) -> None:
        """Start ``host`` from its snapshot if that exists and is wanted, else from its image."""
        directory = self.host_directory(host)
        directory.mkdir(parents=True, exist_ok=True)
        # This start is not judged by what the console said in an earlier one.
        self.console(host).unlink(missing_ok=True)
        built = self._image(host)
        own_files = hostfiles.archive(self.lab, host, self.keys)
        (directory / qemu.INITRD).write_bytes(built.initrd.read_bytes() + own_files)
        saved = self._snapshot(host)
        restored = restore and saved.exists
        if restored:
            snapshots.copy(saved, directory, host)
        else:
            disks.make(directory, host, built)
        self.state.started[host.name] = "restored" if restored else "booted"
        try:
            self._launch(host, built, restored)
        except LabError as error:
            if not restored:
                raise
            self.report(f"WARNING {host.name}: its snapshot is of no use, and removed: {error}")
            snapshots.drop(saved)
            self.start_host(host, restore=False)
            return
        self.report(f"{host.name}: {'restoring' if restored else 'booting'}")

    def _remember(self) -> None:
        with self._writing:
            self.state.write(self.directory)
            ssh.write_config(self.config, self.keys, self.state.ports)

    def port(self, host: Host) -> int:
        """Where its ssh is forwarded to."""
        if host.name not in self.state.ports:
            raise LabError(f"{host.name} was never started; start the lab again")
        return self.state.ports[host.name]

    def _launch(self, host: Host, built: image.Image, restored: bool) -> None:
        directory = self.host_directory(host)
        for _attempt in range(PORT_ATTEMPTS):
            # Before the process is there: it outlives this program, however that ends.
            port = self.state.ports[host.name] = _free_port()
            self._remember()
            binary = accelerator.find_qemu()
            command = qemu.command(binary, self.lab, host, built.kernel, self.accelerator, port)
            if restored:
                command += ["-loadvm", snapshots.TAG]
            (directory / qemu.QEMU_LOG).unlink(missing_ok=True)
            process = processes.spawn(command, directory, directory / qemu.QEMU_LOG)
            if self._came_up(host, process):
                return
            said = (directory / qemu.QEMU_LOG).read_text(errors="replace").strip()
            # Somebody may have taken the port since it was found free.
            if "forwarding rule" not in said:
                raise LabError(f"{host.name}: QEMU did not start: {said or 'no message'}")
        raise LabError(f"{host.name}: found no free port in {PORT_ATTEMPTS} attempts")

    def _came_up(self, host: Host, process: subprocess.Popen[bytes]) -> bool:
        try:
            return _monitor_answers(self.host_directory(host), process)
        except LabError:
            self.stop_host(host)
            raise

    def _snapshot(self, host: Host) -> snapshots.Snapshot:
        own_files = hostfiles.archive(self.lab, host, self.keys)
        return snapshots.of_host(
            self.home,
            self.lab,
            host,
            self._image(host),
            self.accelerator,
            own_files,
            _qemu_version(),
        )

    def _image(self, host: Host) -> image.Image:
        return image.by_key(self.home, self.state.images[host.name])

    def _start_switches(self) -> None:
        for network, ends in self.lab.networks().items():
            mark = processes.mark_of(self.lab.name, f"network {network}")
            if len(ends) <= 2 or processes.find(self.directory, mark):
                continue
            ports = [
                f"{qemu.switch_socket(host.name, nic.name)}={host.name}/{qemu.nic_socket(nic.name)}"
                for host, nic in ends
            ]
            command = [sys.executable, switch.__file__, mark, *ports]
            processes.spawn(command, self.directory, self.directory / f"switch-{network}.log")

    # Becoming ready ------------------------------------------------------------------------------

    def make_ready(self, host: Host, options: Options) -> bool:
        """Return when ``host`` is usable; a host that is lost is reported and started once more.

        Whether that was necessary.
        """
        self.port(host)
        try:
            self._await(host, options)
            return False
        except LabError as error:
            self._record_failure(host, ready.lost(self.host_directory(host), error))
        self.report(f"{host.name}: starting it once more, from its image")
        self.stop_host(host)
        if self.state.started.get(host.name) == "restored":
            snapshots.drop(self._snapshot(host))  # it may be what the host was lost of
        self.start_host(host, restore=False)
        try:
            self._await(host, options)
        except LabError as error:
            raise ready.lost(self.host_directory(host), error) from error
        return True

    def _await(self, host: Host, options: Options) -> None:
        said = self._await_once(host, options.boot_timeout_s)
        if options.snapshots and not self._snapshot(host).exists:
            try:
                self._save(host)
            except LabError as error:
                self.report(f"WARNING {host.name}: no snapshot of it was saved: {error}")
                self.stop_host(host)
                self.start_host(host, restore=False)
            said = self._await_once(host, options.boot_timeout_s)
        self.report(f"{host.name}: ready, {said}")

    def _await_once(self, host: Host, boot_timeout_s: float) -> str:
        started = time.monotonic()
        restored = self.state.started.get(host.name) == "restored"
        timeout_s = RESTORE_TIMEOUT_S if restored else self._patience(boot_timeout_s)
        awaited = ready.Awaited(
            name=host.name,
            directory=self.host_directory(host),
            config=self.config,
            port=self.port(host),
            alive=lambda: self.alive(host),
        )
        said = ready.wait(awaited, timeout_s)
        self.report(f"{host.name}: answers after {time.monotonic() - started:.0f} s")
        return said

    def _patience(self, boot_timeout_s: float) -> float:
        """More hosts than processors take turns."""
        return boot_timeout_s * max(1, len(self.lab.hosts) / (os.cpu_count() or 1))

    def _save(self, host: Host) -> None:
        """Keep the booted host for the next time, and go on with its restored copy."""
        saved = self._snapshot(host)
        directory = self.host_directory(host)
        snapshots.warm_up(self.config, host.name)
        snapshots.save(saved, directory, host)
        self.stop_host(host)
        snapshots.keep(saved, directory, host)
        self.report(f"{host.name}: snapshot {saved.directory.name} saved")
        self.start_host(host, restore=True)

    def _record_failure(self, host: Host, failure: HostFailed) -> None:
        """Show and keep what a lost host left behind, so that a retry hides nothing."""
        failures = self.state.failures.setdefault(host.name, [])
        failures.append(str(failure))
        self._remember()
        kept = self.directory / FAILED_DIRECTORY / f"{host.name}-{len(failures)}"
        kept.mkdir(parents=True, exist_ok=True)
        for name in (qemu.SERIAL_LOG, qemu.QEMU_LOG):
            if (self.host_directory(host) / name).exists():
                shutil.copyfile(self.host_directory(host) / name, kept / name)
        self.report(f"WARNING {describe(failure)}")

    # Disturbing ----------------------------------------------------------------------------------

    def console(self, host: Host) -> Path:
        return self.host_directory(host) / qemu.SERIAL_LOG

    def set_link(self, host: Host, nic: str, up: bool) -> None:
        """Plug the cable of a NIC in, or pull it."""
        if nic != declaration.SSH_NIC and host.nic(nic) is None:
            known = ", ".join(known.name for known in host.nics) or "none"
            raise LabError(f"{host.name} has no NIC {nic}; it has {known}")
        with Monitor(self.host_directory(host)) as monitor:
            monitor.execute("set_link", {"name": f"{nic}-nic", "up": up})

    # Ending --------------------------------------------------------------------------------------

    def stop_host(self, host: Host) -> None:
        processes.stop(self.directory, processes.mark_of(self.lab.name, host.name))


def prepare(home: Home, raw: Any, default_name: str, report: Report) -> LabRun:
    """Check the declaration, build the images it needs and remember it. Starts nothing yet."""
    lab = declaration.parse(raw, default_name)
    programs.require(programs.TO_RUN)
    directory = home.lab(lab.name)
    saved = state.read(directory)
    if saved and saved.declaration != raw and processes.find(directory):
        raise LabError(
            f"lab {lab.name} runs already with another declaration; destroy it first, "
            "or give this one another name"
        )
    if saved is None or saved.declaration != raw:
        chosen = accelerator.choose()
        saved = state.State(raw, {**asdict(chosen), "name": chosen.name})
    run = LabRun(home, lab, saved, report)
    report(f"lab {lab.name}: by {run.accelerator.name} ({run.accelerator.reason})")
    stopped = [host for host in lab.hosts if not run.alive(host)]
    images = image.ensure_all(home, [host.image for host in stopped], report)
    saved.images.update({host.name: images[host.image].key for host in stopped})
    home.make_private()
    directory.mkdir(parents=True, exist_ok=True)
    saved.write(directory)
    return run


def load(home: Home, name: str, report: Report) -> LabRun:
    """The existing lab ``name``."""
    saved = state.read(home.lab(name))
    if saved is None:
        raise LabError(f"there is no lab {name}; labs: {', '.join(names(home)) or 'none'}")
    return LabRun(home, declaration.parse(saved.declaration, name), saved, report)


def names(home: Home) -> list[str]:
    found = home.labs.iterdir() if home.labs.is_dir() else iter(())
    return sorted(path.name for path in found if (path / state.FILE).exists())


def make_all_ready(run: LabRun, options: Options) -> list[str]:
    """Return when all hosts are usable; the names of those that were lost and started once more."""
    restarted = parallel.run([partial(run.make_ready, host, options) for host in run.lab.hosts])
    return [host.name for host, again in zip(run.lab.hosts, restarted) if again]


def write_inventory(run: LabRun, path: Path | None) -> None:
    """Write the inventory, by default beside the lab's disks, and remember where, for destroy."""
    path = path or run.directory / "inventory.yml"
    for host in run.lab.hosts:
        run.port(host)  # or say which of them has none
    inventory.write(path, inventory.of_lab(run.lab, run.state, run.directory))
    (run.directory / INVENTORY_LINK).write_text(f"{path}\n")
    run.report(f"lab {run.lab.name}: its inventory is {path}")


def with_inventory(home: Home, path: Path) -> list[str]:
    """The labs whose inventory was written to this file."""
    return [name for name in names(home) if _inventory_of(home.lab(name)) == path]


def _inventory_of(directory: Path) -> Path | None:
    link = directory / INVENTORY_LINK
    return Path(link.read_text().strip()) if link.exists() else None


def destroy(home: Home, name: str, report: Report) -> bool:
    """Remove the lab: processes, disks, inventory. Whether there was anything to remove."""
    directory = home.lab(name)
    if not directory.is_dir():
        return False
    ssh.close_shared_connections(directory)
    stopped = processes.stop(directory, processes.mark_of(name, ""))
    written = _inventory_of(directory)
    if written is not None and inventory.is_of(written, directory):
        written.unlink()
    shutil.rmtree(directory)
    report(f"lab {name}: {stopped} processes stopped, {directory} removed")
    return True


def clean(home: Home, report: Report) -> None:
    """Remove what only costs disk space: distributions, and images and snapshots not in use."""
    used = disks.images_in_use(home) | _images_prepared(home)
    for directory in (home.distributions, home.guests, home.snapshots, home.images):
        for path in sorted(directory.iterdir()) if directory.is_dir() else ():
            if path.name.partition(".")[0] not in used and not _being_built(path):
                image.remove(path)
                report(f"removed {path}")


def _images_prepared(home: Home) -> set[str]:
    """The images of labs whose hosts may have no disk yet."""
    saved = [state.read(home.lab(name)) for name in names(home)]
    return {key for one in saved if one is not None for key in one.images.values()}


def _being_built(path: Path) -> bool:
    """Whether a build that runs may be writing there; one that was killed is older than that."""
    age_s = time.time() - path.stat().st_mtime
    return path.name.startswith(".") and age_s < image.BUILD_TIMEOUT_S


def _qemu_version() -> str:
    command = [accelerator.find_qemu(), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.partition("\n")[0]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _monitor_answers(directory: Path, process: subprocess.Popen[bytes]) -> bool:
    """Whether QEMU came up: its monitor answers. False when the process has ended."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        with contextlib.suppress(LabError, OSError), Monitor(directory):
            return True
        time.sleep(0.1)
    raise LabError(f"QEMU's monitor in {directory} did not answer within {START_TIMEOUT_S} s")
