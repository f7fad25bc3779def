"""Pools, volumes and disks on a real Ceph: what is said of them, and what `rbd` sees."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import ceph as clusters
from support.ceph import CLIENT, POOL, SERVER, Ceph
from support.counting_guest import counted, make_image
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd, wait_until

pytestmark = pytest.mark.long(
    together=True,
    touched_by=r"plugins/.*(storage_pool/(ground|meanings)|storage_volume/(network|design|reader"
    r"|applier_changed)|storage_uses|images/servers|reaching)|tests/support/ceph",
)

FOLDER = Path("/run/kvm-fleet/ceph")
GIVEN_UP_S = 45.0  # libvirt waits for Ceph for 30 s
MIB = 2**20
Result = dict[str, Any]


@pytest.fixture(scope="module")
def cluster(private_libvirtd: PrivateLibvirtd) -> Iterator[Ceph]:
    if reason := clusters.why_not_here():
        pytest.skip(reason)
    with clusters.running(private_libvirtd, FOLDER) as ceph:
        yield ceph


class Host:
    """A host with a secret for a Ceph, on which one test declares things."""

    def __init__(
        self, ceph: Ceph, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str
    ) -> None:
        self.ceph, self.libvirtd, self.modules = ceph, libvirtd, modules
        self.pool, self.vm, self.secret = f"{prefix}pool", f"{prefix}vm", f"{prefix}key"
        self.image = f"{prefix}image"
        self.declare("secret", name=self.secret, type="ceph", value=ceph.key(), private=True)

    def declare(self, module: str, **args: Any) -> Result:
        """Declare something: check mode says what is done, and a second run does nothing."""
        planned = self.modules.run(module, args, check=True)
        done = self.modules.run(module, args)
        assert not done.get("failed"), done["msg"]
        assert (planned["plan"], planned["changed"]) == (done["plan"], done["changed"])
        again = self.modules.run(module, args)
        known = args.get("value") is None or not args.get("private")
        assert (again["changed"], again["plan"]) == (False, []) or not known
        return done

    def refused(self, module: str, **args: Any) -> str:
        """What check mode says of what cannot be; a run says the same."""
        planned, done = (self.modules.run(module, args, check) for check in (True, False))
        assert planned.get("failed") and planned["errors"] == done["errors"], (planned, done)
        return str(done["msg"])

    def has_pool(self, **options: Any) -> Result:
        return self.declare("storage_pool", **self.pool_of(**options))

    def pool_of(
        self, source: str = POOL, hosts: Any = None, auth: Any = None, **options: Any
    ) -> dict[str, Any]:
        auth = auth or {"type": "ceph", "username": CLIENT, "secret": self.secret}
        said = {"name": source, "hosts": hosts or [{"name": SERVER}], "auth": auth}
        return {"name": self.pool, "type": "rbd", "state": "active", "source": said, **options}

    def cannot_start(self, **options: Any) -> str:
        """What a run says before it has done anything, and check mode as a warning: by then an
        earlier task may have made what is missing."""
        planned = self.modules.run("storage_pool", self.pool_of(**options), check=True)
        done = self.modules.run("storage_pool", self.pool_of(**options))
        assert done.get("failed") and not planned.get("failed")
        assert "does not answer on port" in str(planned["warnings"])
        return str(done["msg"])

    def volume(self, **options: Any) -> dict[str, Any]:
        return {"pool": self.pool, "name": self.image, **options}

    def disk(self, name: str) -> dict[str, Any]:
        """A disk of a VM on an image."""
        said = {
            "protocol": "rbd",
            "name": f"{POOL}/{name}",
            "hosts": [{"name": SERVER}],
            "auth": {"username": CLIENT, "secret": self.secret},
        }
        return {"name": "root", "format": "raw", "network": said}

    def pools(self) -> str:
        return self.libvirtd.virsh("pool-list", "--all", "--name")


@pytest.fixture
def host(
    cluster: Ceph, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str
) -> Iterator[Host]:
    host = Host(cluster, libvirtd, modules, prefix)
    yield host
    libvirtd.try_run(["virsh", "destroy", host.vm])
    cluster.empty()


# ---- pools


def test_a_pool_comes_changes_and_leaves_its_images(host: Host) -> None:
    done = host.has_pool()
    assert done["storage_pool"]["capacity_bytes"] == clusters.MEMORY_BYTES
    host.ceph.rbd("create", host.image, "--size", "8M")
    two = [{"name": SERVER}, {"name": "localhost", "port": clusters.PORT}]
    waits = host.modules.run("storage_pool", host.pool_of(hosts=two))
    assert waits["changed"] and waits["pending_restart"]
    host.has_pool(hosts=two, apply="restart")
    assert "localhost" in host.libvirtd.virsh("pool-dumpxml", host.pool)
    host.declare("storage_pool", name=host.pool, state="absent")
    assert host.ceph.images() == {host.image: 8 * MIB}


WRONG_KEY = "Ceph does not let the host in"
AT_THE_START = {
    "another key": ({"secret": "bad"}, {}, f"source.auth: libvirt did not start it: {WRONG_KEY}"),
    "another user": ({"username": "nobody"}, {}, WRONG_KEY),
    "no such pool": ({}, {"source": "nowhere"}, "source.name: libvirt did not start it: Ceph has"),
}


@pytest.mark.parametrize("case", AT_THE_START)
def test_what_ceph_refuses_at_the_start(host: Host, case: str) -> None:
    own, options, why = AT_THE_START[case]
    value = clusters.another_key()
    host.declare("secret", name=f"{host.secret}bad", type="ceph", value=value)
    secret = host.secret + own.get("secret", "")
    auth = {"type": "ceph", "username": CLIENT, **own, "secret": secret}
    done = host.modules.run("storage_pool", host.pool_of(auth=auth, **options))
    assert why in done["msg"] and host.pool not in host.pools()
    assert value not in str(done)


def test_monitors_that_do_not_answer_are_told_in_the_plan(host: Host) -> None:
    for server, port, why in (
        (SERVER, 1, "does not answer on port 1 (it refuses connections)"),
        ("mon.invalid", None, "mon.invalid does not answer on port 3300 or 6789"),
    ):
        hosts = [{"name": server, **({"port": port} if port else {})}]
        assert why in host.cannot_start(hosts=hosts)
    with host.ceph.silent("mon"):
        began = time.monotonic()
        said = host.cannot_start()
        assert "does not answer on port 3300 or 6789 (it says nothing)" in said
        assert time.monotonic() - began < GIVEN_UP_S
    assert host.pool not in host.pools()
    # One that answers is enough.
    host.has_pool(hosts=[{"name": "localhost", "port": 1}, {"name": SERVER}])


# ---- volumes


def test_a_volume_comes_grows_and_goes(host: Host) -> None:
    host.has_pool()
    host.declare("storage_volume", **host.volume(capacity="16MiB"))
    assert host.ceph.images() == {host.image: 16 * MIB}
    host.declare("storage_volume", **host.volume(capacity="24MiB"))
    assert host.ceph.images() == {host.image: 24 * MIB}
    for options, why in (
        ({"capacity": "8MiB"}, "would shrink to 8MiB"),
        ({"capacity": "8MiB", "shrink": True}, "rbd resize --allow-shrink"),
        ({"name": "new", "capacity": "8MiB", "format": "qcow2"}, "cannot be qcow2"),
        ({"name": "new", "capacity": "8MiB", "provisioning": "thick"}, "thick is not possible"),
        ({"name": "new", "image": "/etc/hostname"}, "rbd import"),
        ({"state": "absent", "wipe": True}, "overwrites no volume"),
    ):
        assert why in host.refused("storage_volume", **host.volume(**options))
    host.declare("storage_volume", **host.volume(state="absent"))
    assert host.ceph.images() == {}


def test_a_copy_is_a_clone_of_what_then_stays(host: Host, images: Path) -> None:
    host.has_pool()
    host.declare("storage_volume", **host.volume(capacity="8MiB"))
    copy = {"pool": host.pool, "name": "copy"}
    done = host.declare("storage_volume", **copy, copy_of={"volume": host.image})
    assert "rbd flatten" in str(done["warnings"])
    assert f"{POOL}/{host.image}@" in host.ceph.rbd("info", "copy")
    kept = host.modules.run("storage_volume", host.volume(state="absent"))
    assert f"rbd children --all {POOL}/{host.image}" in kept["msg"]
    host.ceph.rbd("flatten", "--no-progress", "copy")
    host.declare("storage_volume", **copy, state="absent")
    files = f"{host.pool}-files"
    host.declare("storage_pool", name=files, type="dir", path=str(images))
    out = {"pool": files, "name": "a", "copy_of": {"pool": host.pool, "volume": host.image}}
    assert "copies nothing into or out of" in host.refused("storage_volume", **out)


def test_a_silent_ceph_is_waited_for_once(host: Host) -> None:
    host.has_pool()
    for name in ("a", "b", "c"):
        host.declare("storage_volume", pool=host.pool, name=name, capacity="4MiB")
    with host.ceph.silent("osd"):
        began = time.monotonic()
        told = host.modules.run("storage_info", {"pools": [host.pool], "volumes": True})
        assert time.monotonic() - began < GIVEN_UP_S
        [pool] = told["pools"]
        rows = [(one["name"], one["state"], one["orphan"]) for one in pool["volumes"]]
        assert rows == [(name, "unreadable", False) for name in "abc"]
        args = {"pool": host.pool, "name": "a", "capacity": "4MiB"}
        assert "its server does not answer" in host.modules.run("storage_volume", args)["msg"]
    host.has_pool()
    assert host.ceph.images() == dict.fromkeys("abc", 4 * MIB)


# ---- VMs


@pytest.fixture
def guest(host: Host, images: Path) -> Host:
    """A VM that counts on an image in Ceph, and nothing else that it could start from."""
    image = images / "guest.img"
    make_image(host.libvirtd.outside(image), fill_mib=1, form="raw")
    host.ceph.rbd("import", "--no-progress", str(image), host.image)
    host.has_pool()
    declare(host, state="running")
    return host


def declare(host: Host, **options: Any) -> Result:
    base = {"name": host.vm, "virt_type": "qemu", "machine": "pc", "video": "none"}
    memory, disks = {"size": "32MiB"}, [host.disk(host.image)]
    return host.declare("vm", **base, memory=memory, disks=disks, **options)


def count(host: Host, images: Path) -> int:
    """How far the guest has counted, by what Ceph hands out."""
    seen = images / "seen.img"
    host.libvirtd.run(["rm", "-f", str(seen)])
    host.ceph.rbd("export", "--no-progress", host.image, str(seen))
    return counted(host.libvirtd.outside(seen))


def test_what_a_guest_writes_is_in_ceph(guest: Host, images: Path) -> None:
    wait_until(lambda: count(guest, images) > 3, 120, "the guest to count")
    [pool] = guest.modules.run("storage_info", {"pools": [guest.pool], "volumes": True})["pools"]
    [row] = pool["volumes"]
    assert (row["used_by"], row["orphan"]) == ([guest.vm], False)
    guest.declare("storage_volume", **guest.volume(capacity="12MiB"))
    size = guest.libvirtd.virsh("domblkinfo", guest.vm, "vda")
    assert f"{12 * MIB}" in size.splitlines()[0]
    before = count(guest, images)
    wait_until(lambda: count(guest, images) > before, 120, "the guest to count on")
    for module, options, why in (
        ("vm_snapshot", {"name": "before"}, "has snapshots of its own"),
        ("storage_migration", {"disk": "root", "pool": guest.pool}, "no image of this host"),
    ):
        assert why in guest.refused(module, vm=guest.vm, **options)
    kept = guest.modules.run("vm_backup", {"vm": guest.vm, "directory": str(images)})
    assert not kept.get("failed"), kept["msg"]
    [copy] = guest.libvirtd.outside(images).glob(f"{guest.vm}/*/vda.qcow2")
    assert counted(copy) >= before
    gone = guest.volume(state="absent")
    assert f"is used by {guest.vm}" in guest.refused("storage_volume", **gone)
    guest.libvirtd.virsh("destroy", guest.vm)
    # Ceph itself would let it go by now.
    assert f"is used by {guest.vm}" in guest.refused("storage_volume", **gone)
    guest.declare("vm", name=guest.vm, state="absent")
    guest.declare("storage_volume", **gone)
    assert guest.ceph.images() == {}
