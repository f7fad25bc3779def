# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what there is of an export on this machine, and whether one can be begun."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path
from typing import Any

from ...engine.errors import FleetError
from ...host.connection import Host, found, libvirt
from .facts import MARK

ROOT = Path("/")
VMS = "var/lib/libvirt/qemu"  # the folders of those that run, as libvirt's packages have them
QEMU_CONF = "etc/libvirt/qemu.conf"
# Where libvirt looks for certificates if qemu.conf says nothing.
OF_BACKUPS, OF_ALL = "etc/pki/libvirt-backup", "etc/pki/qemu"
CERTIFICATES = ("ca-cert.pem", "server-cert.pem", "server-key.pem")


def read_exported(_host: Host, directory: str, vm: str) -> dict[str, Any]:
    """The folder of an export."""
    above = Path(directory)
    folder = above / f"{vm}.export"
    told: dict[str, Any] = {"exists": above.is_dir(), "file": ""}
    told["file"] = next((str(p) for p in (above, folder) if p.exists() and not p.is_dir()), "")
    try:
        told["read_only"] = bool(os.statvfs(above).f_flag & os.ST_RDONLY)
        names = sorted(one.name for one in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return told
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise FleetError(message, f"vm_backup_export/{vm}", "directory") from error
    told["mark"] = {}
    try:
        told["mark"] = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except FileNotFoundError:
        pass  # a run was killed before it had written it, and so before it had begun anything
    except (OSError, ValueError) as error:
        told["broken"] = str(error)
    known = {MARK, f"{MARK}.new", *told["mark"].get("files", ())}
    told["others"] = [name for name in names if name not in known]
    return told


def read_own_folder(host: Host, vm: str) -> str:
    """Libvirt shortens the name of the VM in that of the folder."""
    with host.errors(f"vm/{vm}", "tell its number"):
        dom = found(host.conn.lookupByName, vm, libvirt.VIR_ERR_NO_DOMAIN)
        if dom is None or not dom.isActive():
            return ""
        number = dom.ID()
    folders = sorted((ROOT / VMS).glob(f"domain-{number}-*"))
    return str(folders[0]) if len(folders) == 1 else ""


def read_why_not_bound(_host: Host, address: str, port: str) -> str:
    """Try it, without listening."""
    try:
        family, kind, protocol, _name, where = socket.getaddrinfo(
            address, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as QEMU does
            tried.bind(where)
    except OSError as error:
        return str(error.strerror or error)
    return ""


def read_lacks_certificates(_host: Host) -> str:
    """What libvirt would not find for TLS."""
    folder = _certificates()
    for name in CERTIFICATES:
        if not (folder / name).is_file():
            return str(folder / name)
    return ""


def _certificates() -> Path:
    try:
        text = (ROOT / QEMU_CONF).read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    for option in ("backup_tls_x509_cert_dir", "default_tls_x509_cert_dir"):
        said = re.findall(rf'^\s*{option}\s*=\s*"([^"]+)"', text, re.MULTILINE)
        if said:
            return Path(said[-1])
        if option.startswith("backup") and (ROOT / OF_BACKUPS).is_dir():
            return ROOT / OF_BACKUPS
    return ROOT / OF_ALL
