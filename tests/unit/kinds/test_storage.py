"""Storage without a host: what images say they are, what steps a plan takes, whose a path is."""

from __future__ import annotations

import hashlib
import os
import struct
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import (
    Beside,
    Changed,
    Stepped,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError, FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    CREATE,
    DELETE,
    NONE,
    UPDATE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.units import parse_size
from ansible_collections.kvm.fleet.plugins.module_utils.host import images
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool import (
    kind as storage_pool,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool import used
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool.table import mode, path
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume import (
    applier as storage_volume,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume import reader, volumes
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume.applier_origin import (
    check_not_cut_off,
)
from support import worlds

GIB = 2**30
VOLUME = "<volume><name>v</name></volume>"
LAYOUT = images.Layout(3, 65536, False, False)


def qcow2(version: int = 3, backing: bytes = b"", features: int = 0) -> bytes:
    """The header of a qcow2 image of 1 GiB."""
    backing_at = 112 if backing else 0
    start = struct.pack(">4sIQIIQ", b"QFI\xfb", version, backing_at, len(backing), 16, GIB)
    return start.ljust(72, b"\0") + struct.pack(">Q", features).ljust(40, b"\0") + backing


@pytest.mark.parametrize(
    ("content", "image"),
    [
        (qcow2(), images.Image("qcow2", GIB, layout=LAYOUT)),
        (
            qcow2(version=2, features=0xFFFF),
            images.Image("qcow2", GIB, layout=images.Layout(2)),
        ),
        (qcow2(backing=b"/base"), images.Image("qcow2", GIB, "/base", layout=LAYOUT)),
        (
            qcow2(features=4),
            images.Image("qcow2", GIB, data_file="an external data file", layout=LAYOUT),
        ),
        (b"\0" * 5000, images.Image("raw", 5000)),
        (b"", images.Image("raw", 0)),
        (b"\0" * 0x40 + b"\x7f\x10\xda\xbe", images.Image("vdi", 0x44)),
        (b"KDMV", images.Image("vmdk", 4)),
        (b"\xfd7zXZ\0", images.Image("xz", 6)),
        (b"\x28\xb5\x2f\xfd", images.Image("zstd", 4)),
    ],
)
def test_an_image_says_what_it_is(content: bytes, image: images.Image, tmp_path: Path) -> None:
    file = tmp_path / "image"
    file.write_bytes(content)
    assert images.inspect(str(file)) == image


@pytest.mark.parametrize(
    ("content", "layout"),
    [
        (qcow2(), LAYOUT),
        (qcow2(features=1 << 4), images.Layout(3, 65536, False, True)),
        (qcow2()[:80] + (b"\0" * 7 + b"\1").ljust(32, b"\0"), images.Layout(3, 65536, True, False)),
        (qcow2(version=2, features=0xFFFF), images.Layout(2, 65536, False, False)),
    ],
)
def test_an_image_says_how_it_is_laid_out(
    content: bytes, layout: images.Layout, tmp_path: Path
) -> None:
    file = tmp_path / "image"
    file.write_bytes(content)
    assert images.inspect(str(file)).layout == layout


def test_an_image_says_how_many_snapshots_are_in_it(tmp_path: Path) -> None:
    file = tmp_path / "image"
    header = qcow2(version=2)
    file.write_bytes(header[:60] + b"\0\0\0\3" + header[64:])
    assert images.inspect(str(file)).snapshots == 3


@pytest.mark.parametrize(
    "content",
    [
        qcow2()[:20],
        qcow2()[:82],
        qcow2().replace(b"\0\0\0\x10", b"\0\0\0\x40"),
        qcow2(backing=b"/base" * 2000),
    ],
)
def test_a_broken_header_is_told(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "image"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="its qcow2 header is broken"):
        images.inspect(str(file))


def test_a_digest_is_that_of_the_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "image"
    file.write_bytes(b"fleet" * 500_000)
    assert images.digest(str(file), "sha512") == hashlib.sha512(file.read_bytes()).hexdigest()


# ---- pools and volumes


def pool(kind: str, directory: str = "", device: str = "") -> Have:
    tree = xmltree.parse(f"<pool type='{kind}'><name>p</name></pool>")
    xmltree.put(tree, "target/path", directory or None)
    xmltree.put(tree, "source/device/@path", device or None)
    return Have("storage_pool", "p", tree, tree)


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("dir", {"file": "/srv/v"}),
        ("fs", {"file": "/srv/v"}),
        ("netfs", {"file": "/srv/v"}),
        ("logical", {"device": "/srv/v"}),
        ("disk", {"device": "/srv/v"}),
        ("iscsi", {"pool": "p", "volume": "v"}),
        ("rbd", {"pool": "p", "volume": "v"}),
    ],
)
def test_a_disk_is_named_by_its_path_where_it_has_one(kind: str, source: dict[str, str]) -> None:
    assert volumes.disk_source(pool(kind, "/srv"), "v") == source


def test_the_path_in_a_volume_group_is_known_before_it_exists() -> None:
    assert volumes.volume_path(pool("logical"), "v") == "/dev/p/v"


@pytest.mark.parametrize(
    ("have", "inside", "outside"),
    [
        (pool("dir", "/srv"), "/srv/v", "/srv/below/v"),
        (pool("disk", "/dev", "/dev/sdb"), "/dev/sdb1", "/dev/sdc1"),
        (pool("logical", "/dev/vg"), "/dev/vg/lv", "/dev/vg2/lv"),
    ],
)
def test_a_pool_knows_its_paths(have: Have, inside: str, outside: str) -> None:
    assert used.holds(have, inside)
    assert not used.holds(have, outside)


def test_the_disks_of_a_vm_that_are_in_a_pool() -> None:
    domain = xmltree.parse(
        "<domain><devices>"
        "<disk><source file='/srv/a'/><target dev='vda'/></disk>"
        "<disk><source dev='/dev/x/b'/><target dev='vdb'/></disk>"
        "<disk><source pool='p' volume='c'/><target dev='vdc'/></disk>"
        "<disk><target dev='sda'/></disk>"
        "</devices></domain>"
    )
    assert used.disks_in(pool("dir", "/srv"), domain) == ["vda", "vdc"]


def test_a_volume_that_carries_a_file_system_is_raw_still() -> None:
    tree = xmltree.parse("<volume><target><format type='iso'/></target></volume>")
    assert volumes.format_of(Have("storage_volume", "p/v", tree)) == "raw"


# ---- steps


def plan(action: str, was: str, will: str, *fields: str, **options: Any) -> Plan:
    tree = xmltree.parse("<pool type='dir'><name>p</name></pool>")
    facts = {"state": was, "autostart": False, "persistent": options.pop("persistent", True)}
    restarts = options.get("apply") == "restart"
    have = Have("storage_pool", "p", tree, tree if was == "active" else None, facts)
    live = xmltree.clone(tree) if restarts or was != "active" else tree
    after = Have("storage_pool", "p", tree, live if will == "active" else None, {"state": will})
    types = {"state": Stepped, "autostart": Beside}
    changes = [types.get(field, Changed)("", (field,), None, "") for field in fields]
    wanted = Wanted("storage_pool", "p", "", {}, {"build": True, **options})
    return Plan(wanted, action, have, after, tuple(changes))


@pytest.mark.parametrize(
    ("made", "steps"),
    [
        (
            plan(CREATE, "absent", "active", "type", "autostart", "state"),
            ["define", "autostart", "build", "start"],
        ),
        (plan(CREATE, "absent", "active", "type", build=False), ["define", "start"]),
        (plan(CREATE, "absent", "inactive", "type"), ["define"]),
        (plan(UPDATE, "active", "active", "path"), ["define"]),
        (plan(UPDATE, "active", "active", "autostart"), ["autostart"]),
        (
            plan(UPDATE, "active", "active", "path", apply="restart"),
            ["define", "stop", "build", "start"],
        ),
        (plan(UPDATE, "active", "inactive", "state"), ["stop"]),
        (plan(UPDATE, "inactive", "active", "state"), ["build", "start"]),
        (plan(DELETE, "active", "absent", "state"), ["stop", "undefine"]),
        (plan(DELETE, "inactive", "absent", "state"), ["undefine"]),
        (plan(DELETE, "active", "absent", "state", persistent=False), ["stop"]),
        (plan(NONE, "active", "active"), []),
    ],
)
def test_a_plan_becomes_steps(made: Plan, steps: list[str]) -> None:
    assert used.steps_of(made) == steps


# ---- values


@pytest.mark.parametrize(
    ("given", "value"), [("/a", "/a"), ("//a//b/", "/a/b"), ("/", "/"), ("///", "/")]
)
def test_a_path_is_brought_to_the_form_that_libvirt_has(given: str, value: str) -> None:
    assert path().parse(given) == value


@pytest.mark.parametrize("given", ["/srv/a\nb", "/srv/a\tb", "/srv/a\n"])
def test_a_path_that_no_disk_could_name_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="has a line end"):
        path().parse(given)


