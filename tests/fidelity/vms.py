"""Random declarations of a VM, each another one of what the one before led to."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from fidelity.place import Args, Place, Step, some

DEVICE = "<devices><sound model='ich9'/></devices>"
EXTRA_XML = (
    "",
    DEVICE,
    "<devices><input type='tablet' bus='usb'/></devices>",
    "<memoryBacking><allocation mode='immediate'/></memoryBacking>",
    "<qemu:commandline><qemu:arg value='-no-user-config'/></qemu:commandline>",
    "<features><hyperv mode='custom'><relaxed state='on'/></hyperv></features>" + DEVICE,
)


NOT_ENLIGHTENED = {"hyperv": {"mode": "none"}}
LISTS = ("disks", "cdroms", "nics")


def _agreed(args: Args) -> Args:
    """A declaration whose clock is not another than its time zone makes it, nor its sound or its
    enlightenments others than extra_xml brings."""
    twice = {"clock"} if "timezone" in args else set()
    if DEVICE in args.get("extra_xml", ""):
        twice |= {"sound"}
    if "<hyperv" in args.get("extra_xml", "") and args.get("features") == NOT_ENLIGHTENED:
        twice |= {"features"}
    return {k: v for k, v in args.items() if k not in twice}


class Vm:
    """Declarations of one VM. `runs`: it is there to be changed while it is running or paused."""

    def __init__(self, rng: Random, name: str, place: Place, runs: str = "") -> None:
        self.rng = rng
        self.name = name
        self.place = place
        self.runs = runs
        self.cpus = 0  # at most; known once it was declared
        self.topology = False
        # Drawn apart: seeds for cloud-init leave all else what a seed of the tests stands for.
        self.seeds = Random(repr(rng.getstate()))
        self.plugs = rng.random() < 0.5  # memory
        self.memory_mib = 0  # at most
        self.devices: dict[str, set[str]] = {kind: set() for kind in LISTS}
        # So are the smaller devices.
        self.smaller = Random(repr(rng.getstate()) + "smaller")
        self.passed = Random(repr(rng.getstate()) + "passed")  # so are the devices of the host
        self.beside = Random(
            repr(rng.getstate()) + "beside"
        )  # and ports and screens beside a first
        self.sealing = Random(repr(rng.getstate()) + "sealing")  # and what is encrypted
        self.formats: dict[str, str] = {}  # of the disks
        self.served: set[str] = set()  # those on servers
        self.on_interfaces: set[str] = set()  # NICs by macvtap
        self.volumes_mib: dict[str, int] = {}  # that were made for disks
        self.machine = ""
        self.state = runs
        self.active = bool(runs)
        self.gone = False
        self.is_template = False

    def steps(self) -> Iterator[Step]:
        """The VM as it is made, and then how it changes."""
        yield "vm", self.first()
        while True:
            yield "vm", self.first() if self.gone else self.change()

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
        args |= self._board(0.2) | self._seed(0.3) | self._smaller(0.3) | self._of_host(0.3)
        return _agreed(args | self._ports(args, 0.25) | self._template())

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
        args |= self._board(0.2) | self._seed(0.4) | self._smaller(0.3) | self._of_host(0.3)
        return _agreed(args | self._ports(args, 0.25) | self._template())

    def learn(self, seen: Mapping[str, str]) -> None:
        """What others, or a declaration that was refused, have left of it: the next fits that."""
        text = seen.get(f"vm/{self.name} stored")
        self.gone = text is None
        if text is None:
            self.devices = {kind: set() for kind in self.devices}
            return
        self.active = f"vm/{self.name} live" in seen
        root = ET.fromstring(text)
        self.cpus = int(root.findtext("vcpu") or 1)
        self.topology = root.find("cpu/topology") is not None
        self.memory_mib = int(root.findtext("memory") or 0) // 1024
        aliases = [alias.get("name", "") for alias in root.iterfind("devices/*/alias")]
        for kind in self.devices:
            prefix = f"ua-{kind[:-1]}-"
            self.devices[kind] = {one[len(prefix) :] for one in aliases if one.startswith(prefix)}

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
            "group": lambda: pick(["", "web", "web-1"]),
            "resource_pool": lambda: pick(["", "gold", "gold/my-pool"]),
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
            "numa": lambda: pick(
                [
                    {"placement": {"mode": "none"}},
                    {"placement": {"nodes": "0"}},
                    {"placement": {"mode": "preferred", "nodes": 0}},
                ]
            ),
            "tpm": lambda: pick([{"model": "none"}, {"model": "tpm-tis", "version": "2.0"}]),
        }
        chosen = some(self.rng, options, share)
        if self.runs:  # these would have to be there for the VM to start
            chosen.pop("tpm", None)
            chosen.pop("resource_pool", None)
        return chosen

    def _seed(self, share: float) -> Args:
        pick = self.seeds.choice
        if not self.place.pool or self.seeds.random() > share:
            return {}
        if self.seeds.random() < 0.25:
            return {"cloud_init": {}}
        options: dict[str, Callable[[], Any]] = {
            "user": lambda: pick(["ops", "admin"]),
            "ssh_keys": lambda: [f"ssh-ed25519 AAAA {pick('ab')}"],
            "user_data": lambda: pick([{"packages": ["a", "b"]}, {"runcmd": [["true"]]}]),
            "vendor_data": lambda: pick(["#!/bin/sh\n", {"timezone": "UTC"}]),
            "meta_data": lambda: {"tier": pick("ab")},
            "rerun": lambda: True,
        }
        seed = {"hostname": pick(["a", "b.example"]), "pool": self.place.pool}
        return {"cloud_init": seed | some(self.seeds, options, 0.3)}

    def _smaller(self, share: float) -> Args:
        """Random numbers, inputs, sound, panic."""
        pick = self.smaller.choice
        options: dict[str, Callable[[], Any]] = {
            "rngs": lambda: [
                {"name": pick("ab"), **pick([{}, {"rate": pick([{"bytes": 512}, {"bytes": 0}])},
                                             {"path": "/dev/random"}, {"state": "absent"}])}
            ],
            "inputs": lambda: [
                # Disks may have all the ports that libvirt finds on USB.
                {"name": name, "type": kind, "bus": "virtio",
                 **pick([{}, {}, {"state": "absent"}])}
                for name, kind in pick([(("a", "tablet"),), (("b", "mouse"), ("c", "keyboard"))])
            ],
            "sound": lambda: pick(["none", "ich6", "ac97", "usb"]),
            "panic": lambda: pick(["none", "isa"]),
        }  # fmt: skip
        return some(self.smaller, options, share)

    def _ports(self, args: Args, share: float) -> Args:
        """Ports and screens beside a first. A second screen or card is declared with its first."""
        pick = self.beside.choice

        def port(name: str, **more: Any) -> Args:
            path = f"{self.place.folder}/{self.name}-{name}"
            ways = [{}, {"type": "pty"}, {"type": "file", "path": f"{path}.log"}]
            ways += [{"state": "absent"}] * 2 + [{"type": "unix", "path": f"{path}.socket"}]
            return {"name": name, **pick(ways[:2] + ways[3:5] if self.runs else ways), **more}

        targets = [{}] if self.runs or self.machine != "q35" else [{}, {"target": "pci-serial"}]
        options: dict[str, Callable[[], Any]] = {
            "serials": lambda: [port(name, **pick(targets)) for name in pick(["a", "b", "ab"])],
            "consoles": lambda: [port(name) for name in pick(["c", "d", "cd"])],
        }
        chosen = some(self.beside, options, share)
        if self.beside.random() < share and args.get("video", "vga") != "none":
            card = pick([{"model": "virtio"}, {}, {"state": "absent"}])
            chosen |= {"video": args.get("video", "vga"), "videos": [{"name": "head", **card}]}
        graphics = args.get("graphics", {"type": "vnc"})
        # SPICE finds no address to listen on where the tests run, so what runs has none.
        if not self.runs and self.beside.random() < share and graphics["type"] == "vnc":
            more = pick([{}, {"port": -1}, {"listen": "127.0.0.1"}, {"state": "absent"}])
            chosen |= {"graphics": graphics, "displays": [{"name": "spice", **more}]}
        return chosen

    def _template(self) -> Args:
        """Of a template nothing changes, so what is declared next says that it is none."""
        self.is_template = not (self.runs or self.is_template) and self.smaller.random() < 0.15
        said: Args = {"template": self.is_template}
        return {**said, "autostart": False} if self.is_template else said

    def _of_host(self, share: float) -> Args:
        return self._passed(share) | self._shared(share)

    def _passed(self, share: float) -> Args:
        """Devices of the host, of which no two VMs have one: that is for rules to refuse. They are
        not there, so a VM that runs, which would have to be started with them, has none."""
        if self.runs or self.passed.random() > share:
            return {}
        pick = self.passed.choice
        number = hashlib.sha256(self.name.encode()).hexdigest()[:4]
        rom = {"rom": pick([{"bar": False}, {"enabled": True, "file": "/srv/a.rom"}])}
        ways = {
            "a": [
                {"pci": f"{number}:03:00.0", "managed": pick([True, False]), **rom},
                {"usb": f"{number}:0825", "startup_policy": pick(["optional", "mandatory"])},
                {"usb": f"{number}:0825@1/4"},
                {"state": "absent"},
            ],
            "b": [
                {"pci": f"{number}:03:00.1"},
                {"mdev": f"c2177883-f1bb-47f0-914d-32a22e3a{number}"},
                {"state": "absent"},
            ],
        }
        name = pick("ab")
        return {"host_devices": [{"name": name, **pick(ways[name])}]}

    def _shared(self, share: float) -> Args:
        """Folders that it shares. virtiofs is refused where the memory is not shared."""
        pick = self.passed.choice
        if self.runs or self.passed.random() > share:
            return {}
        folder = {"name": pick("ab"), "driver": "9p"}
        more = pick([{"read_only": True}, {"access_mode": "squash"}, {}, {"state": "absent"}])
        board = [{"model": "none"}, {"model": "intel", "caching_mode": pick([True, False])}]
        iommu = {"iommu": pick(board)} if self.machine == "q35" else {}
        return {"shared_folders": [{**folder, "path": "/srv", **more}], **iommu}

    def _channels(self) -> list[Args]:
        state = self.rng.choice(["present", "absent"])
        return [{"name": "org.example.0", "state": state}]

    def _board(self, share: float) -> Args:
        """What is on the board, drawn apart as seeds are."""
        pick = self.seeds.choice
        options: dict[str, Callable[[], Any]] = {
            "timezone": lambda: "Europe/Berlin",
            "timers": lambda: pick(
                [
                    [{"name": "rtc", "tickpolicy": "catchup"}],
                    [{"name": "hpet", "present": pick([True, False])}],
                    [{"name": "rtc", "state": "absent"}],
                ]
            ),
            "features": lambda: pick(
                [
                    {"pae": pick([True, False]), "vmport": False},
                    {"kvm": {"hidden": pick([True, False])}, "pmu": True},
                    {"hyperv": {"relaxed": True, "spinlocks": pick([0, 4095])}},
                    {"hyperv": {"vapic": True, "vendor_id": pick(["", "fleet"])}},
                    NOT_ENLIGHTENED,
                ]
            ),
            "smbios": lambda: pick(
                [
                    {"system": {"manufacturer": "Fleet", "serial": pick(["", "7"])}},
                    {"chassis": {"asset": "a"}},
                    {"mode": "emulate"},
                ]
            ),
        }
        return some(self.seeds, options, share)

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
        return cpu | self._cpu_time()

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
        return cpu | self._cpu_time()

    def _cpu_time(self) -> Args:
        """What is promised and pinned; little of it, since other VMs are promised some as well."""
        pick = self.rng.choice
        pinning: dict[str, Callable[[], Any]] = {
            "vcpus": lambda: pick([{}, {"0": "0"}, {"0": pick([0, "0"])}]),
            "emulator": lambda: pick(["", "0"]),
        }
        options: dict[str, Callable[[], Any]] = {
            "shares": lambda: pick([0, 2, 512, "low", "normal", "high"]),
            "limit": lambda: pick([0, 0.5, 1.25, 3]),
            "reservation": lambda: pick([0, 0.05, 0.125]),
            "dedicated": lambda: False,
            "pinning": lambda: some(self.rng, pinning, 0.7),
        }
        return some(self.rng, options, 0.15)

    def _new_memory(self) -> Args:
        self.memory_mib = self.rng.choice([160, 192])
        size = self.memory_mib - (0 if self.runs else self.rng.choice([0, 32, 96]))
        memory = {"size": f"{size}MiB", "maximum": f"{self.memory_mib}MiB"}
        return {
            **memory,
            **some(self.rng, self._balloon(), 0.3),
            **some(self.rng, self._held(), 0.2),
        }

    def _held(self) -> dict[str, Callable[[], Any]]:
        """What of its memory is reserved and limited. What runs was started without a limit: with
        one, and to lock memory, libvirt asks for more than some machines give (RLIMIT_MEMLOCK)."""
        pick = self.rng.choice
        held: dict[str, Callable[[], Any]] = {
            "reservation": lambda: pick(["0B", "32MiB", "128MiB"]),
            "ksm": lambda: pick([True, False]),
        }
        if not self.runs:
            held["limit"] = lambda: pick(["0B", "2GiB", "3GiB"])
            if self.plugs:  # which is not possible where memory is locked
                held["hotplug"] = lambda: pick(["0B", "64MiB", "128MiB"])
            else:
                held["reservation"] = lambda: pick(["0B", "32MiB", "all"])
                held["locked"] = lambda: True
            held["huge_pages"] = lambda: pick(["none", "2MiB"])
        return held

    def _balloon(self) -> dict[str, Callable[[], Any]]:
        stats = {"balloon_stats_period_s": lambda: self.rng.choice([0, 5, 10])}
        if self.runs:  # without a balloon nothing of the memory can change live
            return stats
        return {"balloon": lambda: self.rng.choice(["virtio", "virtio", "none"])}

    def _memory(self) -> Args:
        dice = self.rng.random()
        memory: Args = some(self.rng, {**self._balloon(), **self._held()}, 0.2)
        if dice < 0.3:
            memory["size"] = self.rng.choice(
                [f"{self.memory_mib - 32}MiB", f"{self.memory_mib}MiB"]
            )
        elif dice < 0.5:
            self.memory_mib = self.rng.choice([160, 176, 192, 256])
            memory["maximum"] = f"{self.memory_mib}MiB"
        elif dice < 0.6:
            memory["size"] = f"{self.memory_mib + 32}MiB"  # plugged in, or the maximum goes with it
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
            if not self.runs and self.smaller.random() < 0.2:
                disk = {"bus": disk["bus"], **self._server(name)}
                self.formats[name] = "raw"
                self.served.add(name)
            else:
                self.served.discard(name)
            if name == "c" and self.place.sealed and self.sealing.random() < 0.3:
                disk = {"bus": disk["bus"], **self._sealed()}
                self.formats[name] = "qcow2"
                self.served.discard(name)
        elif name in self.served and self.smaller.random() < 0.4:
            disk = self._server(name)
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

    def _server(self, name: str) -> Args:
        """A disk of a server, or of NVMe, which nobody has to have: such a VM is not started."""
        pick, image = self.smaller.choice, f"{self.name}-{name}"
        hosts = [{"name": pick(["a.example", "b.example"]), **pick([{}, {"port": 10809}])}]
        tls = pick([{}, {"tls": True}, {"tls": False}])
        bus = int(hashlib.sha256(image.encode()).hexdigest()[:2], 16)
        return pick(
            [{"network": {"protocol": "nbd", "name": image, "hosts": hosts, **tls}},
             {"network": {"protocol": "rbd", "name": f"p/{image}", "hosts": pick([hosts, []])}},
             {"nvme": {"address": f"0000:{bus:02x}:00.0", "namespace": 1, "managed": False}}]
        )  # fmt: skip

    def _sealed(self) -> Args:
        """A disk on the one volume that is encrypted, so no two disks are on it."""
        volume = {"pool": self.place.pool, "volume": self.place.sealed}
        return {**volume, "encryption": {"secret": self.place.secret}}

    def _new_disk_source(self, name: str) -> Args:
        pool, dice = self.place.pool, self.rng.random()
        if dice < 0.4:
            self.formats[name] = "qcow2"
            # The volume stays when its disk goes, and never shrinks.
            mib = max(self.rng.choice([1, 8]), self.volumes_mib.get(name, 0))
            self.volumes_mib[name] = mib
            return {"pool": pool, "capacity": f"{mib}MiB", **self._layout(name)}
        file = dict(zip("abc", self.place.images))[name]
        self.formats[name] = self.place.images[file]
        if dice < 0.7:
            return {"pool": pool, "volume": file}
        return {"file": f"{self.place.folder}/{file}", "format": self.formats[name]}

    def _layout(self, disk: str) -> Args:
        """How the volume of a disk is laid out: always alike, since the volume stays."""
        apart = Random(f"{self.name}-{disk}")
        said = {
            "preallocation": apart.choice(["off", "metadata", "falloc"]),
            "cluster_size": apart.choice(["16KiB", "64KiB", "128KiB"]),
            "extended_l2": apart.choice([True, False]),
            "lazy_refcounts": apart.choice([True, False]),
        }
        return {name: value for name, value in said.items() if apart.random() < 0.4}

    def _cdrom(self, name: str, new: bool) -> Args:
        media = [{"file": ""}, {"file": f"{self.place.folder}/{self.place.whose}four.raw"}]
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
            "trust_guest_rx_filters": lambda: pick([True, False]),
            "boot_order": lambda: pick([0, 21 + "abc".index(name)]),
        }
        if not (self.runs or self.active):
            # This kernel has no traffic scheduler (sfq): libvirt starts no NIC with a limit on it.
            options["bandwidth"] = self._bandwidth
        if not self.runs:
            if new and self.smaller.random() < 0.15:
                mode = self.smaller.choice([{}, {"mode": "vepa"}])
                nic = {"direct": {"dev": "lo", **mode}}
                self.on_interfaces.add(name)
            elif nic:
                self.on_interfaces.discard(name)
            options["mtu"] = lambda: pick([1400, 9000])
            options["filter"] = lambda: pick(
                [{"name": ""}, {"name": "clean-traffic", "parameters": {"IP": "192.0.2.7"}}]
            )
            options["model"] = lambda: pick(["virtio", "e1000e", "e1000"])
            if self.smaller.random() < 0.2:  # of bridges that VMs are on without a start
                nic["isolated"] = self.smaller.choice([True, False])
            if name in self.on_interfaces:  # where libvirt has neither
                options["filter"] = lambda: {"name": ""}
                del options["mtu"]
                nic.pop("isolated", None)
        return {**nic, **some(self.rng, options, 0.3)}

    def _network(self) -> Args:
        group = self.rng.choice(["slow", "fast", ""])
        ways = [{"vswitch": self.place.vswitch, "port_group": group}]
        if self.place.bridge:
            ways.append({"bridge": self.place.bridge, "port_group": ""})
        return dict(self.rng.choice(ways))

    def _bandwidth(self) -> Args:
        average = self.rng.choice(["64KiB", "1MiB"])
        inbound = self.rng.choice([{"average": average}, {"average": average, "peak": "2MiB"}])
        return self.rng.choice([{"inbound": inbound}, {"outbound": {"average": average}}])
