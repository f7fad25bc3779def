"""What libvirt's XML says of the fields of a plan, read without anything of the engine."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from copy import deepcopy
from ipaddress import ip_interface
from typing import Any

Element = ET.Element
Reader = Callable[[Element], Any]

UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def text(path: str, default: str = "") -> Reader:
    return lambda tree: (tree.findtext(path) or default).strip()


def attribute(path: str, name: str, default: Any = None) -> Reader:
    def read(tree: Element) -> Any:
        found = tree if path == "." else tree.find(path)
        return default if found is None else found.get(name, default)

    return read


def number(reader: Reader, factor: int = 1) -> Reader:
    """A reader whose value is a number, of `factor` bytes where it is a size."""
    return lambda tree: int(reader(tree) or 0) * factor


def size_or_word(reader: Reader, unset: str) -> Reader:
    """A reader of a number of KiB, in bytes, or of a word."""

    def read(tree: Element) -> Any:
        found = reader(tree) or unset
        return int(found) * KIB if found.isdigit() else found

    return read


def there(path: str) -> Reader:
    return lambda tree: tree.find(path) is not None


def _hotplug(tree: Element) -> int:
    """The size of the memory device that is ours, by its alias."""
    devices = tree.findall("devices/memory")
    ours = [one for one in devices if attribute("alias", "name")(one) == "ua-hotplug"]
    return sum(number(text("target/size"), 1024)(one) for one in ours)


def _vcpus(tree: Element) -> int:
    return int(attribute("vcpu", "current")(tree) or text("vcpu")(tree))


def _firmware(tree: Element) -> str:
    chosen = attribute("os/loader", "type")(tree) == "pflash"
    return "efi" if chosen or attribute("os", "firmware")(tree) == "efi" else "bios"


def _limit(tree: Element) -> float:
    """The cores that a quota of each period is."""
    period, quota = (
        int(tree.findtext(f"cputune/global_{part}") or default)
        for part, default in (("period", 100_000), ("quota", 0))
    )
    return max(0, quota) / period


def _pins(thread: str) -> Reader:
    """The CPUs of each thread that is pinned."""
    return lambda tree: {
        pin.get(thread): pin.get("cpuset") for pin in tree.iterfind(f"cputune/{thread}pin")
    }


FLEET_NS = "{urn:kvm.fleet:1}"
FLEET = f"metadata/{FLEET_NS}resource"
RESERVATION = f"{FLEET}/{FLEET_NS}reservation"
KIB = 1024


def _resource_pool(tree: Element) -> str:
    said = text("resource/partition", "/machine")(tree)
    return str(said).removeprefix("/machine").removeprefix("/")


def _of_seed(part: str) -> Reader:
    """What is noted of the seed for cloud-init."""

    def read(tree: Element) -> Any:
        noted = tree.findtext("metadata/{urn:kvm.fleet:1:seed}seed")
        return json.loads(noted)["said"].get(part, "") if noted else ""

    return read


def _entry(section: str, name: str) -> Reader:
    return text(f"sysinfo/{section}/entry[@name='{name}']", "")


def _switch(name: str) -> Reader:
    """Whether a feature is on or off; None where nothing is said."""
    return lambda tree: {"on": True, "off": False}.get(
        str(attribute(f"features/{name}", "state")(tree))
    )


def _first_rng(domain: Element) -> str:
    """The first RNG that has no name of ours: those are of `rngs`."""
    for rng in domain.iterfind("devices/rng"):
        alias = rng.find("alias")
        if alias is None or not alias.get("name", "").startswith("ua-rng-"):
            return rng.findtext("backend") or ""
    return "none"


def _first_serial(reader: Reader, unset: str) -> Reader:
    """Of the first serial port that has no name of ours: those are of `serials`."""

    def read(domain: Element) -> Any:
        ports = domain.findall("devices/serial")
        others = [
            port
            for port in ports
            if not str(attribute("alias", "name")(port)).startswith("ua-serial-")
        ]
        return reader(others[0]) if others else unset

    return read


def _is_template(domain: Element) -> bool:
    note = f"{FLEET}/{{urn:kvm.fleet:1}}template"
    noted_for = attribute(note, "uuid")(domain)
    return attribute(note, "is")(domain) == "yes" and noted_for == text("uuid")(domain)


VM: dict[str, Reader] = {
    **{
        f"cloud_init.{part}": _of_seed(part)
        for part in ("hostname", "user", "ssh_keys", "instance_id", "detach", "volume")
    },
    "title": text("title"),
    "description": text("description"),
    "protected": lambda tree: attribute(FLEET, "protected")(tree) == "yes",
    "scope": attribute(FLEET, "scope", ""),
    "group": attribute(f"{FLEET}/{{urn:kvm.fleet:1}}group", "name", ""),
    "template": _is_template,
    "resource_pool": _resource_pool,
    "firmware": _firmware,
    "virt_type": attribute(".", "type"),
    "clock": attribute("clock", "offset"),
    "timezone": attribute("clock", "timezone", ""),
    "smbios.mode": attribute("os/smbios", "mode", "emulate"),
    "smbios.system.manufacturer": _entry("system", "manufacturer"),
    "smbios.system.serial": _entry("system", "serial"),
    "smbios.chassis.asset": _entry("chassis", "asset"),
    "features.pae": there("features/pae"),
    "features.vmport": _switch("vmport"),
    "features.pmu": _switch("pmu"),
    "features.kvm.hidden": _switch("kvm/hidden"),
    "features.hyperv.mode": attribute("features/hyperv", "mode", "none"),
    "features.hyperv.relaxed": _switch("hyperv/relaxed"),
    "features.hyperv.vapic": _switch("hyperv/vapic"),
    "features.hyperv.spinlocks": number(attribute("features/hyperv/spinlocks", "retries")),
    "features.hyperv.vendor_id": attribute("features/hyperv/vendor_id", "value", ""),
    "on_poweroff": text("on_poweroff"),
    "on_reboot": text("on_reboot"),
    "on_crash": text("on_crash"),
    "boot.kernel": text("os/kernel"),
    "boot.cmdline": text("os/cmdline"),
    "cpu.count": _vcpus,
    "cpu.maximum": number(text("vcpu")),
    "cpu.mode": attribute("cpu", "mode"),
    "cpu.model": text("cpu/model"),
    "cpu.topology.sockets": number(attribute("cpu/topology", "sockets")),
    "cpu.topology.cores": number(attribute("cpu/topology", "cores")),
    "cpu.topology.threads": number(attribute("cpu/topology", "threads")),
    "cpu.shares": number(text("cputune/shares")),
    "cpu.limit": _limit,
    "cpu.reservation": lambda tree: float(attribute(RESERVATION, "cpu", 0)(tree)),
    "cpu.dedicated": lambda tree: attribute(RESERVATION, "dedicated")(tree) == "yes",
    "cpu.pinning.vcpus": _pins("vcpu"),
    "cpu.pinning.emulator": attribute("cputune/emulatorpin", "cpuset", ""),
    "cpu.pinning.iothreads": _pins("iothread"),
    "numa.placement.mode": attribute("numatune/memory", "mode", "none"),
    "numa.placement.nodes": attribute("numatune/memory", "nodeset", ""),
    "memory.maximum": lambda tree: number(text("memory"), KIB)(tree) - _hotplug(tree),
    "memory.hotplug": _hotplug,
    "memory.size": number(text("currentMemory"), KIB),
    "memory.balloon": attribute("devices/memballoon", "model"),
    "memory.balloon_stats_period_s": number(attribute("devices/memballoon/stats", "period")),
    "memory.reservation": size_or_word(attribute(RESERVATION, "memory"), "0"),
    "memory.limit": number(text("memtune/hard_limit", "0"), KIB),
    "memory.locked": there("memoryBacking/locked"),
    "memory.ksm": lambda tree: not there("memoryBacking/nosharepages")(tree),
    "memory.huge_pages": size_or_word(attribute("memoryBacking/hugepages/page", "size"), "none"),
    "rng": _first_rng,
    "video": attribute("devices/video/model", "type"),
    "graphics.type": attribute("devices/graphics", "type", "none"),
    "graphics.listen": attribute("devices/graphics", "listen", ""),
    "serial.type": _first_serial(attribute(".", "type"), "none"),
    "serial.path": _first_serial(attribute("source", "path", ""), ""),
    "watchdog.model": attribute("devices/watchdog", "model", "none"),
    "watchdog.action": attribute("devices/watchdog", "action"),
    "tpm.model": attribute("devices/tpm", "model", "none"),
}


def _server(host: Element) -> dict[str, Any]:
    return {name: int(said) if name == "port" else said for name, said in host.attrib.items()}


DISK: dict[str, Reader] = {
    "bus": attribute("target", "bus"),
    "format": attribute("driver", "type"),
    "cache": attribute("driver", "cache", "default"),
    "io": attribute("driver", "io", "default"),
    "discard": attribute("driver", "discard", "default"),
    "serial": text("serial"),
    "boot_order": number(attribute("boot", "order")),
    "read_only": there("readonly"),
    "shareable": there("shareable"),
    "file": attribute("source", "file", ""),
    "device": attribute("source", "dev", ""),
    "network.protocol": attribute("source", "protocol"),
    "network.name": attribute("source", "name"),
    "network.tls": lambda disk: attribute("source", "tls")(disk) == "yes",
    "network.hosts": lambda disk: [_server(host) for host in disk.iterfind("source/host")],
    "encryption.secret": attribute("source/encryption/secret", "usage"),
    "nvme.namespace": number(attribute("source", "namespace")),
    **{f"limits.{n}_iops": number(text(f"iotune/{n}_iops_sec")) for n in ("total", "read")},
    **{f"limits.{n}_bandwidth": number(text(f"iotune/{n}_bytes_sec")) for n in ("total", "read")},
}


def _own_bridge(nic: Element) -> str | None:
    """The bridge that a NIC is on by itself: beside a network stands that network's."""
    return None if attribute("source", "network")(nic) else attribute("source", "bridge")(nic)


