# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that make a lab host itself: its name, keys, addresses. They travel in the initrd."""

from __future__ import annotations

from . import cpio
from .declaration import SSH_NIC, Host, Lab, mac_of
from .initrd import HOST_FILES
from .ssh import HOST_ALIAS, Keys

SSH_CLIENT_CONFIG = f"""\
# Lab hosts reach each other with the lab's own key.
Host *
  HostKeyAlias {HOST_ALIAS}
  StrictHostKeyChecking yes
  KexAlgorithms curve25519-sha256
"""


def archive(lab: Lab, host: Host, keys: Keys) -> bytes:
    """The cpio archive that the initrd copies onto the host's root at its first boot."""
    entries = {f"{HOST_FILES}/{path}": entry for path, entry in files(lab, host, keys).items()}
    # The unpacking directories' modes become those of the host's own directories.
    entries[f"{HOST_FILES}/root"] = cpio.directory(0o700)
    entries[f"{HOST_FILES}/root/.ssh"] = cpio.directory(0o700)
    return cpio.archive(entries)


def files(lab: Lab, host: Host, keys: Keys) -> dict[str, cpio.Entry]:
    return {
        **{path: cpio.regular(text.encode()) for path, text in _texts(lab, host).items()},
        **_key_files(keys),
    }


def _texts(lab: Lab, host: Host) -> dict[str, str]:
    return {
        "etc/hostname": f"{host.name}\n",
        "etc/hosts": _hosts(lab, host),
        "etc/machine-id": host.uuid.replace("-", "") + "\n",
        # Cloned images would share one name, and an iSCSI target tells initiators apart by it.
        "etc/iscsi/initiatorname.iscsi": f"InitiatorName=iqn.2026-01.fleet.kvm.lab:{host.name}\n",
        **_network_files(host),
    }


def _key_files(keys: Keys) -> dict[str, cpio.Entry]:
    login_public = keys.login.with_suffix(".pub").read_bytes()
    return {
        "etc/ssh/ssh_host_ed25519_key": cpio.regular(keys.host.read_bytes(), 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": cpio.regular(
            keys.host.with_suffix(".pub").read_bytes()
        ),
        "root/.ssh/authorized_keys": cpio.regular(login_public, 0o600),
        "root/.ssh/id_ed25519": cpio.regular(keys.login.read_bytes(), 0o600),
        "root/.ssh/id_ed25519.pub": cpio.regular(login_public),
        "root/.ssh/known_hosts": cpio.regular(keys.known_hosts.read_bytes(), 0o600),
        "root/.ssh/config": cpio.regular(SSH_CLIENT_CONFIG.encode(), 0o600),
    }


def _hosts(lab: Lab, host: Host) -> str:
    """Every host of the lab by the first address it has in the declaration.

    Its own name too: a migration's target must not resolve its name to the loopback.
    """
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    for other in lab.hosts:
        address = next((nic.address for nic in other.nics if nic.address), None)
        if address:
            lines.append(f"{address.partition('/')[0]} {other.name}")
        elif other.name == host.name:
            lines.append(f"127.0.1.1 {other.name}")
    return "\n".join(lines) + "\n"


def _network_files(host: Host) -> dict[str, str]:
    """NICs get their declared names by their MACs; only those with an address are brought up."""
    found = {}
    for name, mac in [(SSH_NIC, mac_of(host.name, SSH_NIC)), *((n.name, n.mac) for n in host.nics)]:
        found[f"etc/systemd/network/10-{name}.link"] = (
            # The driver keeps VLANs and bridges out, which inherit the MAC of the NIC below them.
            f"[Match]\nMACAddress={mac}\nDriver=virtio_net\n\n[Link]\nName={name}\n"
        )
    found[f"etc/systemd/network/10-{SSH_NIC}.network"] = (
        f"[Match]\nName={SSH_NIC}\n\n"
        "[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n"
    )
    for nic in host.nics:
        if nic.address:
            found[f"etc/systemd/network/10-{nic.name}.network"] = (
                f"[Match]\nName={nic.name}\n\n"
                f"[Network]\nAddress={nic.address}\nIPv6AcceptRA=no\nConfigureWithoutCarrier=yes\n"
            )
    return found
