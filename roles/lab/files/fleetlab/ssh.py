# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way into a lab host: keys of the lab's own, a configuration for ssh, and running commands."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .home import Home, locked

HOST_ALIAS = "kvm-fleet-lab"
# Emulated hosts on a busy machine take long to say hello.
CONNECT_TIMEOUT_S = 60
# The port has three characters more than "%p", ssh appends 17 more, and 107 are allowed.
_LONGEST_CONTROL_PATH = 87
_CONTROL_PREFIX = "ssh-"


class UnreachableError(LabError):
    """ssh could not connect, or lost the connection."""


@dataclass(frozen=True)
class Keys:
    """One key pair to log in with and one host key, for all labs of this user.

    Snapshots of booted hosts have them in memory, so they cannot be a single lab's.
    """

    directory: Path

    @property
    def login(self) -> Path:
        return self.directory / "login"

    @property
    def host(self) -> Path:
        return self.directory / "host"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"


def ensure_keys(home: Home) -> Keys:
    """The keys of ``home``, made on first use."""
    keys = Keys(home.keys)
    with locked(home.lock("keys"), 60):
        keys.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for key in (keys.login, keys.host):
            if not key.exists():
                _generate(key)
        public = keys.host.with_suffix(".pub").read_text().split()[:2]
        keys.known_hosts.write_text(f"{HOST_ALIAS} {' '.join(public)}\n")
    return keys


def _generate(key: Path) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", HOST_ALIAS, "-f", str(key)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise LabError(f"ssh-keygen failed: {done.stderr.strip()}")


def write_config(path: Path, keys: Keys, ports: Mapping[str, int]) -> None:
    """A configuration with which `ssh -F PATH HOST` works, and Ansible and testinfra too."""
    common = [
        "User root",
        f"HostKeyAlias {HOST_ALIAS}",
        f'IdentityFile "{keys.login}"',
        "IdentitiesOnly yes",
        f'UserKnownHostsFile "{keys.known_hosts}"',
        "GlobalKnownHostsFile /dev/null",
        "StrictHostKeyChecking yes",
        "BatchMode yes",
        f"ConnectTimeout {CONNECT_TIMEOUT_S}",
        "ServerAliveInterval 15",
        "ServerAliveCountMax 4",
        # The cheapest exchange of keys: an emulated host needs seconds for the default one.
        "KexAlgorithms curve25519-sha256",
        "LogLevel ERROR",
    ]
    # Not of all: names of others that ssh reaches through a lab host would share one connection.
    shared = ("HostName 127.0.0.1", *_control_options(path.parent))
    own = {host: (f"Port {port}", *shared) for host, port in ports.items()}
    lines = []
    for pattern, options in {**own, "*": common}.items():
        lines += [f"Host {pattern}", *(f"  {option}" for option in options)]
    # Another host's ssh may be reading it.
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text("\n".join(lines) + "\n")
    partial.replace(path)


def _control_options(directory: Path) -> list[str]:
    """One connection for many commands, where the path leaves room for its socket."""
    # By port: behind Ansible, every host of the lab is called 127.0.0.1.
    control = directory / f"{_CONTROL_PREFIX}%p"
    if len(str(control)) > _LONGEST_CONTROL_PATH:
        return []
    return ["ControlMaster auto", "ControlPersist 60", f'ControlPath "{control}"']


def run(
    config: Path,
    host: str,
    command: str,
    timeout_s: float,
    stdin: str | None = None,
    shared: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run ``command`` on ``host``; LabError if it is out of reach or does not end in time."""
    # By default no shared connection: a stalled host would leave one more thing hanging, and a host
    # that is saved as a snapshot must not have any.
    control = [] if shared else ["-o", "ControlPath=none"]
    argv = ["ssh", "-F", str(config), *control, host, command]
    try:
        done = subprocess.run(
            argv,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{host}: `{command}` did not end within {timeout_s:.0f} s") from None
    if done.returncode == 255:
        raise UnreachableError(f"{host}: ssh failed: {done.stderr.strip() or 'no message'}")
    return done


def close_shared_connections(directory: Path) -> None:
    """End the ssh processes that keep a lab's connections open for the next command."""
    for control in directory.glob(f"{_CONTROL_PREFIX}*"):
        # The host's name is not used, but ssh wants one.
        command = ["ssh", "-o", f"ControlPath={control}", "-O", "exit", "any"]
        subprocess.run(command, capture_output=True, timeout=30, check=False)


def answers(port: int, timeout_s: float = 10) -> bool:
    """Whether an ssh server says hello behind the forwarded port. QEMU itself always accepts.

    Patient, as each question costs a busy host a process; a refusal is known at once.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
