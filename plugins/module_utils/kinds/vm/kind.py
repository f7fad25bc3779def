# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind `vm`: declarations, plans and results of virtual machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...engine import traits
from ...engine.codecs import Value, mac
from ...engine.errors import FleetErrors, Mistakes
from ...engine.keys import ABSENT, PRESENT, UNION, Key, Values, named, parent
from ...engine.plan import Have, Plan, Wanted
from ...engine.planner import plan_resource
from ...engine.specs import spec_of, want_of
from ...engine.world import World
from ..storage_volume import kind as storage_volume
from ..together.taken_up import VOLUME_OPTIONS
from . import awaited, made_from, rules
from .derived import volume_of
from .draft import VmDraft
from .table import AGENT_CHANNEL, CDROMS, DISKS, ROWS, TRAITS

if TYPE_CHECKING:
    from ...engine.accounting import Books
    from ...engine.facts import Reads

OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    **traits.spec_of(TRAITS),
    "agent": {"type": "bool"},
    "extra_xml": {"type": "str"},
    made_from.FROM: {"type": "str"},
    "clone": {"type": "str", "choices": [made_from.LINKED, made_from.FULL]},
    "sysprep": {"type": "str", "choices": ["auto", "virt-sysprep", "cloud_init", "none"]},
    "profile": {"type": "str", "choices": ["linux", "windows-11", "windows-server", "none"]},
    "cloud_init": {
        "type": "dict",
        "options": {
            "hostname": {"type": "str"},
            "user": {"type": "str"},
            "ssh_keys": {"type": "list", "elements": "str", "no_log": False},
            "password_hash": {"type": "str", "no_log": True},
            "nics": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "name": {"type": "str", "required": True},
                    **{
                        option: {"type": "list", "elements": "str"}
                        for option in ("address", "gateway", "dns", "search")
                    },
                },
            },
            "user_data": {"type": "raw", "no_log": True},
            "vendor_data": {"type": "raw", "no_log": True},
            "meta_data": {"type": "dict", "no_log": True},
            "network_config": {"type": "dict", "no_log": True},
            "rerun": {"type": "bool", "default": False},
            "detach": {"type": "str", "choices": ["never", "after_boot"], "default": "never"},
            "pool": {"type": "str"},
            "bus": {"type": "str", "choices": ["sata", "scsi", "ide", "usb"]},
        },
    },
    **awaited.SPEC,
    "apply": {"type": "str", "choices": ["live", "next_boot", "restart"], "default": "live"},
    "purge": {"type": "bool", "default": False},
    "remove_storage": {"type": "bool", "default": False},
    "shutdown": {
        "type": "dict",
        "default": {},
        "options": {
            "timeout_s": {"type": "int", "default": 120},
            "on_timeout": {"type": "str", "choices": ["fail", "power_off"], "default": "fail"},
        },
    },
}


class Vm:
    """Virtual machines, as domains of libvirt."""

    name = "vm"

    @property
    def reads(self) -> Sequence[Reads]:
        """What its plans, and the rules about them, read of a host."""
        from .readers import FOR_PLANS

        return FOR_PLANS

    @property
    def books(self) -> Books:
        """What an edit may change, and as what the plan shows it."""
        from .books import BOOKS

        return BOOKS

    def spec(self) -> dict[str, Any]:
        """The options of the table, those beside it, and those that make a disk's volume."""
        spec = {**spec_of(ROWS), **deepcopy(OPTIONS)}  # who validates writes into defaults
        of_volume = storage_volume.KIND.spec()
        disk = spec["disks"]["options"]
        disk.update({name: of_volume[name] for name in (*VOLUME_OPTIONS, "existing")})
        return spec

    def parse(self, params: Mapping[str, Any]) -> list[Wanted]:
        """The VM that is declared, and the volumes that its disks bring with them."""
        name = params["name"]
        mistakes = Mistakes(f"vm/{name}")
        rules.check_name(name, mistakes)
        if params["state"] == ABSENT:
            mistakes.raise_any()
            return [Wanted("vm", name, ABSENT, options=params)]
        made_from.check_declared(params, mistakes)
        volumes, disks = _volumes(params, mistakes)
        want = want_of(ROWS, {**params, "disks": disks}, mistakes)
        _macs_of_absent(want, params.get("nics") or [], mistakes)
        _sources_of_absent(want, {**params, "disks": disks}, mistakes)
        _agent(want, params.get("agent"))
        _extra(want, params.get("extra_xml"), mistakes)
        _cloud_init(want, params, mistakes)
        rules.check_declared(want, mistakes)
        awaited.check_declared(params, mistakes)
        mistakes.raise_any()
        needs = _needs(want) | _pool_of_seed(params)
        return [*volumes, Wanted("vm", name, params["state"], want, params, needs)]

    def plan(self, wanted: Wanted, have: Have, world: World) -> Plan:
        """What is to be done about one VM."""
        return plan_resource(VmDraft(wanted, have, world))

    def apply(self, host: Any, plan: Plan) -> None:
        """Define, change what runs, then the power."""
        from .applier import apply

        apply(host, plan)

    def result(self, have: Have) -> dict[str, Any]:
        """The VM with every option as it is stored, and its state."""
        from . import told

        return told.result(have)


