"""Which volumes nobody uses, by definitions and records of snapshots."""

from __future__ import annotations

from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.information.storage_uses import (
    is_folder,
    named_in,
    provisioned,
    standing_on,
    users_of,
    users_of_disks,
)

DOMAIN = """<domain><name>web</name><os><nvram>/n/web.fd</nvram><kernel>
/k/linux</kernel></os><metadata><x to="/p/half.partial"/></metadata><devices>
<disk><source file="/link/root"/><backingStore><source file="/p/base"/></backingStore></disk>
<disk><source pool="rbd" volume="data"/></disk></devices></domain>"""


def volume(name: str, path: str, below: str = "", kind: str = "file") -> Have:
    on = f"<backingStore><path>{below}</path></backingStore>" if below else ""
    text = f"<volume type='{kind}'><target><path>{path}</path></target>{on}</volume>"
    return Have("storage_volume", name, parse(text))


def test_whatever_a_definition_names_anywhere_is_used() -> None:
    found = named_in([parse(DOMAIN)], lambda path: path.replace("/link/", "/p/"))
    wanted = {"/n/web.fd", "/k/linux", "/p/half.partial", "/p/root", "/p/base", "rbd/data"}
    assert found == wanted


def test_what_others_stand_on_is_used_by_them() -> None:
    volumes = [volume("p/base", "/p/base"), volume("p/b", "/p/b", "/p/base")]
    volumes.append(volume("p/a", "/p/a", "/p/base"))
    assert standing_on(volumes, str) == {"/p/base": ["p/a", "p/b"]}


def test_a_vm_uses_volumes_by_path_or_by_name() -> None:
    users = users_of_disks([Have("vm", "web", parse(DOMAIN))])
    assert users_of(volume("p/root", "/link/root"), users) == ["web"]
    assert users_of(volume("rbd/data", "rbd/data"), users) == ["web"]
    assert users_of(volume("p/other", "/p/other"), users) == []
    assert users_of(Have("storage_volume", "gone"), users) == []


def test_an_image_of_ceph_is_used_by_whoever_names_it_there() -> None:
    """Its path is the name that it has in Ceph, and disks say that as one of a server."""
    source = '<source protocol="rbd" name="vms/a"><host name="mon"/></source>'
    vm = Have("vm", "db", parse(f"<domain><devices><disk>{source}</disk></devices></domain>"))
    one = volume("ceph/a", "vms/a", kind="network")
    assert users_of(one, users_of_disks([vm])) == ["db"]
    assert users_of(volume("ceph/b", "vms/b", kind="network"), users_of_disks([vm])) == []
    assert "rbd:vms/a" in named_in([vm.definition], str)


def test_a_folder_is_no_orphan() -> None:
    assert is_folder(volume("p/f", "/p/f", kind="dir")) and not is_folder(volume("p/a", "/p/a"))


def test_what_would_be_full() -> None:
    told = provisioned(
        {"capacity_bytes": 100}, [{"capacity_bytes": 75}, {"capacity_bytes": 44}, {}]
    )
    assert told == {"provisioned_bytes": 119, "overcommit": 1.19}
    assert provisioned({}, []) == {"provisioned_bytes": 0}
