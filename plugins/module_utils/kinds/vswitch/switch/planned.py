# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for the switch beneath a vswitch: what it is, what it will be, and how.

A switch that others made is used as it is found, and changed only in what a declaration names. One
that is not there is made, and marked; only what is marked goes with its vswitch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ....engine.changes import LIVE, Change
from ....engine.keys import named
from ....engine.switch_facts import SwitchFacts
from ..changes import BridgeMade, Raised, Wired
from ..table import BRIDGE_NAME, TYPE
from ..tree import derived_mac
from . import (
    guarding,
    host_port_changes,
    host_port_seen,
    keeping,
    leaving,
    linux_seen,
    overlay,
    rules,
    seen,
)
from .commands import kept, uplink_ports
from .host_ports import HOST_PORTS, merged
from .linux_names import bond_of
from .makers import (
    LINUX,
    MAKERS,
    OVS,
    Maker,
    backend_of,
    why_no_backend,
)
from .options import ACTIVE_BACKUP, BACKEND, MTU, NICS, OF_SWITCH, PRIMARY, TEAMING, VLANS
from .seen import Switch

if TYPE_CHECKING:
    from ..draft import VswitchDraft

FIELD = ("switch",)
_LEFT = "as a run left them that was interrupted, or somebody else"


class Beneath:
    """The switch that a vswitch is on, as far as it is of a kind that is made here."""

    def __init__(self, draft: VswitchDraft, declared: Mapping[Any, Any]) -> None:
        self.draft = draft
        self.declared = declared
        self.name = draft.wanted.name
        self.resource = draft.wanted.resource

    @property
    def bridge(self) -> str:
        """The bridge that it will be on."""
        return str(self.draft.after[BRIDGE_NAME] or "")

    @property
    def maker(self) -> Maker | None:
        """Of which kind it is; None where it is none of those that are made here."""
        return MAKERS.get(str(self.draft.after[TYPE]))

    @property
    def is_minded(self) -> bool:
        """Whether a declaration says anything of it."""
        said = self.draft.wanted.values
        if not self.draft.have.exists or any(k in said for k in (TYPE, BRIDGE_NAME, *OF_SWITCH)):
            return True
        return HOST_PORTS in self.draft.wanted.options["lists"]

    @cached_property
    def seen(self) -> Mapping[str, Any]:
        """All bridges of its kind on this machine, asked only where that matters."""
        return {} if self.maker is None else self.maker.seen(self.draft.world.host)

    @cached_property
    def now(self) -> Switch | None:
        """As it is, or as another vswitch will have made it; None where it is not there."""
        same_bridge = self.draft.stored.get(BRIDGE_NAME) == self.bridge
        found = seen.of_facts(self.draft.have.facts) if same_bridge else None
        if found is None and self.is_minded and self.maker is not None:
            found = seen.of_bridge(self.seen, self.bridge) or self._made_by_another()
        return found

    def _made_by_another(self) -> Switch | None:
        for have in self._planned():
            if have.definition.find(f"bridge[@name='{self.bridge}']") is not None:
                return seen.of_facts(have.facts)
        return None

    def _planned(self) -> Iterator[Any]:
        """Other vswitches of the same run whose switch is seen."""
        for have in self.draft.world.planned("vswitch"):
            if have.name != self.name and have.exists and "switch" in have.facts:
                yield have

    @cached_property
    def is_kept(self) -> bool:
        """Whether it can be seen, and so be made what it is to be."""
        if self.maker is None or not self.bridge:
            return False
        return self.now is not None or (self.is_minded and self._can_be_made())

    def _can_be_made(self) -> bool:
        host = self.draft.world.host
        if not host.is_this_machine or host.has_interface(self.bridge):
            return False
        return not self.why_none

    @cached_property
    def why_none(self) -> str:
        """Why this machine cannot have one; empty where it can."""
        if self.maker is LINUX:
            return why_no_backend(self.draft.world.host, str(self.declared.get(BACKEND, "")))
        return str(self.seen["error"])

    @cached_property
    def will(self) -> Switch | None:
        """As it will be; None where nobody sees it from here."""
        if not self.is_kept:
            return None
        now, said = self.now or Switch(self.name), self.declared
        nics = tuple(said.get(NICS, now.nics))
        was, first = (now.teaming, now.primary) if now.nics else self._of_others(nics)
        teaming = said.get(TEAMING) or (was or ACTIVE_BACKUP if len(nics) > 1 else "")
        stays = first if teaming == ACTIVE_BACKUP and first in nics else ""
        primary, mtu = said.get(PRIMARY, stays), said.get(MTU, now.mtu)
        ports = merged(now.host_ports, said, self._purges)
        # On Open vSwitch it keeps what is of host ports, so that it goes with the last of them.
        has_keeper = self.maker is LINUX or bool(ports)
        kept = said.get(BACKEND, self._keeps(now, bool(ports))) if has_keeper else ""
        tunnels = overlay.merged(now.overlay, said)
        vlans = tuple(said.get(VLANS, now.vlans if nics else ()))
        return Switch(now.owner, nics, teaming, primary, mtu, kept, ports, tunnels, vlans)

    def _of_others(self, nics: Collection[str]) -> tuple[str, str]:
        """The teaming and the primary of a bond of others that becomes that of the uplinks."""
        if self.maker is LINUX:
            return "", ""
        return seen.bond_of_others(self.seen, self.bridge, nics)[1:]

    def _keeps(self, now: Switch, has_ports: bool) -> str:
        """Who keeps it where nobody says."""
        if self.maker is not LINUX and not has_ports:
            return ""
        if now.backend or not now.owner:
            return now.backend
        return backend_of(self.draft.world.host, "")

    @property
    def _purges(self) -> bool:
        """Whether host ports that are not declared go."""
        options = self.draft.wanted.options
        return bool(options["purge"] and HOST_PORTS in options["lists"])

    @property
    def differs(self) -> bool:
        """Whether a run changes it."""
        return self.will != self.now

    @property
    def facts(self) -> Mapping[str, Any]:
        """What will be known of it."""
        return {} if self.will is None else self.will.facts

    # ---- what must hold

    def check(self) -> None:
        """Collect the mistakes, and say what is not seen."""
        draft = self.draft
        left = leaving.stays_behind(draft)
        draft.warnings += [left] if left else []
        says_ports = HOST_PORTS in draft.wanted.options["lists"]
        has_ports = says_ports or (self.will is not None and bool(self.will.host_ports))
        draft.mistakes.extend(rules.only_on_switches(self.declared, draft.after[TYPE], has_ports))
        if self.maker is None:
            return
        if self.will is not None and any(key in overlay.KEYS for key in self.declared):
            from . import overlay_rules

            draft.mistakes.extend(overlay_rules.without_peers(self.declared, self.will))
        if self.maker is OVS and self.is_minded and self.will is not None and self.will.overlay:
            from . import overlay_planned

            overlay_planned.check_ports(self, self.will.overlay)
        if self.will is not None and self.will.vlans:
            draft.warnings += rules.left_inside(draft.after, self.will, draft.wanted.values)
        if self.will is None and self.declared:
            self._cannot_be_set()
        elif self.will is not None and self.differs:
            self._check_change(self.will)

    def _cannot_be_set(self) -> None:
        """What is declared of a switch that is not seen: a run could not do it."""
        draft, host, maker = self.draft, self.draft.world.host, self.maker or OVS
        if not host.is_this_machine:
            why = f"{maker.maker} is set on its own machine only; let the task run there"
        elif self.why_none:
            why = self.why_none
        else:
            why = f"{self.bridge} is no {maker.none}"
        said = ", ".join(
            named(key) for key in self.declared if key[0] != "host_ports" or len(key) == 2
        )
        if draft.world.assume_on_host and host.is_this_machine and self.why_none:
            draft.warnings.append(f"{why}; the plan is made without {said}")
        else:
            option = next(iter(self.declared))[0]
            draft.mistakes.add(f"cannot be what is declared ({said}): {why}", option)

    def _check_change(self, will: Switch) -> None:
        draft, now = self.draft, self.now or Switch(self.name)
        maker = self.maker or OVS
        draft.mistakes.extend(rules.check(will, maker.modes, maker.maker))
        draft.mistakes.extend(rules.of_another(now, self.name, will))
        if maker is LINUX and self.now is not None:
            draft.mistakes.extend(rules.of_others(self.now, self.bridge))
        links = draft.world.host.links
        new = [nic for nic in will.nics if nic not in now.nics]
        if maker is LINUX:  # what an interrupted run left in its bond is on its way
            bond = bond_of(self.bridge)
            new = [nic for nic in new if links.get(nic, {}).get("master") != bond]
        if maker is LINUX:
            keeping.check(self, now, will, [nic for nic in new if nic in links])
        others = {have.name: have.facts["uplinks"]["nics"] for have in self._planned()}
        draft.mistakes.extend(rules.taken(new, others))
        of = " of Open vSwitch" if maker is OVS else ""
        freed = self._freed(now, will)
        draft.mistakes.extend(rules.uplinks(new, self.seen, freed, self.bridge, of))
        if maker is OVS:
            draft.mistakes.extend(rules.left_of_bond(will.nics, self.seen, self.bridge))
        for nic in rules.missing(new, links):
            if draft.world.assume_on_host:
                draft.warnings.append(f"the host has no {nic}; taken to be there when a run comes")
            else:
                draft.mistakes.add(f"the host has no interface {nic}", named(NICS))
        if now.nics and not will.nics:
            own = [port.name for port in will.host_ports]
            on_it = rules.of_host_on(self.seen, links, self.bridge, own)
            draft.mistakes.extend(rules.cut_off(on_it))
        draft.mistakes.extend(rules.too_large(will.mtu, will.nics, links))
        if will.overlay is not None:
            from . import overlay_planned

            overlay_planned.check(self, will, will.overlay)

    def _freed(self, now: Switch, will: Switch) -> Mapping[str, Any]:
        """The interfaces of the host as host ports leave them, of which the mistakes are told."""
        draft, links = self.draft, self.draft.world.host.links
        if not will.host_ports:
            return links
        of_linux = self.maker is LINUX
        draft.mistakes.extend(host_port_changes.check(now, will, self.bridge, of_linux, links))
        if not of_linux and now.host_ports != will.host_ports:
            keeping.check_addresses(self, now, will)
        keeper = SwitchFacts(draft.world.host).keeper.get("keeper", "")
        return host_port_changes.freed(links, will, str(keeper))

    # ---- what changes

    def changes(self) -> Iterator[Change]:
        """The switch that is made, and what of it is changed in place."""
        found = list(self._changes())
        if found and self.will is not None:
            yield from guarding.guarded(self, self.will)
        yield from found

    def _changes(self) -> Iterator[Change]:
        if self.will is None:
            return
        yield from self._raised(self.will)
        if not self.differs:
            return
        if self.now is None:
            maker = self.maker or OVS
            made = maker.bridge.format(self.bridge)
            yield BridgeMade(self.resource, FIELD, None, made, LIVE, note=maker.kept)
        before = (self.now or Switch()).values
        for key, after in self.will.values.items():
            if before[key] != after:
                yield Wired(self.resource, key, before[key], after, LIVE, note=self._note(key))
        links = self.draft.world.host.links if self.will.host_ports else {}
        now = self.now or Switch()
        yield from host_port_changes.changes(self.resource, now, self.will, links)

    def _raised(self, will: Switch) -> Iterator[Change]:
        """The uplinks that are there and down, where a declaration says anything of them."""
        stay = [nic for nic in will.nics if self.now is not None and nic in self.now.nics]
        if self.maker is LINUX:
            yield from self._righted(will)
            return
        if not self.is_minded or self.now is None:
            return
        links = self.draft.world.host.links
        before = {nic: "down" for nic in stay if nic in links and not links[nic]["up"]}
        after = dict.fromkeys(before, "up")
        note = ""
        for of, was, to_be in (*self._ports_astray(links), *self._tunnels_astray()):
            before[of], after[of] = was, to_be
            note = _LEFT
        if before:
            yield Raised(self.resource, ("links",), before, after, LIVE, note=note)

    def _ports_astray(self, links: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        """What of host ports on Open vSwitch and of the files beside is not as it is stored."""
        now = self.now
        if now is None or now.owner != self.name:
            return
        if now.host_ports:
            yield from host_port_seen.astray(links, self.bridge, now, False)
            yield from host_port_seen.vlans_of_ovs(self.draft.world.host.open_vswitch, now)
        of = SwitchFacts(self.draft.world.host)
        found = {"files": of.files, "starts": of.starts_units}
        yield from linux_seen.beside_astray(found, self.bridge, now)

    def _tunnels_astray(self) -> Iterable[tuple[str, str, str]]:
        if not self.seen.get("tunnels") and (self.now is None or self.now.overlay is None):
            return ()
        from . import overlay_planned

        return overlay_planned.astray(self)

    def _righted(self, will: Switch) -> Iterator[Change]:
        """What runs of a bridge of ours otherwise than it is stored."""
        if self.now is None or not self.is_minded or will.owner != self.name:
            return
        found = linux_seen.found_on(self.draft.world.host, self.now.backend)
        mac = derived_mac(self.name, found.get("host", ""))
        before, after = linux_seen.astray(found, self.bridge, self.now, mac)
        links = self.draft.world.host.links if self.now.host_ports else {}
        for of, was, to_be in host_port_seen.astray(links, self.bridge, self.now, True):
            before[of], after[of] = was, to_be
        if before:
            yield Raised(self.resource, ("links",), before, after, LIVE, note=_LEFT)

    def _note(self, key: Any) -> str:
        if key == BACKEND:
            return ""
        if key == MTU:
            return (
                "of the switch and its uplinks; NICs of VMs that run keep theirs until they start"
            )
        if self.now is None:
            return ""
        nics = ", ".join(f"{nic.vm} ({nic.mac})" for nic in self.draft.running)
        whom = nics or "no VM that runs"
        if key == VLANS:
            which = (
                "frames of other VLANs do not leave"
                if self.will and self.will.vlans
                else "all leave"
            )
            return f"{which} the host, of {whom}"
        if key in overlay.KEYS:
            from . import overlay_planned

            return overlay_planned.note(self, key, whom)
        if key != NICS:
            return f"what goes out by the uplinks pauses for a moment, for {whom}"
        return self._note_on_nics(whom)

    def _note_on_nics(self, whom: str) -> str:
        will, now = self.will or Switch(), self.now or Switch()
        if not will.nics:
            return f"nothing goes out any more, for {whom}"
        if self._keeps_a_port(will, now):
            return "the other uplinks go on meanwhile" if len(will.nics) > 1 else ""
        if not now.nics:
            return ""
        return f"what goes out by the uplinks pauses for a moment, for {whom}"

    def _keeps_a_port(self, will: Switch, now: Switch) -> bool:
        """Whether an uplink goes on while the others change."""
        if not {*now.nics} & {*will.nics}:
            return False
        if self.maker is LINUX:
            return now.teaming == will.teaming and len(now.nics) > 1
        found = self.seen.get("bridges", {}).get(self.bridge, {"ports": {}})
        return bool(kept(uplink_ports(found["ports"], will), will))
