# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers questions from an open connection, and from the machine on which this runs.

Those that only plans about VMs and resource pools ask, or moves, are in live_guests and live_moves.

What only some plans ask for is imported by the question: Ansible compiles all that a module imports
anew in every task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..engine.facts import Fact, Facts, NotRecorded, Reads
from ..engine.host import HostFacts
from ..engine.plan import Have
from .connection import Host


class Live:
    """A host as it is now. What kinds know how to read comes from them."""

    def __init__(self, host: Host, reads: Iterable[Reads]) -> None:
        self.host = host
        self._resources: dict[str, Callable[..., dict[str, Have]]] = {}
        self._answers = {**ANSWERS}
        for one in reads:
            self._resources.update(one.resources)
            self._answers.update(one.answers)

    def read(self, fact: Fact) -> Any:
        """The answer to one question."""
        if fact[0] not in self._answers:  # what is expected may name whatever a user wrote
            raise NotRecorded(fact)
        return self._answers[fact[0]](self.host, *fact[1:])

    def resources(self, kind: str, names: Sequence[str] | None) -> dict[str, Have]:
        """Resources of a kind, as they are."""
        if kind not in self._resources:
            raise NotRecorded((kind, *(names or ())))
        return self._resources[kind](self.host, names)


def facts_of(host: Host, reads: Iterable[Reads]) -> Facts:
    """The facts of a host as it is now, of which none was asked yet."""
    return Facts(Live(host, reads))


def machine_of(host: Host) -> HostFacts:
    """What there is to know of a host at this moment, but for its resources."""
    return HostFacts(facts_of(host, ()))


# ---- what libvirt tells


def _refusal(host: Host, definition: str) -> str | None:
    from .judgement import refusal

    return refusal(host, definition)


def _parsed(_host: Host, definition: str) -> dict[str, str] | None:
    from .judgement import parsed

    return parsed(definition)


def _parser_refusal(_host: Host, kind: str, definition: str) -> str:
    from .judgement import parser_refusal

    return parser_refusal(kind, definition)


def _owner(host: Host, kind: str, uuid: str) -> str | None:
    from .lookups import owner_of

    return owner_of(host, kind, uuid)


def _secrets(host: Host) -> Any:
    from .secrets import read_secrets

    return read_secrets(host)


# ---- what the machine tells


def _of_file(name: str) -> Callable[..., Any]:
    def answer(_host: Host, *of: str) -> Any:
        from . import files

        return getattr(files, name)(*of)

    return answer


def _listed_checksum(_host: Host, *of: str) -> dict[str, str]:
    from .fetching import read_listed

    return read_listed(*of)


def _cut_off(_host: Host, path: str) -> str:
    from .whole_images import read_cut_off

    return read_cut_off(path)


def _kept_image(_host: Host, key: str, library: str) -> Any:
    from .library import read_kept_image

    return read_kept_image(key, library)


def _of_processes(name: str) -> Callable[..., Any]:
    def answer(_host: Host, *of: str) -> Any:
        from . import processes

        return getattr(processes, name)(*of)

    return answer


def _interfaces(_host: Host) -> Any:
    from .interfaces import read_interfaces

    return read_interfaces()


def _far_interface(host: Host, name: str) -> bool | None:
    from .interfaces import read_far_interface

    return read_far_interface(host, name)


def _open_vswitch(_host: Host) -> Any:
    from .open_vswitch import read_open_vswitch

    return read_open_vswitch()


def _linux_bridges(_host: Host) -> Any:
    from .linux_bridges import read_linux_bridges

    return read_linux_bridges()


def _network_keeper(_host: Host) -> Any:
    from .network_keeper import read_network_keeper

    return read_network_keeper()


def _network_manager(_host: Host) -> Any:
    from .network_manager import read_network_manager

    return read_network_manager()


def _switch_files(_host: Host) -> Any:
    from .switch_files import read_switch_files

    return read_switch_files()


def _vlan_hook(_host: Host) -> Any:
    from .vlan_hook import read_vlan_hook

    return read_vlan_hook()


def _way_in(_host: Host) -> Any:
    from .way_in import read_way_in

    return read_way_in()


def _links(_host: Host) -> Any:
    from .links import read_links

    return read_links()


def _reaches(host: Host, address: str, port: str) -> str | None:
    from .reaching import read_reaches

    return read_reaches(host, address, port)


def _greeting(host: Host, address: str, port: str) -> str | None:
    from .reaching import read_greeting

    return read_greeting(host, address, port)


def _iscsi_login(host: Host, address: str, port: str, target: str, initiator: str) -> str | None:
    from .iscsi_login import read_iscsi_login

    return read_iscsi_login(host, address, port, target, initiator)


def _iscsi_targets(host: Host, address: str, port: str) -> list[str] | None:
    from .iscsi_targets import read_iscsi_targets

    return read_iscsi_targets(host, address, port)


def _direct_block(host: Host, path: str) -> int | None:
    from .direct_blocks import read_direct_block

    return read_direct_block(host, path)


def _routes(_host: Host) -> Any:
    from .interfaces import read_routes

    return read_routes()


ANSWERS: dict[str, Callable[..., Any]] = {
    "uri": lambda host: host.uri,
    "driver": lambda host: host.driver,
    "version": lambda host: host.version,
    "libvirt_version": lambda host: host.libvirt_version,
    "can_keep_tpm": lambda host: host.can_keep_tpm,
    "state_folder": lambda host: host.state_folder,
    "arch": lambda host: host.arch,
    "best_virt_type": lambda host: host.best_virt_type,
    "machines": lambda host: host.machines,
    "machines_of": lambda host, arch: host.machines_of(arch),
    "cpu_models": lambda host, arch: host.cpu_models(arch),
    "cpu_modes": lambda host, *of: host.cpu_modes(*of),
    "video_models": lambda host, *of: host.video_models(*of),
    "refusal": _refusal,
    "parsed": _parsed,
    "parser_refusal": _parser_refusal,
    "owner": _owner,
    "secrets": _secrets,
    "file": _of_file("read_file"),
    "written": _of_file("read_written"),
    "image": _of_file("read_image"),
    "checksum": _of_file("read_checksum"),
    "listed_checksum": _listed_checksum,
    "cut_off": _cut_off,
    "kept_image": _kept_image,
    "made_from": _of_file("read_made_from"),
    "folder": _of_file("read_folder"),
    "real_path": _of_file("read_real_path"),
    "place": _of_file("read_place"),
    "open_files": _of_processes("read_open_files"),
    "network_daemons": _of_processes("read_network_daemons"),
    "noted_daemons": _of_processes("read_noted_daemons"),
    "interfaces": _interfaces,
    "far_interface": _far_interface,
    "routes": _routes,
    "open_vswitch": _open_vswitch,
    "links": _links,
    "way_in": _way_in,
    "linux_bridges": _linux_bridges,
    "network_keeper": _network_keeper,
    "network_manager": _network_manager,
    "switch_files": _switch_files,
    "direct_block": _direct_block,
    "greeting": _greeting,
    "iscsi_login": _iscsi_login,
    "iscsi_targets": _iscsi_targets,
    "reaches": _reaches,
    "vlan_hook": _vlan_hook,
}
