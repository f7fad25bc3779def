"""What is told of networks and pools of others: options to declare, and what no option can say."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool import told as pool
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import told as vswitch

CORPUS = Path(__file__).parents[2] / "corpus"

UNMANAGED = {
    "vswitch/libvirt-default": [],
    "vswitch/virt-manager-isolated": [],
    "vswitch/hand-macvtap-bridge": [],
    "vswitch/virt-manager-sriov": [],
    "vswitch/cockpit-nat-both-families": ["ip/@localPtr"],
    "vswitch/foreman-pxe": ["ip/dhcp/bootp", "ip/tftp"],
    "storage_pool/libvirt-default": [],
    "storage_pool/cockpit-nfs": [],
    "storage_pool/virt-manager-downloads": ["target/permissions/label"],
    "storage_pool/hand-scsi-host": ["target/permissions"],
    "storage_pool/hand-iscsi-chap-by-uuid": [
        "source/auth/secret",
        "source/product",
        "source/vendor",
    ],
}


@pytest.mark.parametrize("name", UNMANAGED)
def test_what_no_option_can_say_is_named(name: str) -> None:
    tree = xmltree.parse((CORPUS / f"{name}.xml").read_text(encoding="utf-8"))
    told = vswitch.unmanaged(tree) if name.startswith("vswitch") else pool.unmanaged(tree)
    assert told == UNMANAGED[name]


def test_a_type_that_cannot_be_declared_is_not_told_as_an_option() -> None:
    tree = xmltree.parse("<network><name>n</name><forward mode='newer'/></network>")
    assert "type" not in vswitch.options(tree)
    assert "forward" in vswitch.unmanaged(tree)
