"""Seeds for cloud-init: the files that a declaration becomes, the same for the same, and what stays
of it where others look."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError, Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.hidden import Sensitive, token_of
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import Values
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.cloud_init import (
    applier,
    declared,
    network,
    note,
    places,
    user_data,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.cloud_init.files import files_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.seeded import (
    CLOUD_INIT,
    HIDDEN_PARTS,
)

SECRET = "CANARY-7"


def values(**given: Any) -> Values:
    mistakes = Mistakes("vm/web")
    found = declared.values_of("web", given, mistakes)
    mistakes.raise_any()
    return found


def files(**given: Any) -> dict[str, str]:
    said = {key[1]: value for key, value in values(**given).items() if value}
    said.setdefault("instance_id", "web")
    for nic in said.get("nics", {}).values():
        nic["mac"] = "52:54:00:00:00:01"
    return files_of(said)


# ---- the files


def test_the_same_declaration_gives_the_same_files_whatever_its_order() -> None:
    one = {"packages": ["a"], "write_files": [{"path": "/a", "content": "1\n2\n"}]}
    other = {"write_files": [{"content": "1\n2\n", "path": "/a"}], "packages": ["a"]}
    assert files(user_data=one) == files(user_data=other)
    assert values(user_data=one) == values(user_data=other)


def test_a_text_comes_as_it_is() -> None:
    text = "#!/bin/sh\necho 'a'\n"
    assert files(user_data=text)["user-data"] == text


@pytest.mark.parametrize(
    "odd", ["yes", "1:30", "a: b", "'", '"', "\\", "\x7f", "ü", "😀", "a\n b\n", " x ", "#", "null"]
)
def test_a_mapping_is_read_as_it_was_written(odd: str) -> None:
    data = {"write_files": [{"content": odd, odd: [odd, {"n": 1, "t": True, "none": None}]}]}
    text = files(user_data=data)["user-data"]
    assert text.startswith("#cloud-config\n") and yaml.safe_load(text) == data


def test_short_forms_stand_beside_what_is_said_at_length() -> None:
    found = files(user="ops", ssh_keys=["ssh-rsa AAAA"], user_data={"packages": ["a"]})
    data = yaml.safe_load(found["user-data"])
    assert data["packages"] == ["a"]
    assert data["users"][0]["ssh_authorized_keys"] == ["ssh-rsa AAAA"]
    assert data["users"][0]["lock_passwd"] is True
    assert yaml.safe_load(files(ssh_keys=["ssh-rsa A"])["user-data"]) == {
        "ssh_authorized_keys": ["ssh-rsa A"]
    }


def test_there_is_user_data_and_meta_data_in_each() -> None:
    found = files(hostname="a")
    assert found == {
        "user-data": "#cloud-config\n{}\n",
        "meta-data": "instance-id: web\nlocal-hostname: a\n",
    }


def test_another_machine_id_is_made_where_no_other_vendor_data_is() -> None:
    said = {"instance_id": "web", "machine_id": "own"}
    assert files_of(said)["vendor-data"].startswith("#cloud-boothook\n#!/bin/sh\n")
    assert files_of({**said, "vendor_data": "#!/bin/sh\n"})["vendor-data"] == "#!/bin/sh\n"
    assert "vendor-data" not in files_of({"instance_id": "web"})


def test_an_instance_id_of_a_users_is_taken_as_it_is() -> None:
    found = files(meta_data={"instance-id": "one", "tier": "front"})
    assert yaml.safe_load(found["meta-data"]) == {
        "instance-id": "one",
        "local-hostname": "web",
        "tier": "front",
    }


def test_addresses_become_a_configuration_of_the_nic_with_its_mac() -> None:
    lan = {"name": "lan", "address": ["192.0.2.10/24", "2001:db8::10/64"], "dns": ["192.0.2.1"]}
    lan["gateway"] = ["192.0.2.1", "fe80::1"]
    found = yaml.safe_load(files(nics=[lan])["network-config"])
    assert found == {
        "version": 1,
        "config": [
            {
                "type": "physical",
                "name": "lan",
                "mac_address": "52:54:00:00:00:01",
                "subnets": [
                    {
                        "type": "static",
                        "address": "192.0.2.10/24",
                        "gateway": "192.0.2.1",
                        "dns_nameservers": ["192.0.2.1"],
                    },
                    {"type": "static6", "address": "2001:db8::10/64", "gateway": "fe80::1"},
                ],
            }
        ],
    }
    assert wrong(found) == []


def test_who_asks_dhcp_has_no_address_of_its_own() -> None:
    nics = [{"name": "lan", "address": ["dhcp"], "search": ["example.com"]}]
    found = yaml.safe_load(files(nics=nics)["network-config"])
    assert found["config"][0]["subnets"] == [{"type": "dhcp4", "dns_search": ["example.com"]}]


# ---- the image


@pytest.mark.skipif(not shutil.which("xorriso"), reason="needs xorriso")
def test_the_same_files_are_the_same_image(tmp_path: Path) -> None:
    images = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        image = applier.built(tmp_path / folder, files(user_data={"packages": ["a"]}))
        images.append(image.read_bytes())
    assert images[0] == images[1] and b"cidata" in images[0][32768:34816]


def test_without_xorriso_it_is_said_which_package_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_args: Any, **_more: Any) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(subprocess, "run", missing)
    with pytest.raises(FleetError, match="install the package xorriso"):
        applier.built(tmp_path, {"user-data": ""}, "vm/web")


# ---- the note


def test_a_note_holds_no_secret_and_knows_each_again() -> None:
    salt = "0123456789abcdef"
    said = values(
        user="ops",
        password_hash=f"$6$a${SECRET}",
        user_data={"a": SECRET},
        vendor_data=f"#!{SECRET}",
        meta_data={"a": SECRET},
        network_config={"version": 2, "wifis": {"a": {"password": SECRET}}},
    )
    assert SECRET not in str(said)
    tree = xmltree.parse("<domain><uuid>u</uuid></domain>")
    note.put(tree, note.Note(note.said_of(said, salt)))
    assert SECRET not in xmltree.serialise(tree)
    found = note.values_in(xmltree.parse(xmltree.serialise(tree)))
    for part in HIDDEN_PARTS:
        assert found[(CLOUD_INIT, part)] == said[(CLOUD_INIT, part)], part
        assert found[(CLOUD_INIT, part)] != Sensitive("another")
        assert str(found[(CLOUD_INIT, part)]) == "(hidden)"
    assert found[(CLOUD_INIT, "user")] == "ops"


OTHERS = ("1", '"user"', '{"nics": []}', '{"user": 1}', '{"former": "a"}')
BROKEN = ["", "{", "[]", *(f'{{"said": {said}, "written": "", "made_at": ""}}' for said in OTHERS)]


@pytest.mark.parametrize("text", BROKEN)
def test_a_note_that_somebody_else_wrote_is_none(text: str) -> None:
    tree = xmltree.parse("<domain><uuid>u</uuid></domain>")
    note.put(tree, note.Note({"user": "ops"}))
    element = xmltree.find(tree, "metadata/fleet-seed:seed")
    assert element is not None
    element.text = text
    assert note.note_of(tree) is None and note.values_in(tree) == {}


def test_a_clone_has_no_note() -> None:
    tree = xmltree.parse("<domain><uuid>u</uuid></domain>")
    note.put(tree, note.Note({"user": "ops"}))
    xmltree.put(tree, "uuid", "v")
    assert note.note_of(tree) is None


def test_what_is_shown_instead_of_a_secret_is_none() -> None:
    token = token_of(SECRET, "0123456789abcdef")
    for given in ({"password_hash": "(hidden)", "user": "a"}, {"user_data": token}):
        mistakes = Mistakes()
        declared.values_of("web", given, mistakes)
        assert mistakes.errors, given


@pytest.mark.parametrize(
    "given", [{"user_data": ""}, {"user_data": {}}, {"ssh_keys": []}, {"hostname": ""}]
)
def test_what_came_out_empty_takes_no_seed_away(given: dict[str, Any]) -> None:
    mistakes = Mistakes()
    declared.values_of("web", {**given, "rerun": False, "detach": "never"}, mistakes)
    assert "{} takes it away" in mistakes.errors[0].message
    assert not any(values(rerun=False, detach="never").values())


@pytest.mark.parametrize("given", [{"a": 1}, ["a"], True])
def test_an_instance_id_is_a_text(given: Any) -> None:
    mistakes = Mistakes()
    declared.values_of("web", {"meta_data": {"instance-id": given}}, mistakes)
    assert [error.message for error in mistakes.errors] == ["instance-id is no text"]


# ---- what it is put into


@pytest.mark.parametrize(
    ("machine", "bus"),
    [
        *(("q35", "scsi"), ("pc-q35-9.0", "scsi"), ("pc", "ide"), ("pc-i440fx-7.2", "ide")),
        *(("virt", "scsi"), ("s390-ccw-virtio", "scsi"), (None, "scsi")),
    ],
)
def test_the_drive_is_on_the_bus_that_the_machine_has(machine: str | None, bus: str) -> None:
    assert places.bus_of(machine) == bus


# ---- input


NET = xmltree.parse(
    "<network><ip address='192.0.2.1' netmask='255.255.255.0'><dhcp><range start='192.0.2.100' "
    "end='192.0.2.199'/></dhcp></ip><ip family='ipv6' address='2001:db8::1' prefix='64'/></network>"
)


@pytest.mark.parametrize(
    ("address", "outside", "handed"),
    [
        ("192.0.2.10/24", "", ""),
        ("192.0.2.150/24", "", "192.0.2.100 - 192.0.2.199"),
        ("198.51.100.10/24", "is outside of 192.0.2.0/24", ""),
        ("192.0.2.1/24", "is the address of the host there", ""),
        ("2001:db8::10/64", "", ""),
        ("2001:db8:1::10/64", "is outside of 2001:db8::/64", ""),
    ],
)
def test_an_address_is_one_of_its_vswitch(address: str, outside: str, handed: str) -> None:
    assert network.outside_of(NET, address) == outside
    assert network.handed_out(NET, address) == handed
    assert network.outside_of(xmltree.parse("<network/>"), address) == ""


@pytest.mark.parametrize(
    ("gateway", "said"),
    [
        ("192.0.2.1", ""),
        ("fe80::1", "fe80::1 is outside of any network of IPv6 here"),
        (["192.0.2.1", "192.0.2.2"], "192.0.2.2 is a second one of IPv4; keep one"),
    ],
)
def test_a_gateway_is_in_a_network_of_its_nic(gateway: str | list[str], said: str) -> None:
    mistakes = Mistakes()
    gateways = gateway if isinstance(gateway, list) else [gateway]
    nic = {"name": "lan", "address": ["192.0.2.10/24", "dhcp"], "gateway": gateways}
    network.check_nics([nic], mistakes)
    assert [error.message for error in mistakes.errors] == ([said] if said else [])


def wrong(config: dict[str, Any]) -> list[str]:
    mistakes = Mistakes()
    network.check_config(config, mistakes)
    return [error.message for error in mistakes.errors]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"version": 3}, "is of another version"),
        ({"version": SECRET}, "is of another version; cloud-init reads version 1 and 2"),
        ({"network": {"ethernets": {}}}, "has no version"),
        ({"version": 2, "ethernets": {"a": {"addresses": ["192.0.2.10"]}}}, "is no address with"),
        ({"version": 1, "config": [{"subnets": [{"address": "x/24"}]}]}, "is no address with"),
        (
            {
                "version": 1,
                "config": [{"subnets": [{"address": "192.0.2.9/24", "gateway": "192.0.3.1"}]}],
            },
            "192.0.3.1 is outside of 192.0.2.0/24",
        ),
    ],
)
def test_what_no_guest_could_use_is_a_mistake(config: dict[str, Any], said: str) -> None:
    assert said in " ".join(wrong(config))


@pytest.mark.parametrize(
    "config",
    [
        {"version": 2, "ethernets": {"a": {"dhcp4": True}}, "tunnels": {"b": None}},
        {"version": 2, "ethernets": {"a": {"addresses": [{"192.0.2.9/24": {"label": "x"}}]}}},
        {"network": {"version": 1, "config": [{"type": "nameserver", "address": "192.0.2.1"}]}},
        {
            "version": 1,
            "config": [{"subnets": [{"address": "192.0.2.9", "netmask": "255.255.255.0"}]}],
        },
    ],
)
def test_what_a_guest_can_use_is_none(config: dict[str, Any]) -> None:
    assert wrong(config) == []


def test_a_mistake_quotes_nothing_of_what_is_hidden() -> None:
    for text in (f"#cloud-config\na: [{SECRET}", f"{SECRET}", f"#cloud-config\n{SECRET}"):
        mistakes = Mistakes()
        user_data.check(text, "user_data", mistakes)
        assert mistakes.errors and SECRET not in str(mistakes.errors[0])
