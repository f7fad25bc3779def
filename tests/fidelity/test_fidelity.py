"""The plan is the truth: random transitions between declarations, on a real libvirtd.

    pytest tests/fidelity --transitions 1000 --others 1000 --seed random

A scene is a few declarations in a row, each a transition from what the one before led to. For each:
check mode writes nothing, the run's plan is check mode's plan, what was planned is then read in
libvirt's XML by means of our own (observed.py), what was not planned is as it was to the letter
(unnamed.py), and the same declaration again changes nothing.

With others (others.py), something happens by virsh before each declaration, or it is of a VM that
virt-install made. A declaration may then be refused, but by check mode as by the run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import xml.etree.ElementTree as ET
from itertools import islice
from pathlib import Path
from typing import Any

import libvirt
import pytest
import yaml
from fidelity.adopted import made_by_others
from fidelity.others import others_of
from fidelity.place import Place
from fidelity.scenes import LENGTH, Scene, scenes_of
from fidelity.transitions import Transitions

from support.guest import COMMAND_LINE, TinyGuest, provide
from support.module_server import ModuleServer
from support.observer import Observer
from support.private_libvirtd import IMAGES, PrivateLibvirtd
from support.sealed import make_sealed

# What other programs put into definitions.
NOTE = '<note:note xmlns:note="urn:example:note"><note:by who="backup"/></note:note>'
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "scene" not in metafunc.fixturenames:
        return
    options = metafunc.config.option
    scenes = [
        *scenes_of(options.transitions, options.seed, others=False),
        *scenes_of(options.others, options.seed, others=True),
    ]
    metafunc.parametrize("scene", scenes, ids=[scene.name for scene in scenes])


CHECKSUMS: dict[str, str] = {}
SEALED_BY, PASSPHRASE = "fidelity", "open sesame"


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


@pytest.fixture(scope="session")
def resource_pools(private_libvirtd: PrivateLibvirtd) -> None:
    """The slices that VMs are declared to be in; none of them runs without systemd."""
    for slice_name, name in (("machine-gold", "gold"), (r"machine-gold-my\x2dpool", "my-pool")):
        unit = private_libvirtd.outside(f"/etc/systemd/system/{slice_name}.slice")
        unit.write_text(f"[Slice]\n[X-kvm-fleet]\nName={name}\nExpandable=yes\n")


@pytest.fixture(scope="session")
def secret(private_libvirtd: PrivateLibvirtd) -> str:
    """The name of a secret, by which what is encrypted is opened."""
    text = (
        "<secret ephemeral='no' private='yes'>"
        f"<usage type='volume'><volume>{SEALED_BY}</volume></usage></secret>"
    )
    said = private_libvirtd.run(["virsh", "secret-define", "/dev/stdin"], stdin=text)
    uuid = next(word for word in said.split() if word.count("-") == 4)
    value = base64.b64encode(PASSPHRASE.encode()).decode()
    private_libvirtd.virsh("secret-set-value", uuid, "--base64", value)
    return SEALED_BY


@pytest.fixture
def place(
    libvirtd: PrivateLibvirtd,
    prefix: str,
    images: Path,
    kernel: dict[str, str],
    secret: str,
    sealed: Path,
    resource_pools: None,
) -> Place:
    """A pool with images, a vswitch with port groups and a bridge of the host."""
    names = (f"{prefix}pool", f"{prefix}switch", "br-fidelity")
    place = Place(prefix, str(images), *names, kernel, sealed="sealed.qcow2", secret=secret)
    outside = libvirtd.outside(images)
    shutil.copy(sealed, outside / place.sealed)
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


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sealed") / "image"
    make_sealed(path, "qcow2", PASSPHRASE)
    path.chmod(0o666)
    return path


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
    run = Transitions(modules, observer, may_refuse=scene.others)
    count = request.node.user_properties
    source = scene.source(place, CHECKSUMS[place.folder])
    act = others_of(scene.kind, scene.rng("/acts"), observer.conn, libvirtd, place)
    try:
        if scene.kind == "adopted":
            _adopt(scene, place, source, observer)
        for done, (module, args) in enumerate(islice(source.steps(), scene.length)):
            scene.history.append({module: args})
            outcome = run.transition(module, args)
            name = f"{scene.kind} after others" if scene.others else scene.kind
            count.append((name if outcome != "refused" else f"{name}, refused", 1))
            if scene.kind == "guest":
                _wait_for_guest(libvirtd, f"{place.prefix}x")
            if scene.others:
                scene.history += [{"others": act()} for _each in range(1 + done % 2)]
                if hasattr(source, "learn"):
                    source.learn(observer.dump())
            elif len(scene.history) == 1:
                _foreign(observer.conn, scene.kind, f"{place.prefix}x")
    except AssertionError as error:
        raise AssertionError(f"{error}\n\n{_story(scene, run)}") from None


def _adopt(scene: Scene, place: Place, source: Any, observer: Observer) -> None:
    """Let others make the VM, and the declarations be of what it has."""
    observer.conn.defineXML(made_by_others(scene.rng("/made"), place, f"{place.prefix}x"))
    scene.history.append({"others": "make the VM"})
    source.learn(observer.dump())


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


def _story(scene: Scene, run: Transitions) -> str:
    """All that is needed to see what happened, and to see it again."""
    happened = yaml.safe_dump_all(scene.history, sort_keys=False, width=120)
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
    option = "--others" if scene.others else "--transitions"
    return (
        f"{option} {(scene.number + 1) * LENGTH} --seed {scene.seed} -k {scene.name}\n\n"
        f"one after the other:\n{happened}\n"
        f"said:\n{json.dumps(said, indent=1)}\n\n{definitions}"
    )