@pytest.mark.parametrize(
    "given", ["8192PiB", "9999999PiB", "8191.999999999999999PiB", "9" * 5000 + "B"]
)
def test_a_size_that_nobody_can_count_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"is more than libvirt can count|is no size"):
        parse_size(given)


def test_a_size_below_that_is_one() -> None:
    assert parse_size("8191PiB") == 8191 * 2**50


@pytest.mark.parametrize(("given", "value"), [("711", "0711"), ("0711", "0711"), ("000", "0000")])
def test_a_mode_is_octal(given: str, value: str) -> None:
    assert mode().parse(given) == value


@pytest.mark.parametrize("given", [711, 0o711, "9", "0811", "1711", "", None])
def test_what_is_no_mode_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="is not a mode"):
        mode().parse(given)


# ---- the devices of a volume group


def _declared(kind: str, device: str) -> Wanted:
    params = {"name": "fast", "state": "active", "type": kind}
    return storage_pool.KIND.parse(
        {**params, "source": {"name": "vg", "devices": [{"path": device}]}}
    )[0]


@pytest.fixture
def by_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A lasting name of /dev/null."""
    monkeypatch.setattr(storage_pool, "LINKS", f"{tmp_path}/")
    (tmp_path / "by-id").symlink_to("/dev/null")
    return f"{tmp_path}/by-id"


@pytest.mark.parametrize(("kind", "followed"), [("logical", True), ("zfs", False)])
def test_links_to_the_devices_of_a_volume_group_are_followed(
    kind: str, followed: bool, by_id: str
) -> None:
    here: Any = SimpleNamespace(is_local=True, real_path=os.path.realpath)
    wanted = storage_pool.without_links(_declared(kind, by_id), Have("storage_pool", "fast"), here)
    devices = [key[-1] for key in wanted.values if key[:2] == ("source", "devices")]
    assert devices == ["/dev/null" if followed else by_id]


def test_links_on_another_machine_are_refused(by_id: str) -> None:
    there: Any = SimpleNamespace(is_local=False)
    with pytest.raises(FleetError, match="only the machine itself can follow"):
        storage_pool.without_links(_declared("logical", by_id), Have("storage_pool", "f"), there)


@pytest.mark.parametrize("is_local", [True, False])
def test_links_that_others_stored_are_as_declared(is_local: bool, by_id: str) -> None:
    host: Any = SimpleNamespace(is_local=is_local)
    stored = xmltree.parse(
        f"<pool type='logical'><name>f</name><source><device path='{by_id}'/></source></pool>"
    )
    declared = _declared("logical", by_id)
    assert storage_pool.without_links(declared, Have("storage_pool", "f", stored), host) == declared


def _of_others(**given: Any) -> tuple[Wanted, Have]:
    """A declaration of a pool whose type no option has, and the pool."""
    tree = xmltree.parse("<pool type='gluster'><name>hba</name></pool>")
    facts = {"state": "inactive", "autostart": False, "persistent": True}
    wanted = storage_pool.KIND.parse({"name": "hba", "state": "present", **given})[0]
    return wanted, Have("storage_pool", "hba", tree, None, facts)


def test_a_pool_of_a_type_that_others_made_keeps_its_options() -> None:
    wanted, have = _of_others(source={"name": "n"}, autostart=True)
    with pytest.raises(FleetErrors, match="cannot be changed for a pool of type gluster"):
        storage_pool.KIND.plan(wanted, have, worlds.world({}))


def test_a_pool_of_a_type_that_others_made_can_start_with_its_host() -> None:
    wanted, have = _of_others(autostart=True)
    made = storage_pool.KIND.plan(wanted, have, worlds.world({}))
    assert [change.field for change in made.changes] == [("autostart",)]


# ---- hosts of one name

MONITORS = "".join(f"<host name='mon' port='{port}'/>" for port in (6789, 6790, 3300))


@pytest.mark.parametrize(
    ("going", "refused"),
    [
        (["mon"], r"source.hosts.mon: is to go, but mon#3"),
        (["mon#2"], r"source.hosts.mon#2: is to go, but mon#3"),
        (["mon#3"], ""),
        (["mon#3", "mon#2"], ""),
        (["mon#3", "mon", "mon#2"], ""),
    ],
)
def test_of_hosts_of_one_name_the_last_may_go(going: list[str], refused: str) -> None:
    source = f"<source><host name='other'/>{MONITORS}<name>images</name></source>"
    tree = xmltree.parse(f"<pool type='rbd'><name>ceph</name>{source}</pool>")
    facts = {"state": "inactive", "autostart": False, "persistent": True}
    hosts = [{"name": name, "state": "absent"} for name in going]
    [wanted] = storage_pool.KIND.parse(
        {"name": "ceph", "state": "present", "source": {"hosts": hosts}}
    )
    have = Have("storage_pool", "ceph", tree, None, facts)
    with pytest.raises(FleetErrors, match=refused) if refused else nullcontext():
        plan = storage_pool.KIND.plan(wanted, have, worlds.world({}))
        assert {change.field[-1] for change in plan.changes} == {*going}


# ---- the adapter of a SCSI pool

NAMES = {"wwnn": "20000000c9831b4b", "wwpn": "10000000c9831b4b"}


def _adapter(has: str, **said: Any) -> Any:
    """What comes of it to declare an adapter for a pool that has one of a type."""
    attribute = "name='scsi_host3'" if has == "scsi_host" else "wwnn='{wwnn}' wwpn='{wwpn}'"
    adapter = f"<adapter type='{has}' {attribute.format(**NAMES)}/>"
    tree = xmltree.parse(f"<pool type='scsi'><name>hba</name><source>{adapter}</source></pool>")
    facts = {"state": "inactive", "autostart": False, "persistent": True}
    [wanted] = storage_pool.KIND.parse(
        {"name": "hba", "state": "present", "type": "scsi", "source": {"adapter": said}}
    )
    have = Have("storage_pool", "hba", tree, None, facts)
    return storage_pool.KIND.plan(wanted, have, worlds.world({}))


def test_the_name_of_an_adapter_changes() -> None:
    made = _adapter("scsi_host", type="scsi_host", name="scsi_host4")
    assert [change.field for change in made.changes] == [("source", "adapter", "name")]


@pytest.mark.parametrize(
    ("has", "said", "says"),
    [
        ("scsi_host", {"type": "fc_host", **NAMES}, "is scsi_host and cannot become fc_host"),
        ("scsi_host", {"wwnn": NAMES["wwnn"]}, "wwnn: means nothing for an adapter of type scsi_h"),
        ("fc_host", {"name": "scsi_host3"}, "name: means nothing for an adapter of type fc_host"),
    ],
)
def test_what_an_adapter_does_not_have_is_refused(
    has: str, said: dict[str, str], says: str
) -> None:
    with pytest.raises(FleetErrors, match=says):
        _adapter(has, **said)


@pytest.mark.parametrize("given", ["20000000c9831b4", "20:00:00:00:c9:83:1b:4b", "none"])
def test_what_is_no_world_wide_name_is_refused(given: str) -> None:
    with pytest.raises(FleetErrors, match="is not a name of 16 hexadecimal digits"):
        _adapter("fc_host", wwnn=given)


# ---- while another run makes a volume


class NotFound(reader.libvirt.libvirtError):  # type: ignore[misc, name-defined]
    """What libvirt says of a volume that it cannot find, or whose file it cannot."""

    def __init__(self) -> None:
        super().__init__("no storage vol with matching path")
        self.err = (reader.libvirt.VIR_ERR_NO_STORAGE_VOL, 0, "no storage vol with matching path")


class Coming:
    """A volume whose file is there from the call of a number on, as another run makes it."""

    def __init__(self, since: int) -> None:
        self.calls_left = since

    def _there(self) -> None:
        self.calls_left -= 1
        if self.calls_left >= 0:
            raise NotFound

    def XMLDesc(self, _flags: int) -> str:
        self._there()
        return VOLUME

    def info(self) -> list[int]:
        self._there()
        return [0, GIB, 0]


@pytest.mark.parametrize(("since", "is_seen"), [(0, True), (1, True), (2, False)])
def test_a_volume_that_comes_while_it_is_read_is_no_error(since: int, is_seen: bool) -> None:
    assert (reader.tree_of(Coming(since)) is not None) is is_seen


def test_a_volume_that_cannot_be_read_is_an_error() -> None:
    def refuse(_flags: int) -> str:
        raise NotFound

    with pytest.raises(NotFound):
        reader.tree_of(SimpleNamespace(XMLDesc=refuse, info=lambda: [0, GIB, 0]))


class PoolOfAnother:
    """A pool in which another run sets its mark and begins with a volume after some look-ups."""

    def __init__(self, after: int) -> None:
        self.looks_left = after

    def storageVolLookupByName(self, name: str) -> str:
        self.looks_left -= 1
        if self.looks_left >= 0:
            raise NotFound
        return name


@pytest.mark.parametrize("after", [0, 1, 2])
def test_what_another_run_begins_with_meanwhile_is_not_whole(after: int) -> None:
    assert not storage_volume._is_whole(PoolOfAnother(after), "v")


class IsThere(reader.libvirt.libvirtError):  # type: ignore[misc, name-defined]
    """What libvirt says where a volume of that name is there."""

    def __init__(self) -> None:
        super().__init__("storage vol already exists")
        self.err = (reader.libvirt.VIR_ERR_STORAGE_VOL_EXIST, 0, "storage vol already exists")


class LeftPool:
    """A pool of logical volumes in which an interrupted run left one that it was filling."""

    def __init__(self) -> None:
        self.left = [".v.partial", "v"]

    def storageVolLookupByName(self, name: str) -> Any:
        if name not in self.left:
            raise NotFound
        return SimpleNamespace(
            name=lambda: name,
            path=lambda: f"/dev/vg/{name}",
            key=lambda: f"UUID of {name}",
            XMLDesc=lambda _flags: f"<volume><name>{name}</name></volume>",
            storagePoolLookupByVolume=lambda: SimpleNamespace(name=lambda: "pool"),
            delete=lambda _flags: self.left.remove(name),
        )

    def createXML(self, xml: str, _flags: int) -> None:
        name = str(xmltree.get(xmltree.parse(xml), "name"))
        if name in self.left:
            raise IsThere
        self.left.append(name)


def test_what_is_left_half_filled_is_not_whole_for_a_run_that_needs_no_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storage_volume, "QUIET_S", -1.0)
    pool = LeftPool()
    conn = SimpleNamespace(
        storagePoolLookupByName=lambda _name: pool, listAllDomains=lambda _flags: []
    )
    host = SimpleNamespace(conn=conn, errors=lambda *_doing: nullcontext(), is_local=True)
    after = Have("storage_volume", "pool/v", xmltree.parse(VOLUME), facts={"pool_type": "logical"})
    assert not storage_volume._claim(host, _plan_of(after), pool, "v")
    assert pool.left == []


def _plan_of(after: Have) -> Any:
    wanted = SimpleNamespace(name=after.name, options={})
    return SimpleNamespace(wanted=wanted, after=after, resource="storage_volume/pool/v")


# ---- what a new volume is made from


class FakeHost:
    """Has a volume `base` in a pool of a type."""

    def __init__(self, pool_type: str, capacity: int) -> None:
        volume = SimpleNamespace(info=lambda: [0, capacity, 0])
        pool = SimpleNamespace(
            XMLDesc=lambda _flags: f"<pool type='{pool_type}'/>",
            storageVolLookupByName=lambda _name: volume,
        )
        self.conn = SimpleNamespace(storagePoolLookupByName=lambda _name: pool)

    def errors(self, _resource: str, _doing: str) -> AbstractContextManager[None]:
        return nullcontext()


@pytest.mark.parametrize(
    ("pool_type", "has", "is_taken"),
    [
        ("dir", "10MiB", True),
        ("dir", "12MiB", False),
        ("logical", "12MiB", True),  # 10MiB, as the pool rounds it up
        ("logical", "64MiB", False),
    ],
)
def test_a_clone_is_no_less_than_what_it_stands_on(
    pool_type: str, has: str, is_taken: bool
) -> None:
    tree = xmltree.parse("<volume><capacity>10485760</capacity></volume>")
    wanted = Wanted("storage_volume", "p/new", "present", options={"backing": {"volume": "p/base"}})
    have = Have("storage_volume", "p/new")
    plan = Plan(wanted, CREATE, have, replace(have, stored=tree))
    host = cast(Any, FakeHost(pool_type, parse_size(has)))
    with nullcontext() if is_taken else pytest.raises(FleetError, match=f"less than the {has} of"):
        check_not_cut_off(host, plan)