def _tags(tree: Element, native: bool) -> list[int]:
    """The tags of a trunk: its native one, or the others."""
    found = [] if attribute("vlan", "trunk")(tree) != "yes" else tree.findall("vlan/tag")
    return sorted(
        int(tag.get("id", "")) for tag in found if (tag.get("nativeMode") is not None) == native
    )


def _access(tree: Element) -> int:
    is_trunk = attribute("vlan", "trunk")(tree) == "yes"
    return 0 if is_trunk else number(attribute("vlan/tag", "id"))(tree)


VLANS: dict[str, Reader] = {
    "vlan": _access,
    "native_vlan": lambda tree: (_tags(tree, True) or [0])[0],
    "trunk": lambda tree: [str(one) for one in _tags(tree, False)],
    "trust_guest_rx_filters": lambda tree: tree.get("trustGuestRxFilters") == "yes",
}
NIC: dict[str, Reader] = {
    **VLANS,
    "mac": attribute("mac", "address"),
    "model": attribute("model", "type"),
    "mtu": number(attribute("mtu", "size")),
    "link": attribute("link", "state", "up"),
    "isolated": lambda tree: attribute("port", "isolated")(tree) == "yes",
    "boot_order": number(attribute("boot", "order")),
    "port_group": attribute("source", "portgroup", ""),
    "filter.name": attribute("filterref", "filter", ""),
    "vswitch": attribute("source", "network"),
    "bridge": _own_bridge,
    "direct.dev": attribute("source", "dev"),
    "direct.mode": attribute("source", "mode"),
    **{
        f"bandwidth.{way}.{limit}": number(attribute(f"bandwidth/{way}", limit), KIB)
        for way in ("inbound", "outbound")
        for limit in ("average", "peak", "burst")
    },
}


