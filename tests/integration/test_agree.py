"""What hangs together in the definitions of others: libvirt takes what is planned, to the end.

The cases are the golden ones, so that what they say is stored is what libvirt stores.
"""

from __future__ import annotations

from pathlib import Path

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
)


@pytest.mark.parametrize("case", CASES)
def test_the_plan_is_kept(
    case: str, modules: ModuleServer, libvirtd: PrivateLibvirtd, prefix: str
) -> None:
    name = f"{prefix}{case}"
    before = (GOLDEN / case / "before.xml").read_text().replace("<name>web<", f"<name>{name}<")
    libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=before)
    options = {**yaml.safe_load((GOLDEN / case / "want.yml").read_text()), "name": name}
    planned = modules.run("vm", options, True)
    rows = [(row["field"], row["before"], row["after"]) for row in planned["plan"]]
    changes = yaml.safe_load((GOLDEN / case / "changes.yml").read_text())
    assert rows == [(row["field"], row["before"], row["after"]) for row in changes]
    done = modules.run("vm", options, False)
    assert done["plan"] == planned["plan"]
    again = modules.run("vm", options, False)
    assert (again["changed"], again["plan"]) == (False, [])
