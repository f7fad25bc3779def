"""`wait_for`: a run that goes on until its guest has an address, an agent, an sshd, or gives up."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.inventory.reader import read
from support.guest import COMMAND_LINE, TinyGuest, provide
from support.module_server import ModuleServer
from support.private_libvirtd import IMAGES, PrivateLibvirtd

GUEST_FILES = IMAGES / "tiny-guest"
LONG_S = 600
NETWORK = """
<network><name>{name}</name><forward mode='nat'/>
  <ip address='198.51.100.1' prefix='24'>
    <dhcp><range start='198.51.100.2' end='198.51.100.99'/></dhcp></ip></network>
"""
SSHD = "while :; do echo SSH-2.0-tiny | nc -l -p 22; done"
# Opens the channel of the agent, and answers what libvirt asks first and what it asks then.
AGENT = """
port=$(grep -l org.qemu.guest_agent.0 /sys/class/virtio-ports/*/name | cut -d/ -f5)
exec 3<>"/dev/$port"
while :; do
    read -r line <&3 || sleep 0.2
    case $line in
        *guest-sync*) echo "{\\"return\\": $(echo "$line" | tr -dc 0-9)}" >&3 ;;
        *guest-network-get-interfaces*) echo '{"return": []}' >&3 ;;
    esac
done
"""


class Waits:
    """A VM of this test's own, on a network with DHCP."""

    def __init__(self, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> None:
        self.libvirtd, self.modules = libvirtd, modules
        self.network, self.name = f"{prefix}net", f"{prefix}vm"
        self.guest = TinyGuest(self.name, libvirtd.uri, libvirtd.outside)

    def declared(self, **options: Any) -> dict[str, Any]:
        return {
            "name": self.name,
            "virt_type": "qemu",
            "memory": {"size": "128MiB"},
            "nics": [{"name": "lan", "vswitch": self.network}],
            "wait_timeout_s": LONG_S,
            **options,
        }

    def run(self, check: bool = False, **options: Any) -> dict[str, Any]:
        return self.modules.run("vm", self.declared(**options), check)

    def done(self, **options: Any) -> dict[str, Any]:
        """A run that succeeds."""
        done = self.run(**options)
        assert not done.get("failed"), done.get("msg")
        return done

    def in_background(self, script: str) -> None:
        quoted = shlex.quote(script)
        self.guest.shell(f"setsid sh -c {quoted} </dev/null >/dev/null 2>&1 &")


@pytest.fixture
def waits(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> Iterator[Waits]:
    waits = Waits(libvirtd, modules, prefix)
    libvirtd.run(["virsh", "net-define", "/dev/stdin"], stdin=NETWORK.format(name=waits.network))
    libvirtd.virsh("net-start", waits.network)
    yield waits


def test_check_mode_says_that_it_would_wait(waits: Waits) -> None:
    told = waits.run(check=True, state="running", wait_for="address")
    assert told["wait"] == {"for": "address", "timeout_s": LONG_S}
    assert told["summary"].endswith(f"; then waits for address: vm/{waits.name}")
    assert told["diff"][-1]["prepared"] == f"{told['summary']}\n"


def test_what_could_never_come_is_refused_before_anything_is_made(waits: Waits) -> None:
    for what, nics, said in (("agent", None, "agent: true"), ("ssh", [], "has no NIC")):
        options = {} if nics is None else {"nics": nics}
        for check in (True, False):
            told = waits.run(check=check, state="running", wait_for=what, **options)
            assert said in told["msg"]
    assert waits.name not in waits.libvirtd.virsh("list", "--all", "--name")
    # One that is not to run waits for nothing.
    assert "wait" not in waits.done(state="stopped", wait_for="agent")


def test_one_that_does_not_come_in_time_is_made_and_told(waits: Waits) -> None:
    told = waits.run(state="running", wait_for="address", wait_timeout_s=3, agent=True)
    assert told["failed"] and told["changed"]
    assert "is made and runs, but got no address within 3 s" in told["msg"]
    assert "nobody in the guest opened the channel" in told["msg"]
    assert told["vm"]["state"] == "running"
    assert (told["wait"]["address"], told["wait"]["addresses"]) == (None, [])
    again = waits.run(state="running", wait_for="address", wait_timeout_s=1, agent=True)
    assert again["failed"] and not again["changed"]


def test_of_many_those_that_run_are_waited_for(waits: Waits) -> None:
    vms = [
        waits.declared(name=f"{waits.name}-{state}", state=state, wait_timeout_s=2)
        for state in ("running", "paused")
    ]
    for number, vm in enumerate(vms):
        vm.update(wait_for="address", nics=[*vm["nics"][:1]], tags={"n": str(number)})
    told = waits.modules.run("host_config", {"vms": vms}, False)
    by_name = {one["resource"].rpartition("-")[2]: one for one in told["results"]}
    assert "got no address within 2 s" in by_name["running"]["error"]
    assert by_name["running"]["wait"]["for"] == "address"
    assert not {"error", "wait"} & set(by_name["paused"])


@pytest.mark.boots_guest
def test_an_address_an_agent_and_an_sshd_are_waited_for(waits: Waits) -> None:
    provide(waits.libvirtd.outside(GUEST_FILES))
    boots = {
        "state": "running",
        "agent": True,
        "channels": [{"name": "org.kvm.fleet.guest.0"}],
        "boot": {
            "kernel": f"{GUEST_FILES}/vmlinuz",
            "initrd": f"{GUEST_FILES}/initramfs.img",
            "cmdline": COMMAND_LINE,
        },
    }
    first = waits.done(wait_for="address", **boots)
    address = first["wait"]["address"]
    assert address == waits.guest.wait_address()
    assert first["wait"]["addresses"][0]["sources"][0] == "lease"
    again = waits.done(wait_for="address", **boots)
    assert not again["changed"] and again["wait"]["address"] == address

    refused = waits.run(wait_for="ssh", **{**boots, "wait_timeout_s": 2})
    assert f"{address} port 22: Connection refused" in refused["msg"]
    waits.in_background(SSHD)
    assert waits.done(wait_for="ssh", **boots)["wait"]["address"] == address

    waits.in_background(AGENT)
    told = waits.done(wait_for="agent", **boots)["wait"]
    assert (told["guest_agent"], told["address"]) == ("connected", address)

    # The inventory knows the same, for which it asks the agent on a connection of its own.
    *_earlier, last = read(waits.libvirtd.uri, ("lease", "agent"))
    [vm] = [one for one in last["vms"] if one["kvm_name"] == waits.name]
    assert (vm["kvm_guest_agent"], last["warnings"]) == ("connected", [])
    assert [one["address"] for one in vm["kvm_addresses"]] == [address]

    # The lease is remembered, and is not taken for an address of a guest that never asked again.
    waits.done(state="stopped", shutdown={"timeout_s": LONG_S})
    began = time.monotonic()
    boot = {"kernel": "", "initrd": "", "cmdline": ""}
    old = waits.run(state="running", wait_for="address", wait_timeout_s=4, boot=boot)
    assert "got no address within 4 s" in old["msg"], old
    assert time.monotonic() - began >= 4
    leases = waits.libvirtd.virsh("net-dhcp-leases", waits.network)
    assert address in leases
