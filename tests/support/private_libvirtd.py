"""A real libvirtd of the tests' own, which neither sees nor touches the machine's libvirt."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

START_TIMEOUT_S = 180
STOP_TIMEOUT_S = 120
COMMAND_TIMEOUT_S = 300

# Where libvirt and what it starts keep files, and the folder that takes each one's place.
PRIVATE_PATHS = {
    "/etc/kvm-fleet": "kvm-fleet-etc",
    "/etc/libvirt": "etc",
    "/etc/systemd/network": "networkd",
    "/etc/systemd/system": "units",
    "/run/kvm-fleet": "kvm-fleet-run",
    "/run/libvirt": "run",
    "/var/cache/libvirt": "cache",
    "/var/lib/libvirt": "lib",
    "/var/lib/swtpm-localca": "swtpm-localca",
    "/var/log/libvirt": "log",
    "/var/log/swtpm": "swtpm-log",
}

UNSHARE_OPTIONS = (
    *("--mount", "--mount-proc", "--net", "--pid", "--uts"),
    *("--fork", "--kill-child"),
)

# The AppArmor and SELinux drivers would write profiles and labels for the whole machine.
QEMU_CONF = 'security_driver = "none"\n'

# The network filters that libvirt's package brings, such as clean-traffic.
FILTERS = Path("/etc/libvirt/nwfilter")

IMAGES = Path("/var/lib/libvirt/images")
LIBVIRTD_PID_FILE = "/run/libvirt/libvirtd.pid"
VIRTLOGD_PID_FILE = "/run/libvirt/virtlogd.pid"
# Linux's limit of 108 bytes, less what libvirt appends.
LONGEST_SOCKET_PATH = 100

# What libvirt found out about this machine's QEMU (5 to 12 s of probing), kept between test runs.
# libvirt itself checks that it still fits the programs, the kernel and the CPU.
CAPABILITIES = Path(__file__).parents[2] / ".cache" / "libvirt-capabilities"
CAPABILITIES_PATH = "/var/cache/libvirt/qemu/capabilities"


class PrivateLibvirtdError(Exception):
    """Something about the private libvirtd failed; the message says what and how."""


def wait_until(condition: Callable[[], bool], timeout_s: float, awaited: str) -> None:
    """Return once the condition holds; raise an error that names what was awaited."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise PrivateLibvirtdError(f"waited {timeout_s} s for {awaited}")
        time.sleep(0.05)


def why_not_here() -> str:
    """Why a private libvirtd cannot run on this machine; empty if it can."""
    if os.geteuid() != 0:
        return "a private libvirtd needs root"
    missing = [name for name in ("libvirtd", "virtlogd", "unshare", "nsenter") if not which(name)]
    return f"not installed: {', '.join(missing)}" if missing else ""


