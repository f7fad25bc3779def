"""cpu_baseline on a real libvirt: of hosts that are there, and of others by what they tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.host.connection import connect
from ansible_collections.kvm.fleet.plugins.module_utils.moving import baseline
from ansible_collections.kvm.fleet.plugins.module_utils.run import baselining
from support.cpus import MILAN, ROME, SKYLAKE, capabilities
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

# The same libvirtd by two ways, and nowhere.
HERE, HERE_TOO = {"uri": "qemu:///system"}, {"uri": "qemu+unix:///system"}
NOWHERE = {"uri": "qemu+unix:///system?socket=/nowhere"}


def test_hosts_that_are_equal_give_their_own_cpu(modules: ModuleServer, prefix: str) -> None:
    hosts = {"kvm1": HERE, "kvm2": {**HERE_TOO, "migration_uri": "qemu+ssh://kvm2/system"}}
    done = modules.run("cpu_baseline", {"hosts": hosts, "virt_type": "qemu", "machine": "q35"})
    assert not done.get("failed"), done.get("msg")
    assert (done["changed"], done["virt_type"], done["arch"]) == (False, "qemu", "x86_64")
    assert [one["name"] for one in done["hosts"]] == ["kvm1", "kvm2"]
    assert done["cpu"]["model"] == done["hosts"][0]["model"] == done["hosts"][1]["model"]
    assert all(one["gives_up"] == [] for one in done["hosts"])

    vm = {"name": f"{prefix}web", "virt_type": "qemu", "machine": "q35", "cpu": done["cpu"]}
    made = modules.run("vm", {**vm, "memory": {"size": "64MiB"}})
    assert not made.get("failed"), made.get("msg")
    again = modules.run("vm", vm)
    assert again["changed"] is False, again["plan"]


def test_mistakes_are_told_at_once(modules: ModuleServer) -> None:
    hosts = {"kvm1": NOWHERE, "kvm2": {"uri": "snapshot:/tmp/kvm2.json"}, "kvm3": HERE}
    refused = modules.run("cpu_baseline", {"hosts": hosts})
    assert len(refused["errors"]) == 2
    assert "hosts.kvm1: cannot connect to libvirt" in refused["msg"]
    assert "hosts.kvm2.uri: a snapshot has no libvirt" in refused["msg"]

    refused = modules.run("cpu_baseline", {"hosts": {"kvm1": {}, "kvm2": {"url": "x", **HERE}}})
    assert "hosts.kvm1: has no uri" in refused["msg"]
    assert "hosts.kvm2: there is no option url" in refused["msg"]
    assert modules.run("cpu_baseline", {"hosts": {}})["failed"]

    refused = modules.run("cpu_baseline", {"hosts": {"kvm1": HERE}, "machine": "nothing"})
    assert "hosts.kvm1: it has no such VMs: " in refused["msg"]


# ---- hosts that are not there: their answers about themselves, and a real libvirt's about models


class Elsewhere:
    """A host's connection, whose CPU is said and whose libvirt is a real one."""

    def __init__(self, conn: Any, cpu: str) -> None:
        self._conn = conn
        self._cpu = cpu

    def getDomainCapabilities(self, *_of: Any) -> str:
        return capabilities(self._cpu)

    def baselineHypervisorCPU(self, *arguments: Any) -> str:
        return self._conn.baselineHypervisorCPU(*arguments)

    def compareHypervisorCPU(self, *arguments: Any) -> int:
        """Whether this host has all of a model: then nothing is lost of it in common with it."""
        *of, model, _flags = arguments
        own = baseline.offer("", 0, capabilities(self._cpu)).cpu
        common, whole = (
            self._conn.baselineHypervisorCPU(*of, cpus, baselining.EXPANDED)
            for cpus in ([own, model], [model])
        )
        return 0 if baseline.given_up(whole, common) else 2


@contextmanager
def group(libvirtd: PrivateLibvirtd, **cpus: str) -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        conn = stack.enter_context(connect(libvirtd.uri)).conn
        yield {
            name: SimpleNamespace(conn=Elsewhere(conn, cpu), libvirt_version=9_000_000)
            for name, cpu in cpus.items()
        }


ASKED = baselining.Asked("x86_64", None, "kvm")


def test_a_newer_host_gives_up_what_the_older_lacks(libvirtd: PrivateLibvirtd) -> None:
    with group(libvirtd, rome=ROME, milan=MILAN) as hosts:
        told = baselining.told(hosts, ASKED)
    # Which name the model has goes by what this machine's QEMU can run; what it has does not.
    policies = {one["name"]: one["policy"] for one in told["cpu"]["features"]}
    assert policies.get("svm") in (None, "disable") and "invtsc" not in policies
    assert policies["x2apic"] == "require"
    given_up = {one["name"]: one["gives_up"] for one in told["hosts"]}
    assert given_up["rome"] == []
    assert "tsc-deadline" in given_up["milan"]


def test_hosts_of_different_vendors_have_nothing_in_common(libvirtd: PrivateLibvirtd) -> None:
    with group(libvirtd, rome=ROME, lake=SKYLAKE) as hosts, pytest.raises(Exception) as raised:
        baselining.told(hosts, ASKED)
    assert "no model runs on CPUs of different vendors" in str(raised.value)


def test_a_model_that_one_host_cannot_run_is_not_told(libvirtd: PrivateLibvirtd) -> None:
    with group(libvirtd, rome=ROME, milan=MILAN) as hosts:
        hosts["rome"].conn.compareHypervisorCPU = lambda *_of: 0
        with pytest.raises(FleetError) as raised:
            baselining.told(hosts, ASKED)
    assert "rome cannot run " in str(raised.value)
    assert "milan cannot run " not in str(raised.value)
