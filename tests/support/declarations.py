"""Declarations of whole resources, as one user writes them one after the other.

The options are drawn from the tables. What a table does not know is here: that a pool needs what
its type needs, addresses lie in one network, and a disk is on something.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ansible_collections.kvm.fleet.plugins.module_utils.engine.fields import Field, Items, Row, Rows
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import key_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.resource_pool import (
    table as resource_pool,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.secret import table as secret
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool import table as pool
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume import table as volume
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import device_rows
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import table as vm
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import table as vswitch
from support.strategies import MACS, Params, declarations, drawn, place, sizes, values_for

# What is there beside what is declared; see tests/support/neighbours.py.
POOL, VSWITCH, PORT_GROUPS, GOLD = "fast", "lan", ("", "slow", "fast"), "gold"
History = list[Params]
STEPS = 3


def _named(rows: Rows, names: Collection[str]) -> list[Row]:
    return [row for row in rows if row.name in names]


def _some(rows: Sequence[Any], most: int = 4) -> SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(rows), max_size=most, unique_by=id) if rows else st.just([])


# ---- resource pools


@st.composite
def resource_pools(draw: DrawFn) -> History:
    """A pool, in another or in none, whose options change."""
    parent = draw(st.sampled_from(["", GOLD]))
    name = draw(st.sampled_from(["p", "my-pool", "_a.b"]))
    several = st.lists(declarations(resource_pool.ROWS), min_size=1, max_size=STEPS)
    return [{"name": name, "parent": parent, **params} for params in draw(several)]


# ---- secrets


@st.composite
def secrets(draw: DrawFn) -> History:
    """A secret of one type, whose value and options change."""
    usage_type = draw(st.sampled_from(sorted(secret.TYPES)))
    name = draw(st.sampled_from(["/srv/a", "/srv/a b/é.qcow2"]))
    history = []
    for _step in range(draw(st.integers(1, STEPS))):
        params = draw(declarations(secret.ROWS))
        how = draw(st.sampled_from(["on_change", "on_create"]))
        own = {"name": name, "type": usage_type, "encoding": "base64", "update_value": how}
        history.append({**params, **own})
    return history


# ---- pools


@st.composite
def pools(draw: DrawFn) -> History:
    """A pool of one type, whose options change."""
    kind = draw(st.sampled_from(sorted(pool.TYPES)))
    of = pool.TYPES[kind]
    states = st.sampled_from(["active", "inactive", "present"])
    history = []
    for step in range(draw(st.integers(1, STEPS))):
        names = {*(() if step else of.needs), *draw(_some((*of.needs, *of.takes)))}
        params: Params = {"name": "p", "state": draw(states), **({} if step else {"type": kind})}
        for row in _named(pool.ROWS, names):
            _set(params, _of_pool(draw, row, of))
        history.append(params)
    return history


def _of_pool(draw: DrawFn, row: Row, of: pool.PoolType) -> dict[Any, Any]:
    if row.name == "source.format":
        return {key_of(row.name): draw(st.sampled_from(of.formats))}
    found = drawn(draw, row)
    if isinstance(row, Items):  # one at least: there has to be something
        name = draw(values_for(row.key[1]))
        found = {key_of(row.name): [{row.key[0]: name, "state": "present"}]}
    return found


def _set(params: Params, values: dict[Any, Any]) -> None:
    for key, value in values.items():
        place(params, key, value)


# ---- volumes


@st.composite
def volumes(draw: DrawFn) -> History:
    """A volume that is made, and grows or shrinks."""
    first = draw(declarations(volume.ROWS))
    first["capacity"] = draw(sizes(1024, least=1))
    ways = [{}, {"provisioning": "thick"}, {"backing": {"file": "/srv/base.raw", "format": "raw"}}]
    later = st.lists(declarations(volume.ROWS), max_size=STEPS - 1)
    named = {"pool": POOL, "name": draw(st.sampled_from(["v", "a b", "ü.x-"]))}
    return [{**named, **one} for one in ({**first, **draw(st.sampled_from(ways))}, *draw(later))]


# ---- vswitches


@st.composite
def vswitches(draw: DrawFn) -> History:
    """A vswitch whose options and addresses change."""
    rows = [row for row in vswitch.ROWS if row.name != "type"]
    kinds = st.sampled_from(["nat", "isolated", "routed", "open"])
    history = []
    for step in range(draw(st.integers(1, STEPS))):
        params = draw(declarations(rows, most=4))
        for host in params.get("dns", {}).get("hosts", ()):
            host["hostnames"] = draw(values_for(vswitch.HOSTNAMES.codec))
        if not step or draw(st.booleans()):
            params["type"] = draw(kinds)
            params.update(draw(_networks()), purge=True)
        params["state"] = draw(st.sampled_from(["active", "inactive", "present"]))
        params["apply"] = draw(st.sampled_from(["live", "next_boot", "restart"]))
        history.append({"name": "v", **params})
    return history


@st.composite
def _networks(draw: DrawFn) -> Params:
    """An address of each family or of one, and DHCP in its network."""
    params: Params = {}
    for family in draw(
        st.sampled_from([vswitch.FAMILIES[:1], vswitch.FAMILIES[1:], vswitch.FAMILIES])
    ):
        bits = {4: 32, 6: 128}[family.version]
        base = ipaddress.ip_address({4: "10.0.0.0", 6: "fd00::"}[family.version])
        length = draw(st.integers(bits - 16, bits - 4))
        at = draw(
            st.lists(st.integers(1, 2 ** (bits - length) - 2), min_size=5, max_size=5, unique=True)
        )
        own, low, high, *hosts = (str(base + place) for place in [at[0], *sorted(at[1:3]), *at[3:]])
        params[family.address] = f"{own}/{length}"
        params[family.dhcp] = {
            "ranges": draw(st.sampled_from([[], [{"start": low, "end": high}]])),
            "hosts": [
                {"name": f"h{n}", "ip": ip} for n, ip in enumerate(hosts[: draw(st.integers(0, 2))])
            ],
        }
    return params


# ---- VMs

_FILES = st.sampled_from(["a", "b c", "é"]).map("/srv/{}.qcow2".format)
_ONE_OF: dict[str, SearchStrategy[Any]] = {
    "virt_type": st.just("qemu"),
    "machine": st.sampled_from(["q35", "pc"]),
    "cpu.model": st.sampled_from(["qemu64", "Nehalem"]),
    "boot.kernel": _FILES,
    "boot.initrd": _FILES,
    "memory.reservation": st.sampled_from(["0B", "32MiB", "64MiB", "all"]),
    "memory.hotplug": st.sampled_from(["0B", "64MiB", "1GiB"]),
    "memory.limit": st.sampled_from(["0B", "32GiB", "64GiB"]),
    "memory.huge_pages": st.sampled_from(["none", "2MiB"]),
    "graphics.listen": st.sampled_from(["127.0.0.1", "0.0.0.0", ""]),
    "serial.path": st.just("/srv/serial"),
    "resource_pool": st.sampled_from([GOLD, ""]),
}
_DEVICES = ("disks", "cdroms", "nics", *(row.name for row in device_rows.LISTS))
# What hangs on numbers that other options give, and is drawn with them.
_TOGETHER = ("cpu.maximum", "cpu.count", "memory.maximum", "memory.size")
_VM_ROWS = [
    row
    for row in vm.ROWS
    if row.name not in (*_DEVICES, *_TOGETHER) and not row.name.startswith("cpu.topology")
]
EXTRA_XML = (
    "",
    "<devices><sound model='ich9'/></devices>",
    "<memoryBacking><nosharepages/></memoryBacking>",
    "<qemu:commandline><qemu:arg value='-no-user-config'/></qemu:commandline>",
)


@st.composite
def vms(draw: DrawFn) -> History:
    """A VM whose options and devices change, running or not."""
    history = []
    for step in range(draw(st.integers(1, STEPS))):
        params: Params = {
            "name": "web",
            "state": draw(st.sampled_from(["present", "running", "stopped"])),
        }
        for row in draw(_some(_VM_ROWS, most=5)):
            _set(params, _of_vm(draw, row))
        if not step or draw(st.booleans()):
            _set(params, draw(_counts()))
        for name, device in _MAKERS.items():
            if draw(st.booleans()):
                named = st.lists(st.sampled_from(["a", "b", "c"]), max_size=2, unique=True)
                params[name] = [{"name": one, **draw(device(one))} for one in draw(named)]
        params["apply"] = draw(st.sampled_from(["live", "next_boot", "restart"]))
        params["purge"] = draw(st.booleans())
        params["extra_xml"] = draw(st.none() | st.sampled_from(EXTRA_XML))
        history.append(params)
    return history


def _of_vm(draw: DrawFn, row: Row) -> dict[Any, Any]:
    if row.name in _ONE_OF:
        return {key_of(row.name): draw(_ONE_OF[row.name])}
    return drawn(draw, row)


@st.composite
def _counts(draw: DrawFn) -> dict[Any, Any]:
    top, count = sorted(draw(st.tuples(st.integers(1, 8), st.integers(1, 8))), reverse=True)
    most, size = sorted(draw(st.tuples(st.integers(1, 64), st.integers(1, 64))), reverse=True)
    counts = {
        ("cpu", "maximum"): top,
        ("cpu", "count"): count,
        ("memory", "maximum"): f"{most * 64}MiB",
        ("memory", "size"): f"{size * 64}MiB",
    }
    left_out = draw(st.sampled_from([(), ("maximum",)]))
    return {key: value for key, value in counts.items() if key[1] not in left_out}


def _rows_of(items: Items, *without: str) -> Rows:
    rows = items.rows
    return tuple(row for row in rows if isinstance(row, Field) and row.name not in without)


def _disks(name: str) -> SearchStrategy[Params]:
    # libvirt shares no image of QEMU's own format; a boot order is one device's.
    rows = _rows_of(
        vm.DISKS,
        "boot_order",
        "shareable",
        "format",
        "serial",
        "limits.total_iops",
        "limits.total_bandwidth",
    )
    ways: SearchStrategy[Params] = st.sampled_from(
        [
            {"file": f"/srv/{name}.qcow2", "format": "qcow2"},
            {"file": f"/srv/{name}.raw", "format": "raw"},
            {"device": f"/dev/{name}", "format": "raw"},
            {"pool": POOL, "volume": f"{name}.qcow2", "format": "qcow2"},
            {"pool": POOL, "capacity": "1GiB", "format": "qcow2"},
            {"state": "absent"},
        ]
    )
    return st.builds(lambda of, way: {**of, **way}, declarations(rows, most=3), ways)


def _cdroms(_name: str) -> SearchStrategy[Params]:
    ways = st.sampled_from([{"file": ""}, {"file": "/srv/a.iso"}, {"state": "absent"}, {}])
    rows = _rows_of(vm.CDROMS, "boot_order")
    return st.builds(lambda of, way: {**of, **way}, declarations(rows), ways)


def _nics(_name: str) -> SearchStrategy[Params]:
    rows = _rows_of(vm.NICS, "boot_order", "port_group", "mac")
    lan = st.fixed_dictionaries(
        {"vswitch": st.just(VSWITCH), "port_group": st.sampled_from(PORT_GROUPS)}
    )
    ways = lan | st.sampled_from([{"bridge": "br0"}, {"state": "absent"}])
    macs = MACS.filter(lambda one: not int(one[:2], 16) & 1)
    address = st.just({}) | macs.map(lambda one: {"mac": one})
    return st.builds(
        lambda of, way, own: {**of, **own, **way}, declarations(rows, most=3), ways, address
    )


def _rngs(_name: str) -> SearchStrategy[Params]:
    rates = st.sampled_from([{}, {"bytes": 0}, {"bytes": 512}, {"bytes": 64, "period_ms": 500}])
    options = {"path": st.sampled_from(["/dev/urandom", "/dev/hwrng"]), "rate": rates}
    return st.fixed_dictionaries({}, optional=options) | st.just({"state": "absent"})


def _inputs(_name: str) -> SearchStrategy[Params]:
    types = st.sampled_from(["tablet", "keyboard", "mouse"])
    buses = {"bus": st.sampled_from(["usb", "virtio"])}
    return st.fixed_dictionaries({"type": types}, optional=buses) | st.just({"state": "absent"})


def _host_devices(name: str) -> SearchStrategy[Params]:
    """A device has one name: two of a VM are never the same one."""
    number = "abc".index(name)
    roms = st.sampled_from([{"bar": False}, {"enabled": True, "file": "/srv/a.rom"}])
    pci = {"pci": st.just(f"0000:03:00.{number}"), "managed": st.booleans()}
    usb = {"usb": st.sampled_from([f"046d:082{number}", f"046d:082{number}@1/4"])}
    mdev = {"mdev": st.just(f"c2177883-f1bb-47f0-914d-32a22e3a880{number}")}
    policies = {"startup_policy": st.sampled_from(["optional", "mandatory"])}
    return st.one_of(
        st.fixed_dictionaries(pci, optional={"rom": roms}),
        st.fixed_dictionaries(usb, optional=policies),
        st.fixed_dictionaries(mdev, optional={"display": st.booleans()}),
        st.just({"state": "absent"}),
    )


def _shared_folders(name: str) -> SearchStrategy[Params]:
    # virtiofs needs memory that is shared, which another option says.
    modes = st.sampled_from(["passthrough", "mapped", "squash"])
    options = {"read_only": st.booleans(), "access_mode": modes}
    own = {"path": st.just(f"/srv/{name}"), "driver": st.just("9p")}
    return st.fixed_dictionaries(own, optional=options) | st.just({"state": "absent"})


def _leases(name: str) -> SearchStrategy[Params]:
    own = {"path": st.just("/srv/leases"), "offset": st.just(f"{'abc'.index(name) + 1}MiB")}
    space = {"lockspace": st.sampled_from(["kvm-fleet", "san1"])}
    return st.fixed_dictionaries(own, optional=space) | st.just({"state": "absent"})


def _serials(name: str) -> SearchStrategy[Params]:
    targets = {"target": st.sampled_from(["isa-serial", "pci-serial", "usb-serial"])}
    return st.one_of(
        st.fixed_dictionaries({"type": st.just("pty")}, optional=targets),
        st.fixed_dictionaries(
            {"type": st.sampled_from(["file", "unix"]), "path": st.just(f"/srv/{name}.port")},
            optional=targets,
        ),
        st.just({"state": "absent"}),
    )


def _consoles(name: str) -> SearchStrategy[Params]:
    file = {"type": st.sampled_from(["file", "unix"]), "path": st.just(f"/srv/{name}.console")}
    return st.one_of(
        st.just({}),
        st.just({"type": "pty"}),
        st.fixed_dictionaries(file),
        st.just({"state": "absent"}),
    )


_MAKERS = {
    "disks": _disks,
    "cdroms": _cdroms,
    "nics": _nics,
    "rngs": _rngs,
    "inputs": _inputs,
    "serials": _serials,
    "consoles": _consoles,
    "host_devices": _host_devices,
    "shared_folders": _shared_folders,
    "leases": _leases,
}

HISTORIES: dict[str, SearchStrategy[History]] = {
    "resource_pool": resource_pools(),
    "secret": secrets(),
    "storage_pool": pools(),
    "storage_volume": volumes(),
    "vswitch": vswitches(),
    "vm": vms(),
}