def which(program: str) -> str | None:
    """The program's path, also where PATH lacks the sbin folders."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def take_capabilities(folder: Path) -> None:
    """Copy what libvirt probed in an earlier run to where a new daemon looks for it."""
    try:
        shutil.copytree(CAPABILITIES, folder)
    except (FileNotFoundError, shutil.Error):  # another run is just replacing it
        shutil.rmtree(folder, ignore_errors=True)


class PrivateLibvirtd:
    """One libvirtd with its virtlogd, networks and VMs, below one folder.

    It runs in mount, network, PID and cgroup namespaces of its own, so that its networks
    never meet the machine's, and so that the kernel ends all its processes together. Any
    number can run at once. Folder and files are readable by the user that VMs run as.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "run" / "libvirt-sock"
        self.uri = f"qemu+unix:///system?socket={self.socket}"
        self._unshare: subprocess.Popen[str] | None = None
        if len(str(self.socket)) > LONGEST_SOCKET_PATH:
            raise PrivateLibvirtdError(f"{self.socket}: too long for a socket; use a shorter path")

    def start(self) -> None:
        """Make the namespaces and run virtlogd and libvirtd in them; return when it answers."""
        self._make_folders()
        try:
            self._make_namespaces()
            self.run(["virtlogd", "--daemon", "--pid-file", VIRTLOGD_PID_FILE])
            self.start_libvirtd()
        except BaseException:
            self.stop()
            raise

    def start_libvirtd(self) -> None:
        """Run libvirtd, as after a kill(); return when it answers."""
        self.run(["libvirtd", "--daemon", "--pid-file", LIBVIRTD_PID_FILE])
        wait_until(self.answers, START_TIMEOUT_S, f"libvirtd to listen on {self.socket}")

    def kill(self) -> None:
        """End libvirtd with SIGKILL, as a crash would; its VMs and networks go on."""
        pid = self.signal("KILL")
        wait_until(
            lambda: self.try_run(["bash", "-c", f"kill -0 {pid}"]).returncode != 0,
            STOP_TIMEOUT_S,
            f"libvirtd (process {pid}) to be gone",
        )

    def signal(self, name: str) -> str:
        """Send libvirtd a signal: STOP has it hang, CONT go on. Returns its process."""
        pid = self.outside(LIBVIRTD_PID_FILE).read_text().strip()
        # The shell's own kill: a lean machine lacks the program.
        self.run(["bash", "-c", f"kill -{name} {pid}"])
        return pid

    def restart(self) -> None:
        """Kill libvirtd and start it again."""
        self.kill()
        self.start_libvirtd()

    def stop(self) -> None:
        """End everything that runs here, VMs included, and remove the folder."""
        self._end_namespaces()
        self._remove_cgroups()
        self._keep_capabilities()
        shutil.rmtree(self.directory)

    def run(
        self, argv: Sequence[str], timeout_s: float = COMMAND_TIMEOUT_S, stdin: str = ""
    ) -> str:
        """Run a command where libvirtd runs; its output, or an error with what it said."""
        done = self.try_run(argv, timeout_s, stdin)
        if done.returncode != 0:
            raise PrivateLibvirtdError(
                f"{shlex.join(argv)}: exit {done.returncode}: {done.stderr or done.stdout}"
            )
        return done.stdout

    def try_run(
        self, argv: Sequence[str], timeout_s: float = COMMAND_TIMEOUT_S, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command where libvirtd runs; exit status, output and errors, as they come."""
        return subprocess.run(
            [*self.entry(), *argv],
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            input=stdin,
        )

    @property
    def namespaces(self) -> str:
        """The folder with the kernel's handles for the namespaces, as seen from outside."""
        if not self._unshare:
            raise PrivateLibvirtdError("not started")
        return f"/proc/{self._unshare.pid}/ns"

    def entry(self) -> list[str]:
        """What to put before a command so that it runs where libvirtd runs."""
        namespaces = self.namespaces
        return [
            "nsenter",
            f"--mount={namespaces}/mnt",
            f"--net={namespaces}/net",
            f"--uts={namespaces}/uts",
            f"--pid={namespaces}/pid_for_children",
            "--",
            # Seen from inside: only the first process there is in the cgroup namespace.
            "nsenter",
            "--cgroup=/proc/1/ns/cgroup",
            "--",
        ]

    def virsh(self, *arguments: str) -> str:
        """What virsh prints, without the blank lines around it."""
        return self.run(["virsh", "--quiet", *arguments]).strip()

    def outside(self, path: str | Path) -> Path:
        """Where a file that libvirtd knows by this path is found from outside."""
        for mount, folder in PRIVATE_PATHS.items():
            if Path(path).is_relative_to(mount):
                return self.directory / folder / Path(path).relative_to(mount)
        return Path(path)

    def answers(self) -> bool:
        """Whether libvirtd takes connections now."""
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(self.socket)) == 0

    def _make_folders(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o711)
        for path in self._private_paths():
            folder = self.outside(path)
            folder.mkdir()
            # swtpm runs as a user of its own, for whom the package prepared its folders.
            like = Path(path if Path(path).exists() else "/var/lib").stat()
            os.chown(folder, like.st_uid, like.st_gid)
            folder.chmod(like.st_mode & 0o7777)
        self.outside("/etc/libvirt/qemu.conf").write_text(QEMU_CONF)
        if FILTERS.is_dir():
            shutil.copytree(FILTERS, self.outside(FILTERS))
        self.outside(IMAGES).mkdir(mode=0o711)
        take_capabilities(self.outside(CAPABILITIES_PATH))

    def _keep_capabilities(self) -> None:
        """Save what libvirt probed, in one step because others may do the same now."""
        probed = self.outside(CAPABILITIES_PATH)
        if not any(probed.glob("*.xml")):
            return
        copy = CAPABILITIES.with_name(f"{CAPABILITIES.name}.{self.directory.name}")
        shutil.copytree(probed, copy)
        shutil.rmtree(CAPABILITIES, ignore_errors=True)
        try:
            copy.rename(CAPABILITIES)
        except OSError:
            shutil.rmtree(copy)

    def _private_paths(self) -> list[str]:
        """The paths to hide: libvirt's, ours, and those of swtpm where it is installed."""
        return [path for path in PRIVATE_PATHS if "swtpm" not in path or Path(path).exists()]

    def _make_namespaces(self) -> None:
        pairs = [f"{path}={PRIVATE_PATHS[path]}" for path in self._private_paths()]
        setup = ["bash", str(Path(__file__).with_name("namespaces.sh"))]
        self._unshare = subprocess.Popen(
            ["unshare", *UNSHARE_OPTIONS, *setup, str(self.directory), self._cgroup_name, *pairs],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._unshare.stdout
        in_time = select.select([self._unshare.stdout], [], [], START_TIMEOUT_S)[0]
        if not in_time or self._unshare.stdout.readline() != "ready\n":
            raise PrivateLibvirtdError(f"cannot make namespaces: {self._end_namespaces()}")

    def _end_namespaces(self) -> str:
        """Let their first process end, and with it every other; return what it complained of."""
        if not self._unshare:
            return ""
        try:
            errors = self._unshare.communicate(timeout=STOP_TIMEOUT_S)[1]
        except subprocess.TimeoutExpired:
            self._unshare.kill()
            errors = self._unshare.communicate(timeout=STOP_TIMEOUT_S)[1]
        self._unshare = None
        return errors

    @property
    def _cgroup_name(self) -> str:
        return self.directory.name

    def _remove_cgroups(self) -> None:
        for line in Path("/proc/mounts").read_text().splitlines():
            mount, kind = line.split()[1:3]
            if kind in ("cgroup", "cgroup2"):
                for entry in os.walk(f"{mount}/{self._cgroup_name}", topdown=False):
                    with contextlib.suppress(FileNotFoundError):
                        Path(entry[0]).rmdir()
