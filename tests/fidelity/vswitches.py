"""Random declarations of a vswitch."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from fidelity.place import Args, Place, Step, some

ON_HOST = ("openvswitch", "linux_bridge")  # on a bridge of the host


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
        if self.place.bridge and self.rng.random() < 0.2:
            # Drawn from its name, so that all else stays what it was.
            self.kind = Random(self.name).choice(ON_HOST)
            of_host = {"type": self.kind, "bridge": self.place.bridge}
            return {"name": self.name, **of_host, **self._fields(0.6)}
        self.kind = self._run_by_libvirt()
        args = {"name": self.name, "type": self.kind, **self._addresses(), **self._fields(0.4)}
        if self.rng.random() < 0.2:
            args["state"] = self.rng.choice(["inactive", "present"])
        return args

    def change(self) -> Args:
        """Another declaration of it."""
        args: Args = {"name": self.name, **self._fields(0.3)}
        if self.kind not in ON_HOST and self.rng.random() < 0.25:
            args |= self._addresses()
        if self.kind not in ON_HOST and self.rng.random() < 0.2 and self.address:
            self.kind = args["type"] = self._run_by_libvirt()
        args["apply"] = self.rng.choice(["live", "live", "next_boot", "restart"])
        if args.get("dns", {}).get("enabled") is False:
            args["purge"] = True  # a switch without DNS has nothing to say there
        args.setdefault("purge", self.rng.random() < 0.2)
        args["state"] = self.rng.choices(["active", "present", "inactive"], [4, 1, 1])[0]
        return args

    def _run_by_libvirt(self) -> str:
        kind = str(self.rng.choice(["nat", "isolated", "routed"]))
        # Drawn from its name, so that all else stays what it was.
        return "open" if kind == "routed" and Random(f"{self.name} open").random() < 0.4 else kind

    def learn(self, seen: Mapping[str, str]) -> None:
        """What others, or a declaration that was refused, have left of it: the next fits that."""
        text = seen.get(f"vswitch/{self.name} stored")
        if text is None:
            return
        root = ET.fromstring(text)
        forward = root.find("forward")
        mode = "isolated" if forward is None else forward.get("mode", "nat")
        on_host = "linux_bridge" if root.find("virtualport") is None else "openvswitch"
        self.kind = {"route": "routed", "bridge": on_host}.get(mode, mode)
        of4 = [ip for ip in root.findall("ip") if ip.get("family", "ipv4") == "ipv4"]
        self.address = f"{of4[0].get('address')}/{of4[0].get('prefix')}" if of4 else ""

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
        return {**addresses, **self._beside(addresses), "dhcp": self._dhcp(), "purge": True}

    def _beside(self, addresses: Args) -> Args:
        """More addresses and routes; drawn from what is said, so that all else stays the same."""
        said, number = Random(repr((addresses, self.name))), self.number
        if not self.address or said.random() < 0.5:
            return {"more_addresses": [], "routes": []}
        more = [[f"10.{number}.99.1/24"], [f"10.{number}.98.1/26", f"10.{number}.99.1/24"], []]
        found: Args = {"more_addresses": said.choice(more), "routes": []}
        if found["more_addresses"]:
            route = {"to": f"198.51.{number}.0/24", "via": f"10.{number}.99.2"}
            found["routes"] = [{**route, "metric": said.choice([0, 7])}]
        return found

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
        ranges = ranges[: self.rng.randint(0, 2)]
        hosts = self._hosts(above, low + 20)
        for one in (*ranges, *hosts):  # drawn from what is said, so that all else stays what it was
            lease = Random(repr(one)).choice([None, None, -1, 0, 7200])
            one.update({} if lease is None else {"lease_s": lease})
        return {"ranges": ranges, "hosts": hosts}

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
        if self.kind in ON_HOST:
            of_host = ("autostart", "protected", "scope", "port_groups")
            options = {name: options[name] for name in of_host}
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
                if self.kind == "openvswitch":
                    group |= pick([self._vlans(), {}])
                group["trust_guest_rx_filters"] = pick([True, False])
                said = Random(repr((group, len(groups))))  # so that all else stays what it was
                isolated: list[Args] = [{"isolated": True}, {"isolated": False}, {}]
                if self.kind == "openvswitch":  # which has no filters, and isolates by a hook
                    isolated = isolated[1:]
                else:
                    group |= said.choice([{"security": "strict"}, {"security": "permissive"}, {}])
                group |= said.choice(isolated)
            groups.append(group)
        return groups

    def _vlans(self) -> Args:
        return dict(
            self.rng.choice(
                [{"vlan": 10}, {"vlan": 20}, {"vlan": 0}, {"trunk": ["10", "20", "22"]},
                 {"trunk": ["10", "12"], "native_vlan": 7}, {"trunk": ["5"], "native_vlan": 0},
                 {"trunk": [], "native_vlan": 0}]
            )
        )  # fmt: skip

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
