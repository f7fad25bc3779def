"""A running VM with a host-model CPU, which libvirt shows as a custom one: nothing waits."""

from __future__ import annotations

from support.module_server import ModuleServer


def test_a_host_model_is_restarted_for_once(modules: ModuleServer, prefix: str) -> None:
    off = {"timeout_s": 1, "on_timeout": "power_off"}
    vm = {"name": f"{prefix}vm", "memory": {"size": "32MiB"}, "virt_type": "qemu", "shutdown": off}
    done = modules.run("vm", {**vm, "state": "running", "cpu": {"model": "qemu64"}})
    assert not done.get("failed"), done["msg"]
    wanted = {**vm, "apply": "restart", "cpu": {"mode": "host-model"}}
    predicted, done = modules.run("vm", wanted, check=True), modules.run("vm", wanted)
    assert not done.get("failed"), done["msg"]
    assert predicted["plan"] == done["plan"] and done["pending_restart"] == []
    again = modules.run("vm", wanted)
    assert not again.get("failed") and again["plan"] == [] and again["pending_restart"] == []