def _type_of_vswitch(tree: Element) -> str:
    if attribute("virtualport", "type")(tree) == "openvswitch":
        return "openvswitch"
    of_ours = attribute(FLEET, "switch")(tree)
    if of_ours:
        return str(of_ours)
    mode = attribute("forward", "mode")(tree)
    return {None: "isolated", "route": "routed"}.get(mode, str(mode))


VSWITCH: dict[str, Reader] = {
    "type": _type_of_vswitch,
    "bridge": attribute("bridge", "name"),
    "stp": lambda tree: attribute("bridge", "stp")(tree) == "on",
    "forward_delay_s": number(attribute("bridge", "delay")),
    "mtu": number(attribute("mtu", "size")),
    "domain": attribute("domain", "name", ""),
    "dns.enabled": lambda tree: attribute("dns", "enable", "yes")(tree) == "yes",
    "address": lambda tree: _address(tree, "ipv4"),
    "address6": lambda tree: _address(tree, "ipv6"),
    "more_addresses": lambda tree: [
        one for family in ("ipv4", "ipv6") for one in _more_addresses(tree, family)
    ],
}

PORT_GROUP: dict[str, Reader] = {
    **VLANS,
    "default": lambda tree: tree.get("default") == "yes",
    **{f: r for f, r in NIC.items() if f.startswith("bandwidth")},
    "security": lambda tree: tree.get("noted-security", "permissive"),
    "isolated": lambda tree: {"yes": True, "no": False}.get(tree.get("noted-isolated", "")),
}

