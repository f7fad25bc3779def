"""Random declarations of every kind: sequences in which each differs from the one before.

All that is random comes from the `random.Random` that a source is made with, so that a seed stands
for its declarations. They are valid by themselves and on what the earlier ones led to: which disks
there are, how many vCPUs at most. What is invalid has cases of its own (tests/integration).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

Args = dict[str, Any]
Step = tuple[str, Args]  # a module, and what it is called with

DEVICE = "<devices><sound model='ich9'/></devices>"
EXTRA_XML = (
    "",
    DEVICE,
    "<devices><input type='tablet' bus='usb'/></devices>",
    "<memoryBacking><nosharepages/></memoryBacking>",
    "<qemu:commandline><qemu:arg value='-no-user-config'/></qemu:commandline>",
    "<features><hyperv mode='custom'><relaxed state='on'/></hyperv></features>" + DEVICE,
)


@dataclass(frozen=True)
class Place:
    """What a host holds for declarations to refer to."""

    prefix: str
    folder: str  # with the images, and for pools; as libvirtd knows it
    pool: str = ""  # an active pool with the images as volumes
    vswitch: str = ""  # with the port groups slow and fast
    bridge: str = ""  # of the host
    kernel: Mapping[str, str] | None = None  # the options `boot` of a guest

    @property
    def images(self) -> dict[str, str]:
        """Disk images by name, with their formats."""
        return {"one.qcow2": "qcow2", "two.qcow2": "qcow2", "three.raw": "raw", "four.raw": "raw"}


def some(rng: Random, options: Mapping[str, Callable[[], Any]], share: float) -> Args:
    """Some of the options, each with a random value; `a.b` is b in the dictionary a."""
    chosen: Args = {}
    for name, value in options.items():
        if rng.random() < share:
            place = chosen
            *above, last = name.split(".")
            for part in above:
                place = place.setdefault(part, {})
            place[last] = value()
    return chosen


# ---- VMs


class Vm:
    """Declarations of one VM. `runs`: it is there to be changed while it is running or paused."""

    def __init__(self, rng: Random, name: str, place: Place, runs: str = "") -> None:
        self.rng = rng
        self.name = name
        self.place = place
        self.runs = runs
        self.cpus = 0  # at most; known once it was declared
        self.topology = False
        self.memory_mib = 0  # at most
        self.devices: dict[str, set[str]] = {"disks": set(), "cdroms": set(), "nics": set()}
        self.formats: dict[str, str] = {}  # of the disks
        self.volumes_mib: dict[str, int] = {}  # that were made for disks
        self.machine = ""
        self.state = runs

    def steps(self) -> Iterator[Step]:
        """The VM as it is made, and then how it changes."""
        yield "vm", self.first()
        while True:
            yield "vm", self.change()

    def first(self) -> Args:
        """The declaration of a VM that is not there."""
        self.machine = self.rng.choice(["q35", "q35", "pc"])
        args = {
            "name": self.name,
            "virt_type": "qemu",
            "machine": self.machine,
            **self._fields(0.2),
            "cpu": self._new_cpu(),
            "memory": self._new_memory(),
            **self._devices(0.5),
        }
        if self.runs:
            args |= {"state": self.runs, "boot": dict(self.place.kernel or {})}
        elif self.rng.random() < 0.2 and self.machine == "q35":
            args["firmware"] = "efi"
        return args

    def change(self) -> Args:
        """Another declaration of it."""
        args = {"name": self.name, **self._fields(0.25), **self._devices(0.4)}
        cpu, memory = self._cpu(), self._memory()
        args |= {"cpu": cpu} if cpu else {}
        args |= {"memory": memory} if memory else {}
        if self.runs:
            args |= self._of_running()
        elif self.machine == "q35" and self.rng.random() < 0.1:
            args["firmware"] = self.rng.choice(["efi", "bios"])
        return args

    def _of_running(self) -> Args:
        word = self.rng.choices(["live", "next_boot"], [4, 1])[0]
        if self.runs != "running":
            return {"apply": word, "state": self.rng.choice([self.runs, "present"])}
        states = ["running", "present", "paused", "saved"]
        said = self.rng.choices(states, [5, 3, 1, 1])[0]
        self.state = self.state if said == "present" else said
        if self.state == "running":  # else its guest would be left before it has booted
            word = self.rng.choices([word, "restart"], [5, 1])[0]
        return {"apply": word, "state": said}

    def _fields(self, share: float) -> Args:
        pick = self.rng.choice
        options: dict[str, Callable[[], Any]] = {
            "title": lambda: pick(["", "web", "A title: 50% <&> ünïcode"]),
            "description": lambda: pick(["", "two\nlines", "of <a> VM"]),
            "tags": lambda: pick([{}, {"env": "test"}, {"env": "prod", "owner": "a b"}]),
            "protected": lambda: pick([True, False]),
            "scope": lambda: pick(["", "shop", "blog"]),
            "clock": lambda: pick(["utc", "localtime"]),
            "on_poweroff": lambda: "destroy",  # restart does not go with on_reboot: destroy
            "on_reboot": lambda: pick(["restart", "destroy"]),
            "on_crash": lambda: pick(["destroy", "restart", "preserve", "coredump-destroy"]),
            "autostart": lambda: pick([True, False]),
            "agent": lambda: pick([True, False]),
            "channels": self._channels,
            "rng": lambda: pick(["none", "/dev/urandom", "/dev/random"]),
            "video": lambda: pick(["none", "virtio", "vga", "cirrus", "bochs"]),
            "extra_xml": lambda: pick(EXTRA_XML),
            "graphics": self._graphics,
            "watchdog": lambda: pick(
                [{"model": "none"}, {"model": "i6300esb", "action": pick(["reset", "pause"])}]
            ),
            "serial": self._serial,
            "tpm": lambda: pick([{"model": "none"}, {"model": "tpm-tis", "version": "2.0"}]),
        }
        chosen = some(self.rng, options, share)
        if self.runs:  # it would have to be there for the VM to start
            chosen.pop("tpm", None)
        return chosen

    def _channels(self) -> list[Args]:
        state = self.rng.choice(["present", "absent"])
        return [{"name": "org.example.0", "state": state}]

    def _graphics(self) -> Args:
        kind = self.rng.choice(["none", "vnc", "vnc"])
        if kind == "none":
            return {"type": "none"}
        listen = {"listen": self.rng.choice(["127.0.0.1", "0.0.0.0"])}
        return {"type": kind, **(listen if self.rng.random() < 0.5 else {})}

    def _serial(self) -> Args:
        if self.runs:
            return {"type": "pty"}  # the tests talk to the guest through it
        return self.rng.choice(
            [{"type": "none"}, {"type": "pty"},
             {"type": "file", "path": f"{self.place.folder}/{self.name}.log"},
             {"type": "unix", "path": f"{self.place.folder}/{self.name}.socket"}]
        )  # fmt: skip

    # ---- CPU and memory

    def _new_cpu(self) -> Args:
        self.cpus = self.rng.choice([1, 2, 3, 4])
        cpu: Args = {"maximum": self.cpus, "count": self.rng.randint(1, self.cpus)}
        if self.cpus == 4 and self.rng.random() < 0.5:
            cpu["topology"] = {"sockets": 2, "cores": 2}
            self.topology = True
        return cpu

    def _cpu(self) -> Args:
        cpu: Args = {}
        dice = self.rng.random()
        if dice < 0.4:
            cpu["count"] = self.rng.randint(1, self.cpus)
        elif dice < 0.6 and not self.topology:
            self.cpus = self.rng.randint(1, 5)
            cpu["maximum"] = self.cpus
        elif dice < 0.7 and self.cpus == 4:
            cpu["topology"] = self.rng.choice([{"cores": 4}, {"sockets": 2, "threads": 2}])
            cpu["topology"] = {"sockets": 1, "cores": 1, "threads": 1, **cpu["topology"]}
            self.topology = True
        if self.rng.random() < 0.15:
            cpu |= self.rng.choice(
                [{"model": "qemu64"}, {"model": "Nehalem"}, {"mode": "maximum"}]
            )  # fmt: skip
        elif self.rng.random() < 0.1 and not self.runs:
            policy = self.rng.choice(["require", "disable"])
            cpu |= {"model": "qemu64", "features": [{"name": "aes", "policy": policy}]}
        return cpu

    def _new_memory(self) -> Args:
        self.memory_mib = self.rng.choice([160, 192])
        size = self.memory_mib - (0 if self.runs else self.rng.choice([0, 32, 96]))
        memory = {"size": f"{size}MiB", "maximum": f"{self.memory_mib}MiB"}
        return {**memory, **some(self.rng, self._balloon(), 0.3)}

    def _balloon(self) -> dict[str, Callable[[], Any]]:
        stats = {"balloon_stats_period_s": lambda: self.rng.choice([0, 5, 10])}
        if self.runs:  # without a balloon nothing of the memory can change live
            return stats
        return {"balloon": lambda: self.rng.choice(["virtio", "virtio", "none"])}

    def _memory(self) -> Args:
        dice = self.rng.random()
        memory: Args = some(self.rng, self._balloon(), 0.2)
        if dice < 0.3:
            memory["size"] = self.rng.choice(
                [f"{self.memory_mib - 32}MiB", f"{self.memory_mib}MiB"]
            )
        elif dice < 0.5:
            self.memory_mib = self.rng.choice([160, 176, 192, 256])
            memory["maximum"] = f"{self.memory_mib}MiB"
        return memory

    # ---- disks, CD-ROMs and NICs

    def _devices(self, share: float) -> Args:
        makers = {"disks": self._disk, "cdroms": self._cdrom, "nics": self._nic}
        declared: Args = {}
        for kind, make in makers.items():
            if self.rng.random() < share:
                declared[kind] = self._list(kind, make)
        if declared and self.rng.random() < 0.15:
            declared["purge"] = True
            for kind in makers.keys() & declared.keys():
                self.devices[kind] &= {one["name"] for one in declared[kind]}
        return declared

    def _list(self, kind: str, make: Callable[[str, bool], Args]) -> list[Args]:
        names = self.rng.sample(["a", "b", "c"], self.rng.randint(1, 2))
        return [self._one(kind, name, make) for name in names]

    def _one(self, kind: str, name: str, make: Callable[[str, bool], Args]) -> Args:
        known = self.devices[kind]
        if name in known and self.rng.random() < 0.25:
            known.discard(name)
            return {"name": name, "state": "absent"}
        new = name not in known
        known.add(name)
        return {"name": name, **make(name, new)}

    def _disk(self, name: str, new: bool) -> Args:
        pick = self.rng.choice
        disk: Args = {}
        if new:
            disk = self._new_disk_source(name)
            disk["bus"] = pick(["virtio", "virtio", "scsi", "sata"])
        limits = pick(
            [{"total_iops": pick([0, 100, 500])}, {"read_iops": 0, "total_bandwidth": "1MiB"},
             {"total_bandwidth": pick(["0B", "3MiB"])}]
        )  # fmt: skip
        options: dict[str, Callable[[], Any]] = {
            "cache": lambda: pick(["default", "none", "writeback", "unsafe"]),
            "discard": lambda: pick(["default", "unmap", "ignore"]),
            "serial": lambda: pick(["", f"S-{name}", "1234 x"]),
            "boot_order": lambda: pick([0, "abc".index(name) + 1]),
            "limits": lambda: limits,
        }
        if not self.runs:
            options["io"] = lambda: pick(["default", "threads"])
            options["read_only"] = lambda: False
            if self.formats.get(name) == "raw":  # libvirt shares no other
                options["shareable"] = lambda: pick([True, False])
            options["bus"] = lambda: pick(["virtio", "scsi", "sata", "usb"])
        return {**disk, **some(self.rng, options, 0.3)}

    def _new_disk_source(self, name: str) -> Args:
        pool, dice = self.place.pool, self.rng.random()
        if dice < 0.4:
            self.formats[name] = "qcow2"
            # The volume stays when its disk goes, and never shrinks.
            mib = max(self.rng.choice([1, 8]), self.volumes_mib.get(name, 0))
            self.volumes_mib[name] = mib
            return {"pool": pool, "capacity": f"{mib}MiB"}
        file = {"a": "one.qcow2", "b": "two.qcow2", "c": "three.raw"}[name]
        self.formats[name] = self.place.images[file]
        if dice < 0.7:
            return {"pool": pool, "volume": file}
        return {"file": f"{self.place.folder}/{file}", "format": self.formats[name]}

    def _cdrom(self, name: str, new: bool) -> Args:
        media = [{"file": ""}, {"file": f"{self.place.folder}/four.raw"}]
        cdrom: Args = {**self.rng.choice(media)} if not new or self.rng.random() < 0.7 else {}
        if new:
            cdrom["bus"] = self.rng.choice(["sata", "scsi"])
        if self.rng.random() < 0.2:
            cdrom["boot_order"] = self.rng.choice([0, 11 + "abc".index(name)])
        return cdrom

    def _nic(self, name: str, new: bool) -> Args:
        pick = self.rng.choice
        nic: Args = self._network() if new or self.rng.random() < 0.3 else {}
        if new and self.rng.random() < 0.5:
            digest = hashlib.sha256(f"{self.name}{name}".encode()).hexdigest()
            nic["mac"] = f"52:54:01:{digest[:2]}:{digest[2:4]}:{digest[4:6]}"
        options: dict[str, Callable[[], Any]] = {
            "link": lambda: pick(["up", "down"]),
            "boot_order": lambda: pick([0, 21 + "abc".index(name)]),
        }
        if not self.runs:
            # This kernel has no traffic scheduler (sfq): libvirt starts no NIC with a limit on it.
            options["bandwidth"] = self._bandwidth
            options["mtu"] = lambda: pick([1400, 9000])
            options["model"] = lambda: pick(["virtio", "e1000e", "e1000"])
        return {**nic, **some(self.rng, options, 0.3)}

    def _network(self) -> Args:
        group = {"port_group": self.rng.choice(["slow", "fast", ""])} if not self.runs else {}
        ways = [{"vswitch": self.place.vswitch, **group}]
        if self.place.bridge:
            ways.append({"bridge": self.place.bridge, "port_group": ""})
        return dict(self.rng.choice(ways))

    def _bandwidth(self) -> Args:
        average = self.rng.choice(["64KiB", "1MiB"])
        inbound = self.rng.choice([{"average": average}, {"average": average, "peak": "2MiB"}])
        return self.rng.choice([{"inbound": inbound}, {"outbound": {"average": average}}])


# ---- vswitches


class Vswitch:
    """Declarations of one vswitch, with addresses from 10.NUMBER.0.0/16 and fd00:NUMBER::/32."""

    def __init__(self, rng: Random, name: str, place: Place, number: int) -> None:
        self.rng = rng
        self.name = name
        self.place = place
        self.number = number
        self.kind = "nat"
        self.address = ""
        self.address6 = ""

    def steps(self) -> Iterator[Step]:
        """The vswitch as it is made, and then how it changes."""
        yield "vswitch", self.first()
        while True:
            yield "vswitch", self.change()

    def first(self) -> Args:
        """The declaration of one that is not there."""
        self.kind = self.rng.choice(["nat", "isolated", "routed"])
        args = {"name": self.name, "type": self.kind, **self._addresses(), **self._fields(0.4)}
        if self.rng.random() < 0.2:
            args["state"] = self.rng.choice(["inactive", "present"])
        return args

    def change(self) -> Args:
        """Another declaration of it."""
        args: Args = {"name": self.name, **self._fields(0.3)}
        if self.rng.random() < 0.25:
            args |= self._addresses()
        if self.rng.random() < 0.2 and self.address:
            self.kind = args["type"] = self.rng.choice(["nat", "isolated", "routed"])
        args["apply"] = self.rng.choice(["live", "live", "next_boot", "restart"])
        if args.get("dns", {}).get("enabled") is False:
            args["purge"] = True  # a switch without DNS has nothing to say there
        args.setdefault("purge", self.rng.random() < 0.2)
        args["state"] = self.rng.choices(["active", "present", "inactive"], [4, 1, 1])[0]
        return args

    def _addresses(self) -> Args:
        """Networks of usual and of rare sizes, and hosts in usual and rare places in them."""
        pick, number = self.rng.choice, self.number
        self.address = pick(
            [f"10.{number}.7.1/24", f"10.{number}.7.254/24", f"10.{number}.0.1/16",
             f"10.{number}.7.5/30", f"10.{number}.7.129/26", f"10.{number}.6.255/23",
             f"172.{16 + number % 16}.{number}.33/29", f"100.64.{number}.1/25"]
        )  # fmt: skip
        if self.kind == "isolated" and self.rng.random() < 0.2:
            self.address = ""
        addresses = {"address": self.address}
        if self.rng.random() < 0.4:
            self.address6 = pick([f"fd00:{number}::1/64", f"fd00:{number}:1::ff/80", ""])
            addresses["address6"] = self.address6
        # What stood in the former network would be outside of this one.
        return {**addresses, "dhcp": self._dhcp(), "purge": True}

    def _dhcp(self) -> Args:
        if not self.address:
            return {"ranges": [], "hosts": []}
        base, _slash, length = self.address.partition("/")
        if int(length) > 28:
            return {"ranges": [], "hosts": []}
        # All addresses above have at least sixteen neighbours below .200 or above .100.
        above, last = base.rsplit(".", 1)
        low = {"7.1": 100, "7.254": 100, "0.1": 50, "7.129": 140, "6.255": 100}.get(
            ".".join(base.split(".")[2:]), 40
        )
        low = low if int(last) != low else low + 1
        ranges = [{"start": f"{above}.{low}", "end": f"{above}.{low + self.rng.randint(0, 9)}"}]
        if self.rng.random() < 0.3:
            ranges.append({"start": f"{above}.{low + 12}", "end": f"{above}.{low + 14}"})
        return {"ranges": ranges[: self.rng.randint(0, 2)], "hosts": self._hosts(above, low + 20)}

    def _hosts(self, above: str, low: int) -> list[Args]:
        names = self.rng.sample(["one", "two", "three"], self.rng.randint(0, 3))
        places = self.rng.sample(range(low, low + 6), len(names))
        return [
            {"mac": f"52:54:00:{self.number:02x}:00:{ord(name[1]):02x}", "ip": f"{above}.{place}",
             "name": name}
            for name, place in zip(names, places)
        ]  # fmt: skip

    def _fields(self, share: float) -> Args:
        pick = self.rng.choice
        options: dict[str, Callable[[], Any]] = {
            "autostart": lambda: pick([True, False]),
            "mtu": lambda: pick([0, 1400, 9000]),
            "domain": lambda: pick(["", "lan.example", "b.test"]),
            "stp": lambda: pick([True, False]),
            "forward_delay_s": lambda: pick([0, 2, 15]),
            "protected": lambda: pick([True, False]),
            "scope": lambda: pick(["", "shop", "blog"]),
            "port_groups": self._port_groups,
            "dns": self._dns,
        }
        return some(self.rng, options, share)

    def _port_groups(self) -> list[Args]:
        pick = self.rng.choice
        groups = []
        for name in self.rng.sample(["slow", "fast", "x-1"], self.rng.randint(1, 2)):
            group: Args = {"name": name, "state": pick(["present", "present", "absent"])}
            if group["state"] == "present":
                group["bandwidth"] = pick(
                    [{"inbound": {"average": "64KiB", "peak": "1MiB"}},
                     {"outbound": {"average": "1MiB"}},
                     {"inbound": {"average": "0B", "peak": "0B"}}]
                )  # fmt: skip
            groups.append(group)
        return groups

    def _dns(self) -> Args:
        pick = self.rng.choice
        hosts = [
            {"ip": f"192.0.2.{place}", "hostnames": pick([["printer"], ["copier", "scanner"]])}
            for place in self.rng.sample([5, 6, 7], 1)
        ]
        forwarders = [{"address": "192.0.2.53", "domain": pick(["", "corp.example"])}]
        off = {"enabled": False, "hosts": [], "forwarders": []}
        chosen = pick([{"hosts": hosts}, {"forwarders": forwarders}, off])
        return {"enabled": True, **chosen}


# ---- storage


class Pool:
    """Declarations of one pool: of a directory, or of a type that is only defined here."""

    def __init__(self, rng: Random, name: str, place: Place) -> None:
        self.rng = rng
        self.name = name
        self.place = place
        self.sources: list[Args] = []

    def steps(self) -> Iterator[Step]:
        """The pool as it is made, and then how it changes, or goes and comes again."""
        yield "storage_pool", self.first()
        while True:
            if self.rng.random() < 0.1:
                yield "storage_pool", {"name": self.name, "state": "absent"}
                yield "storage_pool", self.first()
            yield "storage_pool", self.change()

    def first(self) -> Args:
        """The declaration of one that is not there."""
        self.sources = self._sources()
        args = {"name": self.name, **self.sources[0], **self._fields()}
        args["state"] = self.rng.choices(["active", "present", "inactive"], [4, 1, 2])[0]
        return self._only_defined(args)

    def change(self) -> Args:
        """Another declaration of it."""
        args = {"name": self.name, **self._fields(), "apply": self.rng.choice(["live", "restart"])}
        if self.rng.random() < 0.4:
            args |= self.rng.choice(self.sources)
        args["state"] = self.rng.choices(["active", "present", "inactive"], [4, 1, 2])[0]
        return self._only_defined(args)

    def _only_defined(self, args: Args) -> Args:
        return args if self.sources[0]["type"] == "dir" else {**args, "state": "inactive"}

    def _sources(self) -> list[Args]:
        """What it is of, at first and later."""
        at = f"{self.place.folder}/{self.name[len(self.place.prefix) :]}"
        directory = [{"type": "dir", "path": f"{at}-{end}"} for end in ("x", "y//z/")]
        iqn = "iqn.2026-01.org.example:one"
        others: list[list[Args]] = [
            [{"type": "netfs", "path": at, "source": {"host": host, "path": "/export"}}
             for host in ("nfs.example", "192.0.2.9")],
            [{"type": "fs", "path": at, "source": {"device": "/dev/disk/by-label/x",
                                                   "format": form}} for form in ("ext4", "xfs")],
            [{"type": "logical", "source": {"name": f"{self.name}-{end}"}} for end in ("v", "w")],
            [{"type": "iscsi", "source": {"host": "192.0.2.9", "device": f"{iqn}{end}"}}
             for end in ("", "-b")],
        ]  # fmt: skip
        return directory if self.rng.random() < 0.6 else self.rng.choice(others)

    def _fields(self) -> Args:
        pick = self.rng.choice
        options: dict[str, Callable[[], Any]] = {"autostart": lambda: pick([True, False])}
        if self.sources[0]["type"] == "dir":
            options["permissions"] = lambda: {"mode": pick(["0711", "0755", "0700"]), "owner": 0}
        return some(self.rng, options, 0.4)


class Volumes:
    """Declarations of volumes in the pool of a place: made in all ways, grown and removed."""

    SIZES_MIB = (1, 3, 4, 8, 64)

    def __init__(self, rng: Random, place: Place, checksum: str) -> None:
        self.rng = rng
        self.place = place
        self.checksum = checksum  # of the image one.qcow2
        self.there: dict[str, int] = {}  # MiB
        self.under: dict[str, str] = {}  # what a linked clone stands on
        self.made = 0

    def steps(self) -> Iterator[Step]:
        """Volumes that come, grow and go."""
        while True:
            yield "storage_volume", {"pool": self.place.pool, **self.one()}

    def one(self) -> Args:
        """The next declaration."""
        dice = self.rng.random()
        free = sorted(self.there.keys() - set(self.under.values()))
        if free and dice < 0.2:
            name = self.rng.choice(free)
            self.there.pop(name)
            self.under.pop(name, None)
            return {"name": name, "state": "absent"}
        if free and dice < 0.5:
            name = self.rng.choice(free)
            self.there[name] += self.rng.choice([0, 1, 7, 32])
            return {"name": name, "capacity": f"{self.there[name]}MiB"}
        return self._new()

    def _new(self) -> Args:
        self.made += 1
        size = self.rng.choice(self.SIZES_MIB)
        form = self.rng.choice(["qcow2", "raw"])
        name = f"{self.rng.choice(['v', 'a b', 'ü.x-'])}{self.made}"
        ways: list[Callable[[], Args]] = [
            lambda: {"capacity": f"{size}MiB", "format": form,
                     "provisioning": self.rng.choice(["thin", "thick"])},
            lambda: {"capacity": f"{64 + size}MiB", "copy_of": {"volume": "one.qcow2"}},
            lambda: {"capacity": f"{64 + size}MiB", "image": f"{self.place.folder}/one.qcow2",
                     "checksum": self.checksum},
            lambda: {"capacity": f"{64 + size}MiB", "backing": {"volume": self._below(name)}},
            lambda: {"capacity": f"{64 + size}MiB",
                     "backing": {"file": f"{self.place.folder}/three.raw", "format": "raw"}},
        ]  # fmt: skip
        volume = self.rng.choice(ways)()
        self.there[name] = int(volume["capacity"][:-3])
        return {"name": name, **volume}

    def _below(self, name: str) -> str:
        small = sorted(one for one, size in self.there.items() if size <= 64)
        self.under[name] = self.rng.choice(["one.qcow2", *small])
        return self.under[name]


# ---- a whole host


class HostConfig:
    """Declarations of several things at once, some of which need others of the same task."""

    def __init__(self, rng: Random, place: Place, number: int) -> None:
        self.rng = rng
        self.place = place
        prefix = place.prefix
        self.pool = Pool(rng, f"{prefix}p", place)
        self.pool.sources = [{"type": "dir", "path": f"{place.folder}/inner"}]
        self.switches = [Vswitch(rng, f"{prefix}s{i}", place, number + i) for i in (1, 2)]
        inner = Place(prefix, place.folder, f"{prefix}p", f"{prefix}fix")
        self.vms = [Vm(rng, f"{prefix}m{i}", inner) for i in (1, 2, 3)]
        self.sizes = {"data": 4, "more.raw": 8}

    def steps(self) -> Iterator[Step]:
        """The host as it is made, and then how it changes."""
        yield "host_config", self._whole(self._first)
        while True:
            yield "host_config", self._whole(self._change)

    def _whole(self, declared: Callable[[Any], Args]) -> Args:
        return {
            "storage_pools": [{"name": self.pool.name, **self.pool.sources[0]}],
            "storage_volumes": [*self._images(), *self._volumes()],
            "vswitches": [self._fixed(), *(declared(one) for one in self._few(self.switches))],
            "vms": [declared(vm) for vm in self._few(self.vms)],
        }

    def _few(self, things: list[Any]) -> list[Any]:
        return [one for one in things if self.rng.random() < 0.8]

    def _first(self, thing: Any) -> Args:
        thing.made = True
        return thing.first()

    def _change(self, thing: Any) -> Args:
        return thing.change() if getattr(thing, "made", False) else self._first(thing)

    def _images(self) -> list[Args]:
        """What disks of the VMs may refer to."""
        return [
            {"pool": self.pool.name, "name": name, "capacity": "64MiB", "format": form}
            for name, form in self.place.images.items()
        ]

    def _volumes(self) -> list[Args]:
        volumes = []
        for name in self.sizes:
            self.sizes[name] += self.rng.choice([0, 0, 4])
            form = "raw" if name.endswith("raw") else "qcow2"
            capacity = f"{self.sizes[name]}MiB"
            volumes.append({"name": name, "format": form, "capacity": capacity})
        return [{"pool": self.pool.name, **one} for one in volumes]

    def _fixed(self) -> Args:
        """The vswitch that the VMs are on."""
        groups = [{"name": "slow"}, {"name": "fast", "default": True}]
        return {"name": f"{self.place.prefix}fix", "type": "isolated", "port_groups": groups}
