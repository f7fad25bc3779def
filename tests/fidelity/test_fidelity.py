"""The plan is the truth: random transitions between declarations, on a real libvirtd.

    pytest tests/fidelity --transitions 1000 --seed random

A scene is a few declarations in a row, each a transition from what the one before led to. For each:
check mode writes nothing, the run's plan is check mode's plan, what was planned is then read in
libvirt's XML by means of our own (observed.py), and the same declaration again changes nothing.
"""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import libvirt
import pytest
import yaml
from fidelity.declarations import Args, HostConfig, Place, Pool, Step, Vm, Volumes, Vswitch
from fidelity.observed import disagreements

from support.guest import COMMAND_LINE, TinyGuest, provide
from support.module_server import ModuleServer
from support.observer import Dump, Observer, differences
from support.private_libvirtd import IMAGES, PrivateLibvirtd

LENGTH = 5  # transitions in a scene

# In which proportion. A guest that really boots takes its time, one that is paused none.
SCENES = (
    *("vm", "vswitch", "pool", "vm", "host_config", "volumes", "guest", "vswitch", "paused_vm"),
    "vm",
    *("host_config", "vm", "vswitch", "volumes", "guest", "vm", "pool", "vswitch", "paused_vm"),
)

# What other programs put into definitions.
NOTE = '<note:note xmlns:note="urn:example:note"><note:by who="backup"/></note:note>'
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "scene" not in metafunc.fixturenames:
        return
    count, seed = metafunc.config.option.transitions, metafunc.config.option.seed
    scenes = [
        Scene(SCENES[at % len(SCENES)], at, min(LENGTH, count - at * LENGTH), seed)
        for at in range(-(-count // LENGTH))
    ]
    metafunc.parametrize("scene", scenes, ids=[f"{one.number:03}-{one.kind}" for one in scenes])


@dataclass
class Scene:
    """Some transitions of things of one kind, all told by a seed and a number."""

    kind: str
    number: int
    length: int
    seed: int
    history: list[Step] = field(default_factory=list)

    def steps(self, place: Place) -> Iterator[Step]:
        rng = Random(f"{self.seed}/{self.number}")
        subnet = self.number % 250 + 1
        name = f"{place.prefix}x"
        kinds: dict[str, Callable[[], Any]] = {
            "vm": lambda: Vm(rng, name, place),
            "paused_vm": lambda: Vm(rng, name, place, "paused"),
            "guest": lambda: Vm(rng, name, place, "running"),
            "vswitch": lambda: Vswitch(rng, name, place, subnet),
            "pool": lambda: Pool(rng, name, place),
            "volumes": lambda: Volumes(rng, place, place_checksum(place)),
            "host_config": lambda: HostConfig(rng, place, subnet),
        }
        return islice(kinds[self.kind]().steps(), self.length)


CHECKSUMS: dict[str, str] = {}


def place_checksum(place: Place) -> str:
    return CHECKSUMS[place.folder]


@pytest.fixture(scope="session")
def kernel(private_libvirtd: PrivateLibvirtd) -> dict[str, str]:
    """The options of direct kernel boot into the tiny guest."""
    folder = IMAGES / "tiny-guest"
    provide(private_libvirtd.outside(folder))
    return {
        "kernel": f"{folder}/vmlinuz",
        "initrd": f"{folder}/initramfs.img",
        "cmdline": COMMAND_LINE,
    }


@pytest.fixture
def place(libvirtd: PrivateLibvirtd, prefix: str, images: Path, kernel: dict[str, str]) -> Place:
    """A pool with images, a vswitch with port groups and a bridge of the host."""
    place = Place(prefix, str(images), f"{prefix}pool", f"{prefix}switch", "br-fidelity", kernel)
    outside = libvirtd.outside(images)
    for name, form in place.images.items():
        command = ["qemu-img", "create", "-q", "-f", form, str(outside / name), "64M"]
        subprocess.run(command, check=True)
        (outside / name).chmod(0o666)
    CHECKSUMS[place.folder] = f"sha256:{_digest(outside / 'one.qcow2')}"
    libvirtd.try_run(["ip", "link", "add", "br-fidelity", "type", "bridge"])
    libvirtd.virsh("pool-define-as", place.pool, "dir", "--target", place.folder)
    libvirtd.virsh("pool-start", place.pool)
    network = (
        f"<network><name>{place.vswitch}</name><bridge name='vs-{prefix}'/>"
        "<portgroup name='slow'/><portgroup name='fast' default='yes'/></network>"
    )
    libvirtd.run(["virsh", "net-define", "/dev/stdin"], stdin=network)
    libvirtd.virsh("net-start", place.vswitch)
    return place


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_plan_is_what_a_run_does(
    scene: Scene,
    place: Place,
    libvirtd: PrivateLibvirtd,
    modules: ModuleServer,
    observer: Observer,
    request: pytest.FixtureRequest,
) -> None:
    run = Transitions(modules, observer)
    done = 0
    try:
        for module, args in scene.steps(place):
            scene.history.append((module, args))
            run.transition(module, args)
            done += 1
            if scene.kind == "guest":
                _wait_for_guest(libvirtd, f"{place.prefix}x")
            if done == 1:
                _foreign(observer.conn, scene.kind, f"{place.prefix}x")
    except AssertionError as error:
        raise AssertionError(f"{error}\n\n{_story(scene, run)}") from None
    finally:
        request.node.user_properties.append((scene.kind, done))


def _wait_for_guest(libvirtd: PrivateLibvirtd, name: str) -> None:
    """See that a guest which runs is up: before it is, it lets nothing go."""
    guest = TinyGuest(name, libvirtd.uri, libvirtd.outside)
    if guest.state() == "running":
        guest.wait_ready()


def _foreign(conn: Any, kind: str, name: str) -> None:
    """Let other programs edit what was made."""
    if kind in ("vm", "paused_vm", "guest"):
        text = conn.lookupByName(name).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        conn.defineXML(_with_foreign(text, qemu=True))
    if kind == "vswitch":
        text = conn.networkLookupByName(name).XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)
        conn.networkDefineXML(_with_foreign(text))


def _with_foreign(text: str, qemu: bool = False) -> str:
    """A definition with a note of another program, and for QEMU a variable."""
    for prefix, uri in (("qemu", QEMU), ("fleet", "urn:kvm.fleet:1")):
        ET.register_namespace(prefix, uri)
    root = ET.fromstring(text)
    root.find("metadata").append(ET.fromstring(NOTE))
    if qemu:
        command = root.find(f"{{{QEMU}}}commandline")
        if command is None:
            command = ET.SubElement(root, f"{{{QEMU}}}commandline")
        ET.SubElement(command, f"{{{QEMU}}}env", name="FOREIGN", value="kept")
    return ET.tostring(root, encoding="unicode")


class Transitions:
    """Goes from what is there to what is declared, and sees that all is as planned."""

    def __init__(self, modules: ModuleServer, observer: Observer) -> None:
        self.modules = modules
        self.observer = observer
        self.seen: dict[str, Any] = {}

    def transition(self, module: str, args: Args) -> None:
        before = self.observer.dump()
        self.seen = {"before": before}
        predicted = self._run(module, args, check=True)
        _same(before, self.observer.dump(), "check mode changed")
        done = self._run(module, args)
        for part in ("changed", "plan", "diff", "pending_restart"):
            assert predicted[part] == done[part], f"the run's {part} is not that of check mode"
        after = self.seen["after"] = self.observer.dump()
        self._came_true(done, after)
        _kept(before, after)
        again = self._run(module, args)
        assert (again["changed"], again["plan"]) == (False, []), "a second run changes something"
        _same(after, self.observer.dump(), "a second run changed")

    def _run(self, module: str, args: Args, check: bool = False) -> dict[str, Any]:
        done = self.modules.run(module, args, check)
        self.seen["check" if check else "run"] = done
        assert not done.get("failed"), (
            f"{'check mode' if check else 'the run'} fails: {done['msg']}"
        )
        return done

    def _came_true(self, done: dict[str, Any], after: Dump) -> None:
        wrong = []
        for change in done["plan"]:
            wrong += _wrong(change, done, after)
        assert not wrong, f"did not come true: {wrong}"


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
            wrong += [f"{resource} {view}: {one}" for one in told]
    waits = [one["field"] for one in done["pending_restart"] if one["resource"] == resource]
    told = any(f"{field}.".startswith(f"{name}.") for field in waits)
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


def _same(before: Dump, after: Dump, says: str) -> None:
    changed = differences(before, after)
    assert not changed, f"{says} {changed}"


def _kept(before: Dump, after: Dump) -> None:
    """What other programs have noted stays in every definition that stays."""
    for key, text in before.items():
        for mark in ("urn:example:note", 'name="FOREIGN"', "name='FOREIGN'"):
            assert mark not in text or mark in after.get(key, text), f"{key} lost {mark}"


def _story(scene: Scene, run: Transitions) -> str:
    """All that is needed to see what happened, and to see it again."""
    declared = yaml.safe_dump_all(
        ({module: args} for module, args in scene.history), sort_keys=False, width=120
    )
    said = {
        part: {
            k: v
            for k, v in run.seen.get(part, {}).items()
            if k in ("plan", "msg", "pending_restart")
        }
        for part in ("check", "run")
    }
    before, after = run.seen.get("before", {}), run.seen.get("after", {})
    definitions = "\n".join(
        f"{key} before:\n{before.get(key)}\n{key} after:\n{after.get(key)}"
        for key in {**before, **after}
        if before.get(key) != after.get(key)
    )
    return (
        f"--transitions {(scene.number + 1) * LENGTH} --seed {scene.seed} -k {scene.number:03}-\n\n"
        f"declared one after the other:\n{declared}\n"
        f"said:\n{json.dumps(said, indent=1)}\n\n{definitions}"
    )
