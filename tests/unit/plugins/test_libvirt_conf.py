"""Settings into libvirt's configuration files: what was there stays, what was asked for is so."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.kvm.fleet.plugins.filter.libvirt_conf import libvirt_conf

PACKAGED = """\
# The group that may manage VMs.
#unix_sock_group = "libvirt"
max_clients=50
#cgroup_device_acl = [
#    "/dev/null", "/dev/full"
#]
"""


@pytest.mark.parametrize(
    ("settings", "changed_lines"),
    [
        ({"unix_sock_group": "kvm"}, ['+unix_sock_group = "kvm"']),
        ({"max_clients": 50}, []),
        ({"max_clients": 60}, ["-max_clients=50", "+max_clients = 60"]),
        ({"cgroup_device_acl": ["/dev/null"]}, ['+cgroup_device_acl = [ "/dev/null" ]']),
        ({"log_level": 3, "audit": True}, ["+log_level = 3", "+audit = 1"]),
        ({"log_filters": 'a "b"'}, ["+log_filters = 'a \"b\"'"]),
    ],
)
def test_only_the_named_lines_change(settings: dict[str, Any], changed_lines: list[str]) -> None:
    after = libvirt_conf(PACKAGED, settings)
    before_lines, after_lines = PACKAGED.splitlines(), after.splitlines()
    gone = [f"-{line}" for line in before_lines if line not in after_lines]
    come = [f"+{line}" for line in after_lines if line not in before_lines]
    assert gone + come == changed_lines
    assert libvirt_conf(after, settings) == after


def test_a_new_setting_is_above_its_example() -> None:
    lines = libvirt_conf(PACKAGED, {"cgroup_device_acl": []}).splitlines()
    assert lines[lines.index("#cgroup_device_acl = [") - 1] == "cgroup_device_acl = [  ]"


def test_a_list_over_several_lines_is_replaced_whole() -> None:
    text = 'acl = [\n  "/dev/null",\n  "/dev/kvm"\n]\nuser = "root"\n'
    assert libvirt_conf(text, {"acl": ["/dev/full"]}) == 'acl = [ "/dev/full" ]\nuser = "root"\n'


def test_a_file_that_does_not_end_with_a_newline() -> None:
    assert libvirt_conf('user = "root"', {"group": "kvm"}) == 'user = "root"\ngroup = "kvm"\n'
    assert libvirt_conf("", {"group": "kvm"}) == 'group = "kvm"\n'


@pytest.mark.parametrize(
    "settings",
    [{"Bad name": 1}, {"user": None}, {"user": 1.5}, {"acl": [1]}, {"user": "a\"b'c"}],
)
def test_what_cannot_be_written_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(AnsibleFilterError):
        libvirt_conf("", settings)