POOL: dict[str, Reader] = {
    "type": attribute(".", "type"),
    "path": text("target/path"),
    "permissions.mode": text("target/permissions/mode"),
    "permissions.owner": number(text("target/permissions/owner")),
    "source.name": text("source/name"),
    "source.host": attribute("source/host", "name"),
    "device": attribute("source/device", "path"),
    "source.path": attribute("source/dir", "path"),
}

SECRET: dict[str, Reader] = {
    "type": attribute("usage", "type"),
    "uuid": text("uuid"),
    "description": text("description"),
    "private": lambda tree: tree.get("private") == "yes",
    "ephemeral": lambda tree: tree.get("ephemeral") == "yes",
}

VOLUME: dict[str, Reader] = {
    "capacity": number(text("capacity")),
    "format": attribute("target/format", "type"),
    "cluster_size": number(text("target/clusterSize")),
    "lazy_refcounts": lambda tree: tree.find("target/features/lazy_refcounts") is not None,
    "extended_l2": lambda tree: tree.find("target/features/extended_l2") is not None,
    "permissions.mode": text("target/permissions/mode"),
    "permissions.owner": number(text("target/permissions/owner")),
    "permissions.group": number(text("target/permissions/group")),
}

FIELDS = {
    "secret": SECRET,
    "vm": VM,
    "vswitch": VSWITCH,
    "storage_pool": POOL,
    "storage_volume": VOLUME,
}


def _address(network: Element, family: str) -> str:
    return next(iter(_addresses(network, family)), "")


def _more_addresses(network: Element, family: str) -> list[str]:
    return sorted(_addresses(network, family)[1:], key=lambda one: int(ip_interface(one).ip))


def _addresses(network: Element, family: str) -> list[str]:
    """Those of a family, the one that has DHCP first."""
    found = [ip for ip in network.findall("ip") if ip.get("family", "ipv4") == family]
    found.sort(key=lambda ip: ip.find("dhcp") is None)
    masks = (f"{ip.get('address')}/{ip.get('prefix') or ip.get('netmask')}" for ip in found)
    return [ip_interface(one).with_prefixlen for one in masks]


def _route(network: Element, to: str) -> Element | None:
    address, _slash, length = to.partition("/")
    return network.find(f"route[@address='{address}'][@prefix='{length}']")


def _by_alias(prefix: str, path: str) -> Callable[[Element, str], Element | None]:
    """By the name that it was given; what others made is known by its target or MAC."""

    def find(domain: Element, name: str) -> Element | None:
        for device in domain.findall(path):
            if attribute("alias", "name")(device) == f"{prefix}{name}":
                return device
        for device in domain.findall(path):
            if name in (attribute("target", "dev")(device), attribute("mac", "address")(device)):
                return device
        return None

    return find


def _by_kind(prefix: str, path: str, kind: Reader) -> Callable[[Element, str], Element | None]:
    """By the name that it was given; what others made is known by what it is."""

    def find(domain: Element, name: str) -> Element | None:
        for device in domain.findall(path):
            alias = str(attribute("alias", "name")(device))
            own = alias[len(prefix) :] if alias.startswith(prefix) else kind(device)
            if own == name:
                return device
        return None

    return find


def _port_kind(port: Element) -> str:
    kind = str(attribute("target", "type")(port)).removesuffix("-serial")
    return f"{kind}-{attribute('target', 'port')(port)}"


def _console_kind(console: Element) -> str:
    return str(attribute("target", "type")(console))


def _display(domain: Element, name: str) -> Element | None:
    """One that is not the first, by its type."""
    others = domain.findall("devices/graphics")[1:]
    return next((one for one in others if one.get("type") == name), None)


def _screen_port(graphics: Element) -> int:
    return -1 if graphics.get("autoport") == "yes" else int(graphics.get("port", -1))


def _path_of_port(port: Element) -> str:
    return "" if port.get("type") == "pty" else str(attribute("source", "path", "")(port))


PORT: dict[str, Reader] = {
    "type": attribute(".", "type"),
    "path": _path_of_port,
    "target": attribute("target", "type"),
}
DISPLAY: dict[str, Reader] = {"port": _screen_port}
VIDEO: dict[str, Reader] = {"model": attribute("model", "type")}
MODEL_OF_VIDEO = attribute("model", "type")


def _channel(domain: Element, name: str) -> Element | None:
    for channel in domain.findall("devices/channel"):
        if attribute("target", "name")(channel) == name:
            return channel
    return None


def _by_attribute(path: str, name: str) -> Callable[[Element, str], Element | None]:
    return lambda tree, value: tree.find(f"{path}[@{name}='{value}']")


