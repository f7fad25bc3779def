"""The module host_config on a real libvirtd: order, errors of single items, and pruning."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from support.module_server import ModuleServer
from support.observer import Observer
from support.private_libvirtd import PrivateLibvirtd

Args = dict[str, Any]
Result = dict[str, Any]


class Declared:
    """What a host is declared to carry, and runs of that."""

    def __init__(
        self, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, folder: Path
    ) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.prefix = prefix
        self.folder = folder
        self.pool = {"name": f"{prefix}pool", "type": "dir", "path": f"{folder}/pool"}
        self.switch = {"name": f"{prefix}net", "type": "isolated"}

    def vm(self, name: str, **options: Any) -> Args:
        memory = {"size": "64MiB"}
        return {"name": self.prefix + name, "virt_type": "qemu", "memory": memory, **options}

    def on_all(self, name: str) -> Args:
        """A VM that needs a pool, a volume and a vswitch."""
        disks = [{"name": "root", "pool": self.pool["name"], "capacity": "2MiB"}]
        nics = [{"name": "lan", "vswitch": self.switch["name"]}]
        return self.vm(name, disks=disks, nics=nics)

    def run(self, check: bool = False, **sections: Any) -> Result:
        return self.modules.run("host_config", sections, check)

    def converge(self, **sections: Any) -> Result:
        """A run that does what check mode said, after which there is nothing to do."""
        predicted = self.run(check=True, **sections)
        done = self.run(**sections)
        assert not done.get("failed"), done["msg"]
        assert (predicted["plan"], predicted["diff"]) == (done["plan"], done["diff"])
        again = self.run(**sections)
        assert (again["changed"], again["plan"]) == (False, []), again
        return done

    def names(self) -> set[str]:
        """The VMs and networks of this test that libvirt has."""
        listed = [self.libvirtd.virsh(f"{kind}list", "--all", "--name") for kind in ("", "net-")]
        found = {name for names in listed for name in names.split()}
        return {name[len(self.prefix) :] for name in found if name.startswith(self.prefix)}


@pytest.fixture
def host(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path) -> Declared:
    return Declared(libvirtd, modules, prefix, images)


def order(done: Result) -> list[str]:
    """The kinds of what changed, in the order of the plan, each once in a row."""
    kinds = [change["resource"].split("/")[0] for change in done["plan"]]
    return [kind for at, kind in enumerate(kinds) if at == 0 or kinds[at - 1] != kind]


def test_what_is_needed_comes_first_whatever_the_order(host: Declared) -> None:
    pool = host.pool["name"]
    volumes = [
        {"pool": pool, "name": "clone", "backing": {"volume": "copy"}},
        {"pool": pool, "name": "copy", "copy_of": {"volume": "base"}},
        {"pool": pool, "name": "base", "capacity": "4MiB"},
    ]
    disks = [{"name": "root", "pool": pool, "volume": "clone"}]
    vm = {**host.on_all("vm"), "disks": disks}
    done = host.converge(
        vms=[vm], vswitches=[host.switch], storage_volumes=volumes, storage_pools=[host.pool]
    )
    assert order(done) == ["storage_pool", "storage_volume", "vswitch", "vm"]
    made = [
        c["resource"] for c in done["plan"] if c["field"] == "state" and "volume" in c["resource"]
    ]
    assert [name.rpartition("/")[2] for name in made] == ["base", "copy", "clone"]


def test_what_goes_goes_after_who_used_it(host: Declared) -> None:
    volume = {"pool": host.pool["name"], "name": "data", "capacity": "2MiB"}
    disks = [{"name": "data", "pool": host.pool["name"], "volume": "data"}]
    vm = {**host.on_all("vm"), "disks": disks}
    host.converge(
        storage_pools=[host.pool], storage_volumes=[volume], vswitches=[host.switch], vms=[vm]
    )
    done = host.converge(
        storage_volumes=[{**volume, "state": "absent"}],
        vswitches=[{**host.switch, "state": "absent"}],
        vms=[{"name": vm["name"], "state": "absent"}],
        storage_pools=[{"name": host.pool["name"], "state": "absent"}],
    )
    assert order(done) == ["vm", "vswitch", "storage_volume", "storage_pool"]
    assert host.names() == set()


def test_a_volume_goes_when_its_vm_lets_it_go_in_the_same_run(host: Declared) -> None:
    host.converge(storage_pools=[host.pool], vswitches=[host.switch], vms=[host.on_all("vm")])
    name = f"{host.prefix}vm-root.qcow2"
    volume = {"pool": host.pool["name"], "name": name, "state": "absent"}
    refused = host.run(storage_volumes=[volume])
    assert refused["failed"] and f"is used by {host.prefix}vm" in refused["msg"]
    vm = {"name": f"{host.prefix}vm", "disks": [{"name": "root", "state": "absent"}]}
    host.converge(storage_volumes=[volume], vms=[vm])
    assert not host.libvirtd.outside(f"{host.folder}/pool/{name}").exists()


def test_an_image_goes_with_its_clones(host: Declared) -> None:
    pool = host.pool["name"]
    base = {"pool": pool, "name": "base", "capacity": "2MiB"}
    clone = {"pool": pool, "name": "clone", "backing": {"volume": "base"}}
    disks = [{"name": "root", "pool": pool, "backing": {"volume": "clone"}}]
    vm = {**host.on_all("vm"), "disks": disks}
    host.converge(
        storage_pools=[host.pool],
        storage_volumes=[base, clone],
        vswitches=[host.switch],
        vms=[vm],
    )
    gone = [{**volume, "state": "absent"} for volume in (base, clone)]
    refused = host.run(storage_volumes=gone)
    assert refused["failed"] and "vm-root.qcow2 stands on" in refused["msg"]
    host.converge(
        storage_volumes=gone,
        vms=[{"name": vm["name"], "state": "absent", "remove_storage": True}],
    )
    assert list(host.libvirtd.outside(f"{host.folder}/pool").iterdir()) == []


def test_what_a_vm_could_not_let_go_stays(host: Declared) -> None:
    """A VM without a system does not answer its power button; only the run can find that out."""
    pool = host.pool["name"]
    volume = {"pool": pool, "name": "data", "capacity": "2MiB"}
    disks = [{"name": "data", "pool": pool, "volume": "data"}]
    vm = {**host.on_all("vm"), "disks": disks, "state": "running"}
    host.converge(
        storage_pools=[host.pool], storage_volumes=[volume], vswitches=[host.switch], vms=[vm]
    )
    goes = {
        "storage_volumes": [{**volume, "state": "absent"}],
        "vswitches": [{**host.switch, "state": "absent"}],
        "vms": [{"name": vm["name"], "state": "absent", "shutdown": {"timeout_s": 1}}],
        "storage_pools": [{"name": pool, "state": "absent"}],
    }
    done = host.run(**goes)
    assert done["failed"] and not done["changed"]
    assert f"vm/{vm['name']} uses it and could not be changed" in done["msg"]
    assert host.names() == {"net", "vm"}
    assert host.libvirtd.outside(f"{host.folder}/pool/data").exists()
    goes["vms"][0]["shutdown"]["on_timeout"] = "power_off"
    host.converge(**goes)
    assert host.names() == set()


def test_one_failure_stops_only_what_needs_it(host: Declared) -> None:
    """The folder of a pool cannot be made: only the run can find that out."""
    host.libvirtd.outside(f"{host.folder}/file").write_text("no folder")
    broken = {"name": f"{host.prefix}broken", "type": "dir", "path": f"{host.folder}/file/pool"}
    disks = [{"name": "root", "pool": broken["name"], "capacity": "1MiB"}]
    done = host.run(
        storage_pools=[broken, host.pool],
        storage_volumes=[{"pool": broken["name"], "name": "lost", "capacity": "1MiB"}],
        vswitches=[host.switch],
        vms=[host.vm("needs", disks=disks), host.on_all("well")],
    )
    assert done["failed"] and done["changed"]
    assert {one["resource"] for one in done["results"] if "error" in one} == {
        f"storage_pool/{broken['name']}",
        f"storage_volume/{broken['name']}/lost",
        f"storage_volume/{broken['name']}/{host.prefix}needs-root.qcow2",
        f"vm/{host.prefix}needs",
    }
    assert host.names() == {"net", "well"}
    assert len(done["errors"]) == 4 and "which failed" in done["msg"]
    host.libvirtd.outside(f"{host.folder}/file").unlink()
    host.converge(
        storage_pools=[broken, host.pool],
        storage_volumes=[{"pool": broken["name"], "name": "lost", "capacity": "1MiB"}],
        vms=[host.vm("needs", disks=disks)],
    )


def test_every_item_has_its_result(host: Declared) -> None:
    declared: Args = {"storage_pools": [host.pool], "vswitches": [host.switch]}
    host.converge(**declared)
    done = host.converge(**declared, vms=[host.on_all("vm")])
    told = {
        one["resource"].split("/")[0]: (one["action"], one["changed"]) for one in done["results"]
    }
    assert told == {
        "storage_pool": ("none", False),
        "storage_volume": ("create", True),
        "vswitch": ("none", False),
        "vm": ("create", True),
    }


def test_defaults_are_as_if_each_vm_said_them(host: Declared) -> None:
    disk = {"name": "root", "pool": host.pool["name"], "capacity": "2MiB"}
    nic = {"name": "lan", "vswitch": host.switch["name"]}
    shared = {"virt_type": "qemu", "memory": {"size": "64MiB"}, "disks": [disk], "nics": [nic]}
    web = {"name": f"{host.prefix}web"}
    db = {"name": f"{host.prefix}db", "disks": [{"name": "root", "capacity": "3MiB"}], "nics": []}
    around = {"storage_pools": [host.pool], "vswitches": [host.switch]}
    done = host.converge(**around, vms=[web, db], vm_defaults=shared)
    assert "vm_defaults" not in str((done["plan"], done["diff"], done["results"]))
    larger = {**disk, "capacity": "3MiB"}
    said = [{**shared, **web}, {**shared, **db, "disks": [larger], "nics": [nic]}]
    assert not host.run(**around, vms=said)["changed"]
    nowhere = {**shared, "nics": [{"name": "lan", "vswitch": "nowhere"}]}
    refused = host.run(
        **around, vms=[web, {**db, "nics": [nic]}, host.vm("c")], vm_defaults=nowhere
    )
    assert refused["errors"] == [refused["msg"]], refused["msg"]
    assert refused["msg"].startswith("vm_defaults.nics.lan.vswitch: ")
    refused = host.run(**around, vms=[web, db], vm_defaults={**shared, "clock": "cest"})
    assert refused["errors"] == [refused["msg"]] and "vm_defaults: " in refused["msg"]


# ---- pruning


@pytest.fixture
def carried(host: Declared) -> Declared:
    """Three VMs and two vswitches, one of each protected, and a VM and a vswitch of others."""
    protected = {**host.switch, "name": f"{host.prefix}kept", "protected": True}
    vms = [host.on_all("a"), host.vm("b"), host.vm("precious", protected=True)]
    host.converge(storage_pools=[host.pool], vswitches=[host.switch, protected], vms=vms)
    domain = f"""<domain type='qemu'><name>{host.prefix}foreign</name><memory>65536</memory>
        <os><type>hvm</type></os></domain>"""
    network = f"<network><name>{host.prefix}theirs</name></network>"
    host.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=domain)
    host.libvirtd.run(["virsh", "net-define", "/dev/stdin"], stdin=network)
    return host


OTHERS = {"precious", "kept", "foreign", "theirs"}


def gone(done: Result) -> set[str]:
    """What a plan removes."""
    return {c["resource"] for c in done["plan"] if (c["field"], c["after"]) == ("state", "absent")}


def test_without_prune_all_stays(carried: Declared, observer: Observer) -> None:
    with observer.unchanged():
        for lists in ({}, {"vms": [], "vswitches": []}):
            done = carried.run(storage_pools=[carried.pool], **lists)
            assert not done["changed"], done


def test_prune_keeps_to_the_lists_that_are_given(carried: Declared) -> None:
    done = carried.run(storage_pools=[carried.pool], prune=True)
    assert not done["changed"] and "vms, vswitches and resource_pools are not" in str(
        done["warnings"]
    )
    done = carried.converge(vms=[carried.vm("b")], prune=True)
    assert gone(done) == {f"vm/{carried.prefix}a"}
    assert carried.names() == {"b", "net", *OTHERS}
    done = carried.converge(vswitches=[], prune={"empty": True})
    assert gone(done) == {f"vswitch/{carried.prefix}net"}
    assert carried.names() == {"b", *OTHERS}


def test_prune_takes_nothing_for_an_empty_list(carried: Declared, observer: Observer) -> None:
    """A variable that is empty by mistake, or a list of nothing but what goes."""
    absent = {"name": f"{carried.prefix}b", "state": "absent"}
    with observer.unchanged():
        for vms in ([], [absent]):
            done = carried.run(vms=vms, vswitches=[carried.switch], prune=True)
            assert done["failed"] and "prune: {empty: true}" in done["msg"], done


def test_prune_never_takes_storage(carried: Declared) -> None:
    done = carried.converge(vms=[], prune={"empty": True})
    assert carried.names() == {"net", *OTHERS}
    assert f"vm/{carried.prefix}precious, which is not declared: it is protected" in str(
        done["warnings"]
    )
    assert f"{carried.prefix}pool" in carried.libvirtd.virsh("pool-list", "--name").split()
    volume = carried.libvirtd.outside(f"{carried.folder}/pool/{carried.prefix}a-root.qcow2")
    assert volume.exists()


def test_prune_stops_at_its_limit(carried: Declared, observer: Observer) -> None:
    everything = {"vms": [], "vswitches": [], "prune": {"empty": True}}
    with observer.unchanged():
        for check in (True, False):
            done = carried.run(check=check, **everything, prune_limit=2)
            assert done["failed"] and "prune would remove 3 things" in done["msg"]
            assert "set prune_limit to 3" in done["msg"]
            for name in ("vm/{}a", "vm/{}b", "vswitch/{}net"):
                assert name.format(carried.prefix) in done["msg"]
    carried.converge(**everything, prune_limit=3)
    assert carried.names() == OTHERS


def test_what_loses_its_protection_is_pruned(carried: Declared) -> None:
    precious = {"name": f"{carried.prefix}precious", "protected": False}
    carried.converge(vms=[precious, carried.vm("b")], vswitches=[carried.switch], prune=True)
    carried.converge(vms=[carried.vm("b")], vswitches=[carried.switch], prune=True)
    assert carried.names() == {"b", "net", "kept", "foreign", "theirs"}


def test_what_a_vm_that_stays_is_on_is_not_pruned(carried: Declared, observer: Observer) -> None:
    lists = {"vms": [carried.on_all("a"), carried.vm("b")], "vswitches": []}
    with observer.unchanged():
        done = carried.run(**lists, prune={"empty": True})
    assert done["failed"]
    assert f"would go by prune and is used by {carried.prefix}a; declare it" in done["msg"]
    carried.converge(**{**lists, "vswitches": [carried.switch]}, prune=True)


def test_a_vm_that_runs_is_asked_to_shut_down(carried: Declared) -> None:
    """As a VM that is declared absent; pruning itself switches nothing off."""
    carried.libvirtd.virsh("start", f"{carried.prefix}b")
    kept = {"vms": [carried.on_all("a")], "vswitches": [carried.switch]}
    predicted = carried.run(check=True, **kept, prune=True)
    [change] = predicted["plan"]
    assert (change["resource"], change["before"]) == (f"vm/{carried.prefix}b", "running")
    assert change["note"] == "pruned, shutdown, its disks stay"


def test_a_clone_by_another_program_is_not_pruned(carried: Declared) -> None:
    """It has all of the metadata, the mark too, and another UUID."""
    redefine = {"vm": ("dumpxml", "define"), "vswitch": ("net-dumpxml", "net-define")}
    for kind, name in (("vm", "b"), ("vswitch", "net")):
        dump, define = redefine[kind]
        xml = carried.libvirtd.virsh(dump, "--inactive", carried.prefix + name)
        xml = xml.replace(f"<name>{carried.prefix}{name}<", f"<name>{carried.prefix}{name}-clone<")
        xml = re.sub("<(uuid|bridge|mac).*", "", xml)
        carried.libvirtd.run(["virsh", define, "/dev/stdin"], stdin=xml)
    carried.libvirtd.virsh("domrename", f"{carried.prefix}a", f"{carried.prefix}old")
    told = {v["name"]: v["managed"] for v in carried.modules.run("vm_info", {})["vms"]}
    assert told[f"{carried.prefix}b"] and not told[f"{carried.prefix}b-clone"]
    done = carried.converge(
        vms=[carried.vm("c")], vswitches=[carried.switch], prune={"empty": True}
    )
    assert gone(done) == {f"vm/{carried.prefix}b"}
    assert f"vm/{carried.prefix}old, which is not declared: somebody renamed it" in str(
        done["warnings"]
    )
    assert carried.names() == {"b-clone", "c", "old", "net", "net-clone", *OTHERS}


def test_two_tasks_on_one_host_prune_each_their_own(host: Declared) -> None:
    shop = {"vms": [host.vm("web"), host.vm("db")], "prune": {"scope": "shop"}}
    blog = {"vms": [host.vm("blog")], "vswitches": [host.switch], "prune": {"scope": "blog"}}
    plain = {"vms": [host.vm("plain")], "prune": True}
    for task in (shop, blog, plain):
        host.converge(**task)
    assert host.names() == {"web", "db", "blog", "plain", "net"}
    for task in (shop, blog, plain):
        assert not host.run(**task)["changed"]
    done = host.converge(vms=[host.vm("web")], prune={"scope": "shop"})
    assert gone(done) == {f"vm/{host.prefix}db"}
    [change] = host.converge(vms=[host.vm("plain")], prune={"scope": "blog", "empty": True})[
        "plan"
    ][:1]
    assert change["resource"] == f"vm/{host.prefix}blog"
    assert host.names() == {"web", "plain", "net"}


def test_what_a_task_adopts_gets_its_scope_as_a_change(host: Declared) -> None:
    host.converge(vms=[host.vm("web")], vswitches=[host.switch])
    done = host.converge(vms=[host.vm("web")], vswitches=[host.switch], prune={"scope": "shop"})
    told = [(c["resource"], c["field"], c["after"]) for c in done["plan"]]
    assert told == [
        (f"vswitch/{host.switch['name']}", "scope", "shop"),
        (f"vm/{host.prefix}web", "scope", "shop"),
    ]
    done = host.run(vms=[{**host.vm("web"), "scope": "blog"}], prune={"scope": "shop"})
    assert f"vm/{host.prefix}web scope: is 'blog', and the task prunes" in done["msg"]


def test_prune_goes_by_tags(host: Declared) -> None:
    shop, blog = {"owner": "shop", "tier": "1"}, {"owner": "blog", "tier": "1"}
    host.converge(vms=[host.vm("web", tags=shop), host.vm("db", tags=blog), host.vm("bare")])
    done = host.converge(vms=[], prune={"tags": {"owner": "shop", "tier": 1}, "empty": True})
    assert gone(done) == {f"vm/{host.prefix}web"}
