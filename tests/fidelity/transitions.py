"""One transition: from what is there to what is declared, with all that has to hold."""

from __future__ import annotations

import ast
import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import libvirt
from fidelity.observed import disagreements
from fidelity.place import Args
from fidelity.unnamed import lost

from support.module_server import ModuleServer
from support.observer import Dump, Observer, differences

# What no operator can do anything about: a refusal is none of these.
FAULTS = ("Traceback", "fault of kvm.fleet", "internal error", "did not converge")
# What check mode says where it takes something for what an earlier task of a play would bring.
ASSUMED = ("the plan assumes that it will", "taken to be")


SNAPSHOT = f"/tmp/fidelity-snapshot-{os.getpid()}.json"  # others may run these tests beside us
# What nobody can ask a snapshot: what libvirt itself says of a plan, and the contents of images.
JUDGED = (
    *("libvirt would refuse", "libvirt has this against it", "libvirt has not judged"),
    *("does not know the checksum", "is whole, at which a run looks"),
)

# What a VM may have no place left for: libvirt adds no hub where each of its ports has a device.
NO_ROOM = "no USB port is left"
# The ports of USB controllers where they do not say so, and those of hubs.
USB_PORTS = {"ich9-ehci1": 6, "ehci": 6, "nec-xhci": 4, "qemu-xhci": 4, "pci-ohci": 3}
HUB_PORTS = 8


class Transitions:
    """Goes from what is there to what is declared, and sees that all is as planned.

    `may_refuse`: after what others did, a declaration may be one that cannot be brought about.
    """

    def __init__(self, modules: ModuleServer, observer: Observer, may_refuse: bool = False) -> None:
        self.modules = modules
        self.observer = observer
        self.may_refuse = may_refuse
        self.seen: dict[str, Any] = {}

    def transition(self, module: str, args: Args) -> str:
        """How it ended: `done`, `no change`, or `refused`."""
        taken = self.modules.run("host_snapshot", {"dest": SNAPSHOT})
        assert not taken.get("failed"), f"no snapshot can be taken: {taken['msg']}"
        before = self.observer.dump()
        self.seen = {"before": before}
        predicted = self._run(module, args, check=True)
        _same(before, self.observer.dump(), "check mode changed")
        planned = self.modules.run(module, {**args, "uri": f"snapshot:{SNAPSHOT}"}, True)
        Path(SNAPSHOT).unlink()
        self.seen["snapshot"] = planned
        same_but_for_libvirt(predicted, planned)
        bound = {} if planned.get("failed") else {"expect": planned["made_from"]}
        done = self._run(module, {**args, **bound})
        if predicted.get("failed") or done.get("failed"):
            return self._refused(predicted, done, before, args)
        for part in ("changed", "plan", "diff", "pending_restart"):
            assert predicted[part] == done[part], f"the run's {part} is not that of check mode"
        after = self.seen["after"] = self.observer.dump()
        self._came_true(done, after)
        again = self._run(module, args)
        assert not again.get("failed"), f"a second run fails: {again['msg']}"
        assert (again["changed"], again["plan"]) == (False, []), "a second run changes something"
        _same(after, self.observer.dump(), "a second run changed")
        return "done" if done["plan"] else "no change"

    def _run(self, module: str, args: Args, check: bool = False) -> dict[str, Any]:
        done = self.modules.run(module, args, check)
        self.seen["check" if check else "run"] = done
        said = f"{'check mode' if check else 'the run'} fails: {done.get('msg')}"
        is_fine = self.may_refuse or not done.get("failed") or self._is_full(done, args)
        assert is_fine, said
        return done

    def _refused(
        self, predicted: dict[str, Any], done: dict[str, Any], before: Dump, args: Args
    ) -> str:
        told = done.get("msg", "(nothing)")
        assert done.get("failed"), f"check mode fails and the run does not: {predicted['msg']}"
        _same(before, self.observer.dump(), "a run that refuses changed")
        is_fault = any(fault in told for fault in FAULTS)
        assert not is_fault, f"this is no refusal: {told}"
        assert NO_ROOM not in told or self._is_full(done, args), f"there is a port: {told}"
        warned = json.dumps(predicted.get("warnings", ()))  # texts, or what Ansible makes of them
        assumed = any(words in warned for words in ASSUMED)
        if assumed and not predicted.get("failed"):
            return "refused"
        assert predicted.get("failed"), f"the run fails and check mode does not: {told}"
        missing = set(predicted["msg"].split("; ")) - set(told.split("; "))
        same = not missing if assumed else predicted["msg"] == told
        assert same, f"check mode refuses otherwise: {predicted['msg']}: {told}"
        return "refused"

    def _is_full(self, done: dict[str, Any], args: Args) -> bool:
        """Whether it was refused for want of USB ports, and a VM has fewer than it would need."""
        vms = [text for key, text in self.seen["before"].items() if key.startswith("vm/")]
        stored = [text for text in vms if text.startswith("<domain")]
        comes = max(1, json.dumps(args).count("usb"))
        return NO_ROOM in done.get("msg", "") and any(_free_usb_ports(t) < comes for t in stored)

    def _came_true(self, done: dict[str, Any], after: Dump) -> None:
        wrong = []
        for change in done["plan"]:
            wrong += _wrong(change, done, after)
        assert not wrong, f"did not come true: {wrong}"
        unnamed = lost(self.seen["before"], after, done["plan"])
        assert not unnamed, "changed without being in the plan:\n" + "\n".join(unnamed)