def _lease(of: Element) -> int:
    lease = of.find("lease")
    units = {"seconds": 1, "minutes": 60, "hours": 3600}
    return (
        -1 if lease is None else int(lease.get("expiry", 0)) * units[lease.get("unit", "seconds")]
    )


def _reservation(tree: Element, mac: str) -> Element | None:
    return tree.find(f"ip/dhcp/host[@mac='{mac}']")


def _port_group(tree: Element, name: str) -> Element | None:
    """A port group, with what is noted of it."""
    found = tree.find(f"portgroup[@name='{name}']")
    note = tree.find(f"{FLEET}/{FLEET_NS}portgroup[@name='{name}']")
    if found is None or note is None:
        return found
    told = deepcopy(found)
    told.attrib |= {f"noted-{name}": value for name, value in note.items()}
    return told


# Things in lists: how a field names one, how it is found, and what can be read of it.
THINGS: dict[str, list[tuple[str, Callable[[Element, str], Element | None], dict[str, Reader]]]] = {
    "vm": [
        (r"disks\.([\w-]+)", _by_alias("ua-disk-", "devices/disk"), DISK),
        (r"cdroms\.([\w-]+)", _by_alias("ua-cdrom-", "devices/disk[@device='cdrom']"), DISK),
        (r"nics\.([\w-]+)", _by_alias("ua-nic-", "devices/interface"), NIC),
        (r"channels\.([\w.]+)", _channel, {}),
        (r"serials\.([\w-]+)", _by_kind("ua-serial-", "devices/serial", _port_kind), PORT),
        (r"consoles\.([\w-]+)", _by_kind("ua-console-", "devices/console", _console_kind), PORT),
        (r"displays\.([\w-]+)", _display, DISPLAY),
        (r"videos\.([\w-]+)", _by_kind("ua-video-", "devices/video", MODEL_OF_VIDEO), VIDEO),
        (r"cpu\.features\.([\w-]+)", _by_attribute("cpu/feature", "name"),
         {"policy": attribute(".", "policy")}),
    ],
    "vswitch": [
        (r"port_groups\.([\w-]+)", _port_group, PORT_GROUP),
        (r"dhcp\.hosts\.([0-9a-f:]+)", _reservation,
         {"ip": attribute(".", "ip"), "name": attribute(".", "name"), "lease_s": _lease}),
        (r"dhcp\.ranges\.([0-9.]+[0-9])", _by_attribute("ip/dhcp/range", "start"),
         {"end": attribute(".", "end"), "lease_s": _lease}),
        (r"dns\.hosts\.([0-9.]+[0-9])", _by_attribute("dns/host", "ip"), {}),
        (r"routes\.([0-9./]+[0-9])", _route,
         {"via": attribute(".", "gateway"), "metric": number(attribute(".", "metric"))}),
    ],
}  # fmt: skip


def disagreements(tree: Element, kind: str, field: str, after: Any) -> list[str]:
    """Where a definition says something else than that this field has become `after`."""
    for pattern, find, fields in THINGS.get(kind, ()):
        match = re.fullmatch(pattern + r"(?:\.([a-z].*))?", field)
        if match:
            return _of_thing(field, match[2], find(tree, match[1]), fields, after)
    return _of_fields("", tree, FIELDS[kind], {field: after})


def _of_thing(
    field: str, below: str | None, thing: Element | None, fields: dict[str, Reader], after: Any
) -> list[str]:
    if below is None and after == "absent":
        return [] if thing is None else [f"{field} is still there"]
    if thing is None:
        return [f"{field} is not there"]
    if below:
        return _of_fields(field.removesuffix(below), thing, fields, {below: after})
    return _of_fields(f"{field}.", thing, fields, after if isinstance(after, dict) else {})


def _of_fields(
    above: str, tree: Element, fields: dict[str, Reader], values: dict[str, Any]
) -> list[str]:
    wrong = []
    for name, after in _leaves(values):
        if name in fields:
            found = fields[name](tree)
            if found != _comparable(after, found):
                wrong.append(f"{above}{name} is {found!r}, planned was {after!r}")
    return wrong


def _leaves(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _comparable(after: Any, found: Any) -> Any:
    """A planned size in bytes, where bytes are what was read; anything else as it is.

    An option that goes, since another says now what a device stands on, is none or empty.
    """
    if after is None and found == "":
        return found
    match = re.fullmatch(r"(\d+)([A-Za-z]+)", after) if isinstance(after, str) else None
    if match and isinstance(found, int):
        return int(match[1]) * UNITS[match[2]]
    return after
