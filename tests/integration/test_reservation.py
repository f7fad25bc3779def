"""What is promised to VMs that others made, by the module that changes nothing else of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

from support.corpus import CORPUS, STORED, adapted, missing
from support.module_server import ModuleServer
from support.observer import Observer
from support.private_libvirtd import PrivateLibvirtd

Result = dict[str, Any]
OF_OTHERS = (
    *("cputune-everything", "openstack-nova-numa-pinned", "ovirt-vdsm", "proxmox-imported"),
    *("virt-install-alpine-nographics", "virt-install-debian12"),
)
PROMISED = {"shares": 300, "limit": 0.75, "reservation": 0.5}


class OfOthers:
    """A VM that somebody defined, and the modules."""

    def __init__(self, domain: libvirt.virDomain, modules: ModuleServer) -> None:
        self.domain = domain
        self.modules = modules

    def text(self) -> str:
        return str(self.domain.XMLDesc(STORED))

    def reserve(self, **options: Any) -> Result:
        """Check mode says what is done, and a second run does nothing."""
        args = {"vm": self.domain.name(), **options}
        predicted = self.modules.run("reservation", args, check=True)
        done = self.modules.run("reservation", args)
        assert not done.get("failed"), done["msg"]
        assert (predicted["plan"], predicted["changed"]) == (done["plan"], done["changed"])
        again = self.modules.run("reservation", args)
        assert (again["changed"], again["plan"]) == (False, [])
        return done


@pytest.fixture(params=OF_OTHERS)
def of_others(
    request: pytest.FixtureRequest, libvirtd: PrivateLibvirtd, modules: ModuleServer
) -> Iterator[OfOthers]:
    text = (CORPUS / "vm" / f"{request.param}.xml").read_text(encoding="utf-8")
    conn = libvirt.open(libvirtd.uri)
    if needs := missing(text, conn):
        pytest.skip(f"needs {needs}")
    domain = conn.defineXML(adapted(text, conn))
    yield OfOthers(conn.defineXML(domain.XMLDesc(STORED)), modules)
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    conn.close()


def test_only_what_is_named_changes_and_goes_back(of_others: OfOthers) -> None:
    before = of_others.text()
    was = of_others.reserve(cpu={}, admission="off")["vm"]["cpu"]
    done = of_others.reserve(cpu=PROMISED, admission="off")
    assert [row["field"] for row in done["plan"]] == [f"cpu.{name}" for name in PROMISED]
    assert {name: done["vm"]["cpu"][name] for name in PROMISED} == PROMISED
    changed = [
        line.strip("+- ")
        for line in difflib.unified_diff(before.splitlines(), of_others.text().splitlines(), n=0)
        if line[0] in "+-" and not line.startswith(("+++", "---"))
    ]
    ours = ("cputune>", "shares>", "global_quota>", "metadata>", "fleet:res", "fleet:reservation")
    assert [line for line in changed if not any(word in line for word in ours)] == []
    if was["shares"] <= 10_000:
        of_others.reserve(cpu={name: was[name] for name in PROMISED}, admission="off")
        assert of_others.text().replace(NO_LIMIT, "") == before.replace(NO_LIMIT, "")


NO_LIMIT = "    <global_quota>-1</global_quota>\n"  # said in words or not, it is none


def test_a_vm_has_to_be_there(modules: ModuleServer, observer: Observer, prefix: str) -> None:
    args = {"vm": f"{prefix}none", "cpu": {"limit": 1}}
    with observer.unchanged():
        predicted = modules.run("reservation", args, check=True)
        done = modules.run("reservation", args)
    assert predicted["plan"] == [] and "does not exist yet" in str(predicted["warnings"])
    assert done["msg"].startswith(f"vm/{prefix}none vm: does not exist; nothing can be promised")


def test_a_snapshot_has_the_same_plan(
    libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, tmp_path: Path
) -> None:
    libvirtd.run(
        ["virsh", "define", "/dev/stdin"],
        stdin=f"""<domain type="qemu"><name>{prefix}vm</name><memory unit="MiB">64</memory>
        <vcpu>1</vcpu><os><type machine="q35">hvm</type></os></domain>""",
    )
    libvirtd.virsh("start", f"{prefix}vm")
    taken = tmp_path / "host.json"
    snapshot = modules.run("host_snapshot", {"dest": str(taken)})
    assert not snapshot.get("failed"), snapshot["msg"]
    args = {"vm": f"{prefix}vm", "cpu": {**PROMISED, "dedicated": False, "shares": "low"}}
    args["cpu"]["pinning"] = {"emulator": "0"}
    by_file = modules.run("reservation", {**args, "uri": f"snapshot:{taken}"}, check=True)
    assert not by_file.get("failed"), by_file["msg"]
    done = modules.run("reservation", {**args, "expect": by_file["made_from"]})
    assert not done.get("failed"), done["msg"]
    assert by_file["plan"] == done["plan"]
    assert {row["class"] for row in done["plan"]} == {"live"}
