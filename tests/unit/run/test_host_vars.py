"""The file of declarations: it says what it was made from, whatever that is."""

from __future__ import annotations

import random
import sys
from typing import Any

import pytest
import yaml

from ansible_collections.kvm.fleet.plugins.module_utils.run.host_vars import written

TEXTS = (
    *("", " ", "web", "2GiB", "yes", "No", "null", "~", "0755", "1e3", "0x10", "12:30:45"),
    *("52:54:00:12:34:56", "1.5", ".inf", "=", "<<", "- a", "# a", "a: b", "a:", "a #b", "@a"),
    *("two\nlines\n", "\ttab", 'quote"', "it's", "back\\slash", "ä ☃ 😀", "\x7f\x85\u2028\ufeff"),
    *("{{ lookup('pipe', 'id') }}", "{% raw %}", "{# no #}", "{a: b}", "[a]", "&a", "*a", "!a"),
    *("%a", "`a`", "| a", "> a", "? a", "---", "...", "2001-01-01", "/a/b", "_", "y", "on"),
)


class Loader(yaml.SafeLoader):
    """Reads what Ansible does."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


def read(text: str) -> Any:
    return yaml.load(text, Loader)


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_is_read_back(text: str) -> None:
    told = {"kvm_vms": [{"name": text, "tags": {text: text}, "list": [text, [text]]}]}
    assert read(written(told, "a comment")) == told


def test_any_text_is_read_back() -> None:
    rng = random.Random(7)
    for _try in range(500):
        text = "".join(chr(_character(rng)) for _place in range(rng.randrange(6)))
        assert read(written({"kvm_vms": [{"name": text}]})) == {"kvm_vms": [{"name": text}]}


def _character(rng: random.Random) -> int:
    """One that XML may have, and so libvirt."""
    while True:
        code = rng.choice((rng.randrange(0x100), rng.randrange(sys.maxunicode)))
        in_xml = code in (9, 10) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE
        if in_xml or code >= 0x10000:
            return code


def test_what_ansible_would_take_for_a_template_is_marked() -> None:
    assert written({"a": "{{ b }}"}) == '---\na: !unsafe "{{ b }}"\n'


def test_the_form_is_for_people() -> None:
    vm = {"memory": {"size": "2GiB"}, "state": "running", "name": "web", "nics": [{"name": "lan"}]}
    assert written({"kvm_vms": [vm], "kvm_vswitches": []}, "Two\nlines.") == (
        "# Two\n# lines.\n---\nkvm_vms:\n  - name: web\n    state: running\n    memory:\n"
        "      size: 2GiB\n    nics:\n      - name: lan\nkvm_vswitches: []\n"
    )
