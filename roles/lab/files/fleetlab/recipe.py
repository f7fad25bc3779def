# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image is made of, and the key that names it: equal recipes have equal keys."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from .declaration import ImageSpec

HERE = Path(__file__).resolve().parent
ROLES = HERE.parents[2]
OVERLAY = HERE.parent / "image"
TINY_GUEST = ROLES / "tiny_guest/files"
DISK_SIZE = "8G"

_DEBIAN = {"bookworm": "12", "trixie": "13"}

# What makes a Debian that Ansible can manage.
BASE_PACKAGES = (
    "busybox-static",
    "ca-certificates",
    "dbus",
    "iproute2",
    "iputils-ping",
    "kmod",
    "openssh-server",
    "python3",
    "python3-apt",
    "systemd-sysv",
    "udev",
)

# The kernel of virtual machines, unless a host declares another: it boots fastest, and has no
# drivers of hardware, among them Fibre Channel.
KERNEL = "linux-image-cloud-amd64"

# The kinds of storage whose packages a lab host has, in the role kvm_host's words.
STORAGE_TYPES = ("disk", "iscsi", "logical", "netfs", "scsi")
# And what serves one of them, so that a lab host can be its own storage server. The kernel's iSCSI
# target needs no package.
STORAGE_SERVERS = ("nfs-kernel-server",)
# What makes a file system, which the smallest Debian 13 cannot.
FILE_SYSTEMS = ("e2fsprogs",)

# Distribution units that cost boot time under emulation and that no test needs. They are disabled,
# not masked: a role under test may enable them.
DISABLED_UNITS = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "blk-availability.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "libvirt-guests.service",
    "logrotate.timer",
    "lvm2-monitor.service",
    "nfs-blkmap.service",
    "nfs-client.target",
    "nfs-server.service",
    "openvswitch-switch.service",
    "rpcbind.service",
    "systemd-pstore.service",
)
ENABLED_UNITS = {
    "systemd-networkd.service": "multi-user.target.wants",
    "systemd-networkd.socket": "sockets.target.wants",
}


def packages(spec: ImageSpec) -> list[str]:
    profile = kvm_host_packages(spec.release) if spec.profile == "kvm_host" else []
    has_kernel = any(package.startswith("linux-image-") for package in spec.packages)
    kernel = () if has_kernel else (KERNEL,)
    return sorted({*BASE_PACKAGES, *kernel, *profile, *spec.packages})


def downloads(spec: ImageSpec) -> list[str]:
    """What lies in apt's cache, not installed: a role that makes a KVM host fetches nothing."""
    return kvm_host_packages(spec.release) if spec.profile == "bare" else []


def kvm_host_packages(release: str) -> list[str]:
    """What the role kvm_host would install, by its own list, and servers for tests of storage."""
    file = ROLES / f"kvm_host/vars/Debian-{_DEBIAN[release]}.yml"
    variables = yaml.safe_load(file.read_text())
    storage = variables["__kvm_host_storage_packages"]
    return [
        *variables["__kvm_host_packages"],
        *(package for kind in STORAGE_TYPES for package in storage[kind]),
        *STORAGE_SERVERS,
        *FILE_SYSTEMS,
    ]


def preloads_guest(spec: ImageSpec) -> bool:
    """Whether the image has the tiny guest in /srv/guest."""
    return spec.profile == "kvm_host"


def guest_key() -> str:
    """Names the tiny guest, by all the files that it is built from."""
    return _digest(_digests_below(TINY_GUEST))


def packages_key(spec: ImageSpec) -> str:
    """Names the unpacked distribution: the slow part, which needs the network."""
    return _digest(
        {
            "release": spec.release,
            "packages": packages(spec),
            "components": spec.components,
            "downloads": downloads(spec),
            "how": _file_digest(HERE / "distribution.py"),
        }
    )


def image_key(spec: ImageSpec) -> str:
    """Names the finished image; it changes with every file that takes part in finishing it."""
    parts: dict[str, Any] = {
        "packages": packages_key(spec),
        "disabled": DISABLED_UNITS,
        "enabled": ENABLED_UNITS,
        "disk": DISK_SIZE,
        "code": [_file_digest(HERE / name) for name in ("cpio.py", "initrd.py", "tree.py")],
        "guest": guest_key() if preloads_guest(spec) else None,
        "overlay": _digests_below(OVERLAY),
    }
    return _digest(parts)


def files_below(directory: Path) -> list[Path]:
    """All files of a source directory, but not what Python may have left there."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return sorted(path for path in files if path.suffix != ".pyc")


def _digests_below(directory: Path) -> list[list[str]]:
    files = files_below(directory)
    return [[str(path.relative_to(directory)), _file_digest(path)] for path in files]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