KIND = Vm()


# ---- declarations


def _volumes(
    params: Mapping[str, Any], mistakes: Mistakes
) -> tuple[list[Wanted], list[dict[str, Any]]]:
    """The volumes that disks bring, and the disks with the names of these volumes.

    Of a VM that is made from a template a disk in a pool has a volume of its own, and one of which
    no pool is said has it in that of the template's, or in that in which it is by now.
    """
    wanted: list[Wanted] = []
    named_disks = []
    vm, is_clone = params["name"], bool(params.get(made_from.FROM))
    for disk in params.get("disks") or []:
        options = {name: disk[name] for name in VOLUME_OPTIONS if disk.get(name) is not None}
        item = dict(disk)
        if is_clone and options and not disk.get("pool") and not params.get(made_from.PLACED):
            named_disks.append(item)
            continue
        if disk.get("state") != ABSENT and (options or (is_clone and disk.get("pool"))):
            item["volume"] = disk.get("volume") or volume_of(vm, disk)
        if options and disk.get("state") != ABSENT:
            if not disk.get("pool"):
                said = f"{', '.join(options)} needs a pool for its volume"
                mistakes.add(said, f"disks.{disk['name']}")
                continue
            wanted += _volume(item, options, mistakes)
        if disk.get("existing") and not options:
            mistakes.add("is for a disk that brings its volume", f"disks.{disk['name']}.existing")
        named_disks.append(item)
    return wanted, named_disks


def _volume(
    disk: Mapping[str, Any], options: Mapping[str, Any], mistakes: Mistakes
) -> list[Wanted]:
    field = f"disks.{disk['name']}"
    spec = storage_volume.KIND.spec()
    params = {name: option.get("default") for name, option in spec.items()}
    params.update(
        options, name=disk["volume"], pool=disk["pool"], format=disk.get("format"), state="present"
    )
    params["encryption"] = disk.get("encryption")
    try:
        found = storage_volume.KIND.parse(params)
    except FleetErrors as errors:
        for error in errors.errors:
            mistakes.add(error.message, f"{field}.{error.field}" if error.field else field)
        return []
    return [replace(one, options={**one.options, "of_disk": True}) for one in found]


def _macs_of_absent(want: Values, nics: list[Mapping[str, Any]], mistakes: Mistakes) -> None:
    """A NIC that others made has no name but its MAC, by which it can go too."""
    for nic in nics:
        if nic.get("state") != ABSENT or not nic.get("mac"):
            continue
        at = ("nics", nic["name"], "mac")
        try:
            want[at] = mac().parse(nic["mac"])
        except ValueError as error:
            mistakes.add(str(error), named(at))


def _sources_of_absent(want: Values, params: Mapping[str, Any], mistakes: Mistakes) -> None:
    """A disk of others goes by what it stands on, under any name, as it comes under any."""
    for row in (DISKS, CDROMS):
        for item in params.get(row.name) or ():
            whole = any(item.get(at) for at in ("file", "device", "network", "nvme"))
            whole = whole or (item.get("pool") and item["volume"])
            if item.get("state") == ABSENT and whole:
                want.update(want_of((row.rows[0],), item, mistakes, (row.name, item["name"])))


def _agent(want: Values, agent: bool | None) -> None:
    if agent is not None:
        want[("channels", AGENT_CHANNEL)] = PRESENT if agent else ABSENT


def _extra(want: Values, text: str | None, mistakes: Mistakes) -> None:
    if text is None:
        return
    from . import extra

    try:
        want[("extra_xml",)] = extra.canonical(text)
    except ValueError as error:
        mistakes.add(f"{error}; write elements as they stand below <domain>", "extra_xml")


def _cloud_init(want: Values, params: Mapping[str, Any], mistakes: Mistakes) -> None:
    """Few VMs have any, and for the others nothing of it is imported."""
    if params.get("cloud_init") is None:
        return
    from .cloud_init import declared

    want.update(declared.values_of(params["name"], params["cloud_init"], mistakes))


def _pool_of_seed(params: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    pool = (params.get("cloud_init") or {}).get("pool")
    return frozenset({("storage_pool", pool)} if pool else ())


def _needs(want: Mapping[Key, Value]) -> frozenset[tuple[str, str]]:
    pool = want.get(("resource_pool",))
    needs = {("resource_pool", str(pool))} if pool else set()
    for key, source in want.items():
        if key[-1] != UNION or want.get(parent(key)) is ABSENT:
            continue
        if "vswitch" in source:
            needs.add(("vswitch", source["vswitch"]))
        if "pool" in source:
            needs.add(("storage_pool", source["pool"]))
            needs.add(("storage_volume", f"{source['pool']}/{source['volume']}"))
    return frozenset(needs)
