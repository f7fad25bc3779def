# SPDX-License-Identifier: GPL-3.0-or-later
"""The way between the hosts: the migration network, its certificates, clocks, leases, and what the
versions there can do of what was asked for."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ..case import Case, version_text
from ..findings import Finding
from ..options import TCP, TLS
from ..wire import data_uri, of_interface

# Beyond this, times that two hosts took of one move cannot be told from each other.
MOST_SKEW_S = 0.2
# QEMU's first port for migrations (migration_port_min in qemu.conf).
PORT = 49152
REACHED = ("open", "closed")  # nobody listens there before a migration begins
CERTIFICATES = {
    "/etc/pki/CA/cacert.pem": "libvirt's CA certificate",
    "/etc/pki/qemu/ca-cert.pem": "QEMU's CA certificate",
}
OF_SOURCE = {**CERTIFICATES, "/etc/pki/qemu/client-cert.pem": "QEMU's client certificate"}
OF_TARGET = {**CERTIFICATES, "/etc/pki/qemu/server-cert.pem": "QEMU's server certificate"}

ZLIB_ZSTD = 9_001_000  # libvirt, since
MT_GONE = 9_001_000  # QEMU, since
POST_COPY_PARALLEL = 10_001_000  # QEMU, since


def network(case: Case) -> Iterator[Finding]:
    """The target has the address of the migration network, and the source a way to it."""
    if not case.mode.is_live:
        return
    address = data_uri(case.move).partition("://")[2].strip("[]")
    named = case.move.options.network
    if of_interface(case.move, named) == []:
        message = f"the interface {named} of the target has no address"
        todo = "give it one, or name another"
        yield case.failed("network", message, todo, "network", target=named)
    elif address:
        yield from _address(case, address)
    elif case.target.moves.identity is not None:
        yield _by_name(case, case.target.moves.identity.hostname)


def _by_name(case: Case, name: str) -> Finding:
    """libvirt of the target says where to connect to: by its configuration, or its own name."""
    comes = case.source.moves.reaches(name, PORT) if case.source.is_here else None
    if comes in REACHED:
        message = "the source has a way to the target, by its name"
        return case.passed("network", message, "network", target=name)
    found = f", which leads nowhere ({comes})" if comes else ""
    return case.warned(
        "network",
        f"no migration network is named: the source connects to the target by its name {name}"
        f"{found}, unless the target's libvirt says another (migration_host)",
        "say network: the address at the target",
        "network",
        target=name,
    )


def _address(case: Case, text: str) -> Iterator[Finding]:
    sides = {"source": "", "target": text}
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        message = f"whether {text} leads to the target is not known"
        yield case.warned("network", message, "give an address of it", "network", **sides)
        return
    networks = [network for _name, network in case.target.host.routes]
    if networks and not any(address in ipaddress.ip_network(one) for one in networks):
        todo = "give an address that the target has"
        message = f"the target is in no network of {text}"
        yield case.failed("network", message, todo, "network", **sides)
        return
    yield _way(case, text, sides)


def _way(case: Case, text: str, sides: dict[str, str]) -> Finding:
    comes = case.source.moves.reaches(text, PORT) if case.source.is_here else None
    if comes is None:
        message = f"whether the source has a way to {text} is not known from here"
        todo = f"see that it has, to the ports from {PORT} on"
        return case.warned("network", message, todo, "network", **sides)
    if comes not in REACHED:
        todo = f"open the ports from {PORT} on there (the role kvm_host does), and see to the route"
        message = f"the source has no way to port {PORT} of {text}: {comes}"
        return case.failed("network", message, todo, "network", **sides)
    return case.passed("network", "the source has a way to the target", "network", **sides)


def transport(case: Case) -> Iterator[Finding]:
    """What encrypts is there. Memory goes from QEMU to QEMU, by whatever libvirt is reached."""
    wanted, scheme = case.move.options.transport, case.target.migration_uri.partition(":")[0]
    if wanted == TLS:
        yield from _certificates(case)
    elif case.mode.is_live:
        calls = "so do libvirt's calls" if scheme.endswith(f"+{TCP}") else "libvirt's calls do not"
        yield case.warned(
            "transport",
            f"memory goes over as it is, unencrypted; {calls}",
            "say transport: tls, or keep to a network of your own",
            "transport",
            source=wanted,
            target=scheme,
        )


def _certificates(case: Case) -> Iterator[Finding]:
    for side, files in ((case.source, OF_SOURCE), (case.target, OF_TARGET)):
        where = "source" if side is case.source else "target"
        if not side.is_here:
            message = f"whether {side.name} has certificates is not known from here"
            todo = "see that it has (the role kvm_host makes them)"
            yield case.warned("transport", message, todo, "transport", **{where: "not known"})
            continue
        lacks = [
            f"{what} ({path})" for path, what in files.items() if side.host.exists(path) is False
        ]
        if lacks:
            message = f"{side.name} has not {', '.join(lacks)}"
            todo = "have the role kvm_host make them"
            yield case.failed("transport", message, todo, "transport", **{where: "missing"})
        else:
            message = f"{side.name} has its certificates"
            yield case.passed("transport", message, "transport", **{where: "there"})


# ---- clocks


def clocks(case: Case) -> Iterator[Finding]:
    """The clocks agree, without which downtime is not measured truly."""
    if not case.mode.is_live:
        return
    here, there = case.source.moves.clock, case.target.moves.clock
    if here is None or there is None or here.beside != there.beside:
        message = "whether the clocks agree is not known: libvirt tells no time"
        todo = "synchronise both (the role kvm_host does); else downtimes are told wrongly"
        yield case.warned("clocks", message, todo)
        return
    skew, within = there.ahead_s - here.ahead_s, here.within_s + there.within_s
    sides = {"source": "0 s", "target": f"{skew:+.2f} s (within {within:.2f} s)"}
    if abs(skew) - within > MOST_SKEW_S:
        message = "the clocks do not agree: downtime and total would be told wrongly"
        todo = "synchronise both (the role kvm_host does)"
        yield case.warned("clocks", message, todo, **sides)
    else:
        yield case.passed("clocks", "the clocks agree, as far as can be told", **sides)


# ---- leases


def leases(case: Case) -> Iterator[Finding]:
    """Both hosts give leases on disks by the same manager: libvirt refuses others."""
    here, there = case.source.moves.lock_manager, case.target.moves.lock_manager
    told = [one if one is None else one or "none" for one in (here, there)]
    sides = {"source": told[0] or "not known", "target": told[1] or "not known"}
    if here is not None and there is not None and here != there:
        todo = "have the same lock_manager in qemu.conf of both (the role kvm_host does)"
        yield case.failed("leases", "the lock managers are different", todo, **sides)
    elif here is not None and there is not None:
        yield case.passed("leases", "the lock managers are the same", **sides)
    elif any(fate.how == "shared" and fate.device == "disk" for fate in case.fates):
        message = "whether both hosts have the same lock manager is not known from here"
        yield case.warned("leases", message, "see that lock_manager in qemu.conf is", **sides)


# ---- what was asked for


def options(case: Case) -> Iterator[Finding]:
    """libvirt and QEMU of both hosts can do what was asked for."""
    if not case.mode.is_live:
        return
    asked = case.move.options
    found = []
    if asked.compression in ("zlib", "zstd"):
        found.append(_since(case, "libvirt_version", ZLIB_ZSTD, "compression"))
    if asked.compression == "mt" and any(
        side.host.version >= MT_GONE for side in (case.source, case.target)
    ):
        message = f"QEMU has no compression mt since {version_text(MT_GONE)}"
        found.append(case.failed("options", message, "take another, or none", "compression"))
    if asked.post_copy and asked.parallel:
        found.append(_since(case, "version", POST_COPY_PARALLEL, "post_copy"))
    if asked.post_copy:
        found.append(
            case.warned(
                "options",
                "after post-copy has begun the VM is lost if either host or the network fails",
                "leave it out where that cannot be risked",
                "post_copy",
            )
        )
    yield from (one for one in found if one is not None)


def _since(case: Case, of: str, version: int, about: str) -> Finding | None:
    """A finding where one of both hosts is older than what an option needs."""
    versions = [getattr(side.host, of) for side in (case.source, case.target)]
    if all(one >= version for one in versions):
        return None
    what = "libvirt" if of.startswith("libvirt") else "QEMU"
    beside = " together with parallel" if about == "post_copy" else ""
    return case.failed(
        "options",
        f"{about}{beside} needs {what} {version_text(version)} on both",
        "leave it out, or upgrade",
        about,
        source=f"{what} {version_text(versions[0])}",
        target=f"{what} {version_text(versions[1])}",
    )