def _free_usb_ports(definition: str) -> int:
    """Those of controllers and hubs that no device has."""
    devices = ET.fromstring(definition).find("devices")
    ports = HUB_PORTS * len(devices.findall("hub"))
    for controller in devices.iterfind("controller[@type='usb']"):
        if controller.find("master") is None:
            said = controller.get("ports")
            ports += int(said) if said else USB_PORTS.get(controller.get("model", ""), 2)
    return ports - len(devices.findall("*/address[@type='usb']"))


def _wrong(change: dict[str, Any], done: dict[str, Any], after: Dump) -> list[str]:
    """What of one planned change is not so in the XML."""
    resource, name = change["resource"], change["field"]
    kind = resource.split("/")[0]
    if name in ("state", "power"):
        found, wanted = _state(resource, after), change["after"]
        there = wanted in ("present", "restarted") and found != "absent"
        return [] if there or found == wanted else [f"{resource} is {found}, not {wanted}"]
    restarted = {"resource": resource, "field": "power", "after": "restarted"}
    restarts = any(restarted.items() <= one.items() for one in done["plan"])
    views = ["stored"]
    is_live = restarts or change["class"] in ("live", "hotplug")
    if is_live and name not in ("memory.size", "autostart"):  # the guest's to give; not in the XML
        views.append("live")
    wrong = []
    for view in views:
        if f"{resource} {view}" in after:
            tree = ET.fromstring(after[f"{resource} {view}"])
            told = disagreements(tree, kind, name, change["after"])
            if view == "live":  # what NICs follow is noted in what is stored alone
                noted = (".security is ", ".isolated is ") if kind == "vswitch" else ()
                told = [one for one in told if not any(part in one for part in noted)]
            wrong += [f"{resource} {view}: {one}" for one in told]
    waits = [one["field"] for one in done["pending_restart"] if one["resource"] == resource]
    # What others stored meanwhile may wait as a whole, of which this is a part.
    pairs = ((f"{field}.", f"{name}.") for field in waits)
    told = any(one.startswith(other) or other.startswith(one) for one, other in pairs)
    if kind == "vm" and change["class"] == "restart" and not told and not restarts:
        wrong.append(f"{resource} {name} waits for a restart, but is not in pending_restart")
    return wrong


def _state(resource: str, seen: Dump) -> str:
    """The state by libvirt's own numbers."""
    facts = seen.get(f"{resource} facts")
    if facts is None:
        return "present" if f"{resource} stored" in seen else "absent"
    if not resource.startswith("vm/"):
        return "active" if ast.literal_eval(facts)[0] else "inactive"
    state, active, _autostart, saved = ast.literal_eval(facts)
    if active:
        return "paused" if state == libvirt.VIR_DOMAIN_PAUSED else "running"
    return "saved" if saved else "stopped"


def same_but_for_libvirt(predicted: dict[str, Any], planned: dict[str, Any]) -> None:
    """The plan for a snapshot is that for the host, but for what libvirt itself says of it."""
    told, refused = (
        [one for one in outcome.get("errors", ()) if not any(words in one for words in JUDGED)]
        for outcome in (predicted, planned)
    )
    assert told == refused, f"a snapshot is refused otherwise: {told}: {refused}"
    if predicted.get("failed") or planned.get("failed"):
        return
    for part in sorted({*predicted, *planned} - {"invocation", "warnings", "made_from"}):
        assert _still(predicted.get(part)) == _still(planned.get(part)), (
            f"the {part} of a snapshot is another"
        )
    said, warned = (
        [one for one in _texts(outcome) if not any(words in one for words in JUDGED)]
        for outcome in (predicted, planned)
    )
    assert said == warned, f"of a snapshot is warned otherwise: {said}: {warned}"


def _still(told: Any) -> Any:
    """A result without what others change meanwhile: how full the file system of a pool is."""
    sizes = ("capacity_bytes", "allocation_bytes", "available_bytes")
    is_pool = isinstance(told, dict) and sizes[-1] in told
    return {part: told[part] for part in told if part not in sizes} if is_pool else told


def _texts(outcome: dict[str, Any]) -> list[str]:
    """Its warnings as texts, whatever Ansible makes of them."""
    warnings = outcome.get("warnings", ())
    return [one if isinstance(one, str) else one["event"]["msg"] for one in warnings]


def _same(before: Dump, after: Dump, says: str) -> None:
    changed = differences(before, after)
    assert not changed, f"{says} {changed}"
