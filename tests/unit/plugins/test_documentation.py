"""What a module documents is what it takes, and its examples use nothing else."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.kind import KIND as VM
from ansible_collections.kvm.fleet.plugins.module_utils.run import host_config

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
OURS = "kvm.fleet."
PAGES = sorted(
    [*ROOT.glob("docs/*.md"), *ROOT.glob("roles/*/README.md"), *ROOT.glob("examples/*/README.md")]
)
# What an option has where its documentation or its spec does not say so.
UNSAID = {"type": "str", "required": False, "default": None, "choices": None, "elements": None}

Example = tuple[str, str, dict[str, Any]]  # the task's name, the module and its arguments

# Examples of these are also parsed as a run would: sizes, names, sources and the items of lists.
PARSERS = {"vm": VM.parse, "host_config": host_config.parse}
# Whose option `vm` takes what the module `vm` does, which no spec says.
DECLARED = ("migration",)


@lru_cache(maxsize=1)
def documentation() -> dict[str, Any]:
    """What ansible-doc says of every module, with the fragments put in."""
    program = Path(sys.executable).with_name("ansible-doc")
    names = [OURS + name for name in MODULES]
    done = subprocess.run(
        [str(program), "--type", "module", "--json", *names],
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
    )
    return {name.removeprefix(OURS): said for name, said in json.loads(done.stdout).items()}


class SpecTaken(Exception):
    """Ends a module where it has handed its spec to Ansible."""


def spec_of(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The argument spec that a module hands to Ansible."""

    def take(_module: basic.AnsibleModule, argument_spec: dict[str, Any], **_more: Any) -> None:
        raise SpecTaken(argument_spec)

    module = importlib.import_module(f"ansible_collections.kvm.fleet.plugins.modules.{name}")
    monkeypatch.setattr(basic.AnsibleModule, "__init__", take)
    monkeypatch.setattr(basic, "_load_params", lambda: None)  # as ansible-test does
    with pytest.raises(SpecTaken) as taken:
        module.main()
    return taken.value.args[0]


def flat(options: Mapping[str, Any], below: str, under: str = "") -> dict[str, dict[str, Any]]:
    """Options with those inside of them, by their full names."""
    all_options = {}
    for name, option in options.items():
        said = {key: option.get(key, unsaid) for key, unsaid in UNSAID.items()}
        all_options[under + name] = {**said, "choices": sorted(said["choices"] or [])}
        all_options.update(flat(option.get(below) or {}, below, f"{under}{name}."))
    return all_options


def examples_of(tasks: Iterable[dict[str, Any]]) -> Iterator[Example]:
    """The tasks that use this collection, also those of plays."""
    for task in tasks:
        yield from examples_of(task.get("tasks", ()))
        for key, arguments in task.items():
            if key.startswith(OURS):
                yield task.get("name", key), key.removeprefix(OURS), arguments or {}


def is_template(value: Any) -> bool:
    """Whether Ansible has yet to fill in a text, or one of a list."""
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and "{{" in text for text in texts)


def without_templates(value: Any) -> Any:
    """The value without what Ansible has yet to fill in."""
    if isinstance(value, dict):
        return {k: without_templates(v) for k, v in value.items() if not is_template(v)}
    if isinstance(value, list):
        return [without_templates(item) for item in value]
    return value


@pytest.mark.parametrize("name", MODULES)
def test_documentation_is_not_sent_to_hosts(name: str) -> None:
    """Ansible sends a module's own file with every task: all that is said of it is beside it."""
    module = ROOT / "plugins" / "modules" / f"{name}.py"
    said = ["DOCUMENTATION", "EXAMPLES", "RETURN"]
    assert list(yaml.safe_load(module.with_suffix(".yml").read_text())) == said
    assert not re.search(f"^({'|'.join(said)})", module.read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", MODULES)
def test_the_documented_options_are_the_spec(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    documented = flat(documentation()[name]["doc"]["options"], "suboptions")
    assert documented == flat(spec_of(name, monkeypatch), "options")


def check(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module takes these arguments."""
    task, module, arguments = example
    validator = ArgumentSpecValidator(spec_of(module, monkeypatch))
    checked = validator.validate(without_templates(arguments))
    filled_in = [name for name, value in arguments.items() if is_template(value)]
    missing = f"missing required arguments: {', '.join(filled_in)}"  # but for Ansible
    assert [text for text in checked.error_messages if text != missing] == [], task
    if module in PARSERS:
        PARSERS[module](checked.validated_parameters)
    if module in DECLARED:
        check_declared(task, arguments.get("vm"), monkeypatch)


def check_declared(task: str, vm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is declared of a VM in another module is what `vm` takes."""
    if isinstance(vm, dict):
        check((task, "vm", {"name": "web", **vm}), monkeypatch)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_use_options_that_exist(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = list(examples_of(yaml.safe_load(documentation()[name]["examples"])))
    assert any(module == name for _task, module, _arguments in examples)
    for example in examples:
        check(example, monkeypatch)


def test_the_readme_uses_options_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.M)
    examples = [example for block in blocks for example in examples_of(yaml.safe_load(block))]
    assert [module for _task, module, _arguments in examples] == ["host_config", "vm"]
    for example in examples:
        check(example, monkeypatch)


def blocks_of(page: Path) -> list[Any]:
    """The blocks of YAML on a page."""
    blocks = re.findall(r"^( *)```yaml\n(.*?)^\1```$", page.read_text(), re.DOTALL | re.M)
    return [yaml.safe_load(block) for _indent, block in blocks]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_pages_use_options_that_exist(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for block in blocks_of(page):
        for example in examples_of(block if isinstance(block, list) else []):
            check(example, monkeypatch)


@pytest.mark.parametrize("name", MODULES)
def test_what_is_returned_is_documented(name: str) -> None:
    assert documentation()[name]["return"]


def test_the_action_group_has_the_modules_that_take_a_uri() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    with_uri = [n for n in MODULES if "uri" in documentation()[n]["doc"]["options"]]
    assert sorted(runtime["action_groups"]["all"]) == with_uri
