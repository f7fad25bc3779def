"""Lines about hosts in files of others: each host's own ones change, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.kvm.fleet.plugins.filter.host_blocks import host_blocks

OTHERS = "# mine\nssh-rsa AAAA admin@desk\n"
KVM2 = "# begin kvm.fleet host kvm2\nssh-ed25519 B kvm2\n# end kvm.fleet host kvm2\n"
KVM3 = "# begin kvm.fleet host kvm3\nssh-ed25519 C kvm3\n# end kvm.fleet host kvm3\n"
B, C = ["ssh-ed25519 B kvm2"], ["ssh-ed25519 C kvm3"]
GROUP = ["kvm1", "kvm2", "kvm3"]


@pytest.mark.parametrize(
    ("before", "blocks", "group", "after"),
    [
        ("", {"kvm2": B}, GROUP, KVM2),
        (OTHERS, {"kvm2": B, "kvm3": C}, GROUP, OTHERS + KVM2 + KVM3),
        # A last line without an end stays a line of its own.
        (OTHERS.rstrip("\n"), {"kvm2": B}, GROUP, OTHERS + KVM2),
        # A new key takes the old one's place, whatever stands around it.
        (KVM2.replace(" B ", " old ") + OTHERS, {"kvm2": B}, GROUP, KVM2 + OTHERS),
        # Nothing is known of kvm3 in this run, of which it is still a host.
        (OTHERS + KVM3, {"kvm2": B}, GROUP, OTHERS + KVM3 + KVM2),
        # kvm3 left the group.
        (KVM3 + OTHERS + KVM2, {"kvm2": B}, ["kvm1", "kvm2"], OTHERS + KVM2),
        (OTHERS, {}, GROUP, OTHERS),
        (KVM2 + KVM2 + OTHERS, {"kvm2": B}, GROUP, KVM2 + OTHERS),
        (KVM2.rstrip("\n"), {"kvm2": C}, GROUP, KVM2.replace(*B, *C)),
        # Marks that are torn are nobody's block.
        (
            "# begin kvm.fleet host kvm2\n" + OTHERS,
            {},
            [],
            "# begin kvm.fleet host kvm2\n" + OTHERS,
        ),
    ],
)
def test_each_host_has_its_own_lines(
    before: str, blocks: dict[str, list[str]], group: list[str], after: str
) -> None:
    assert host_blocks(before, blocks, group) == after
    assert host_blocks(after, blocks, group) == after


@pytest.mark.parametrize(
    "blocks",
    [{"two words": B}, {"kvm2": "ssh-ed25519 B"}, {"kvm2": ["a\nb"]}, {"kvm2": ["# end x"]}],
)
def test_what_would_not_be_found_again_is_refused(blocks: dict[str, Any]) -> None:
    with pytest.raises(AnsibleFilterError):
        host_blocks("", blocks, GROUP)
