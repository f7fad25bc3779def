"""What hangs together in the definitions of others: libvirt takes what is planned, to the end.

The cases are the golden ones, so that what they say is stored is what libvirt stores.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import libvirt
import pytest
import yaml

from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

GOLDEN = Path(__file__).parents[1] / "golden" / "vm"
CASES = (
    "cpu-of-the-host-becomes-a-model",
    "cpu-of-the-host-becomes-host-model",
    "cpu-vendor-id-stays",
    "foreign-targets-stay",
    "graphics-bring-video",
    "graphics-without-video",
    "insecure-loader-is-none",
    "limits-with-bursts-go",
    "machine-becomes-pc",
    "secure-boot-comes-to-a-path",
    "secure-loader-becomes-bios",
    "secure-loader-is-secure-boot",
    "several-of-each-go",
    "spice-becomes-vnc",
    "spice-goes",
    "telnet-port-becomes-a-file",
    "tuned-disk-moves",
    "variable-clock-becomes-utc",
    "video-is-none-already",
)

# From this version on libvirt adds to these definitions when it stores them: the firmware that it
# found for a path, and the watchdog of the board. What is added then goes along.
STORES_MORE = 9_002_000
STORED_WITH_MORE = (
    "machine-becomes-pc",
    "secure-boot-comes-to-a-path",
    "secure-loader-becomes-bios",
)


def _row(row: dict[str, Any]) -> tuple[str, Any, Any]:
    """A row of a plan, without the version of a machine, which is the host's newest."""
    before, after = (
        re.sub(r"-\d+\.\d+$", "", row[key]) if row["field"] == "machine" else row[key]
        for key in ("before", "after")
    )
    return row["field"], before, after


@pytest.mark.parametrize("case", CASES)
def test_the_plan_is_kept(
    case: str, modules: ModuleServer, libvirtd: PrivateLibvirtd, prefix: str
) -> None:
    name = f"{prefix}{case}"
    before = (GOLDEN / case / "before.xml").read_text().replace("<name>web<", f"<name>{name}<")
    libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=before)
    options = {**yaml.safe_load((GOLDEN / case / "want.yml").read_text()), "name": name}
    planned = modules.run("vm", options, True)
    rows = [_row(row) for row in planned["plan"]]
    written = [_row(row) for row in yaml.safe_load((GOLDEN / case / "changes.yml").read_text())]
    if case in STORED_WITH_MORE and libvirt.getVersion() >= STORES_MORE:
        assert {row[0] for row in written} <= {row[0] for row in rows}
    else:
        assert rows == written
    done = modules.run("vm", options, False)
    assert done["plan"] == planned["plan"]
    again = modules.run("vm", options, False)
    assert (again["changed"], again["plan"]) == (False, [])


def test_graphics_bring_the_card_that_libvirt_adds(
    modules: ModuleServer, libvirtd: PrivateLibvirtd, prefix: str
) -> None:
    def define(name: str, graphics: str) -> None:
        bare = (GOLDEN / "graphics-bring-video" / "before.xml").read_text()
        bare = bare.replace("<name>web<", f"<name>{prefix}{name}<")
        bare = re.sub("<uuid>.*</uuid>", "", bare)
        definition = bare.replace("<audio", f"{graphics}<audio", 1)
        libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=definition)

    def card(name: str) -> str | None:
        domain = ET.fromstring(libvirtd.virsh("dumpxml", "--inactive", f"{prefix}{name}"))
        model = domain.find("devices/video/model")
        return None if model is None else model.get("type")

    define("theirs", "<graphics type='vnc'/>")
    define("ours", "")
    options = {"name": f"{prefix}ours", "graphics": {"type": "vnc"}}
    planned = {row["field"]: row["after"] for row in modules.run("vm", options, True)["plan"]}
    modules.run("vm", options, False)
    assert planned["video"] == card("ours") == card("theirs")
    new = {**options, "name": f"{prefix}new", "virt_type": "qemu", "memory": {"size": "64MiB"}}
    planned = {row["field"]: row["after"] for row in modules.run("vm", new, True)["plan"]}
    modules.run("vm", new, False)
    assert planned["video"] == card("new") == card("theirs")


BURST = """<domain type='qemu'><name>NAME</name><memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices><disk type='file'><driver name='qemu' type='raw'/><source file='FILE'/>
    <target dev='vda' bus='virtio'/>
    <iotune><total_iops_sec>500</total_iops_sec><total_iops_sec_max>2000</total_iops_sec_max>
      <group_name>shared</group_name><total_iops_sec_max_length>60</total_iops_sec_max_length>
    </iotune></disk></devices></domain>"""


def test_a_limit_goes_with_its_burst_while_the_vm_runs(
    modules: ModuleServer, libvirtd: PrivateLibvirtd, prefix: str, images: Path
) -> None:
    name = f"{prefix}burst"
    libvirtd.outside(images / "a.img").write_bytes(bytes(1 << 20))
    libvirtd.outside(images / "a.img").chmod(0o666)
    definition = BURST.replace("NAME", name).replace("FILE", str(images / "a.img"))
    libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=definition)
    libvirtd.virsh("start", name, "--paused")
    options = {"name": name, "disks": [{"name": "vda", "limits": {"total_iops": 0}}]}
    done = modules.run("vm", options, False)
    assert not done.get("failed"), done["msg"]
    assert modules.run("vm", options, False)["changed"] is False
    assert "<iotune>" not in libvirtd.virsh("dumpxml", "--inactive", name)
    tuned = libvirtd.virsh("blkdeviotune", name, "vda")
    limits = dict(line.replace(" ", "").split(":") for line in tuned.splitlines() if ":" in line)
    assert {limits["total_iops_sec"], limits["total_iops_sec_max"]} == {"0"}
