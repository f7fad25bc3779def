"""What a module imports as it starts: Ansible compiles all of it anew in every task.

Most tasks find everything as it is declared. So what is for those alone that change something, or
for a VM that has what few have, is imported where it is needed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from support.imports import PLUGINS, Source, modules

SOURCE = Source(modules(PLUGINS))
OURS = "module_utils."

# For a plan that changes something, or for reading a host that says more than most.
OF_FEW = {
    *("engine.accounting", "engine.binding", "engine.lasting", "engine.promises_held"),
    *("engine.promises_summed", "host.acceleration", "kinds.vm.source_codecs", "kinds.vm.tree"),
    *("kinds.vm.port_groups", "kinds.vswitch.ports"),
    *("engine.recording", "engine.secret_words", "engine.sensitive", "engine.yaml_text"),
    *("kinds.images.chains", "kinds.storage_volume.asleep", "kinds.storage_volume.design"),
    *("kinds.vm.cloud_init.declared", "kinds.vm.cloud_init.note", "kinds.vm.cloud_init.planned"),
    *("kinds.vm.agree", "kinds.vm.books", "kinds.vm.declared", "kinds.vm.dedicated"),
    *("kinds.vm.effects", "kinds.vm.extra", "kinds.vm.extra_record", "kinds.vm.fragments"),
    *("kinds.vm.standing", "kinds.vm.storage", "run.aftermath", "run.applying"),
}


@pytest.mark.parametrize("module", ["host_config", "reservation", "storage_volume", "vm"])
def test_a_task_that_changes_nothing_imports_nothing_for_changes(module: str) -> None:
    started = {name.replace(OURS, "", 1) for name in SOURCE.at_start(f"modules.{module}")}
    assert "run.runner" in started
    assert started & OF_FEW == set()


# What is asked of a plan for a VM that changes more than what is said of the VM.
OF_WHAT_A_VM_IS = {
    *("engine.promises_held", "engine.recording", "kinds.images.one_writer"),
    *(
        "kinds.together.admission",
        "kinds.together.rules",
        "kinds.vm.extra",
        "kinds.vm.extra_record",
    ),
    *("kinds.vm.hardware", "kinds.vm.opened", "kinds.vm.promised", "kinds.vm.surroundings"),
}
BY_A_CHANGE = ("kinds.together.vm_rules", "kinds.vm.books", "kinds.vm.judge", "engine.binding")


def test_another_title_imports_nothing_that_judges_what_a_vm_is() -> None:
    imported = {
        name.replace(OURS, "", 1) for of in BY_A_CHANGE for name in SOURCE.at_start(f"{OURS}{of}")
    }
    assert imported & OF_WHAT_A_VM_IS == set()
    assert {f"{OURS}{name}" for name in OF_WHAT_A_VM_IS} - set(SOURCE.modules) == set()


@pytest.mark.parametrize("file", sorted((PLUGINS / "modules").glob("*.py")), ids=lambda f: f.stem)
def test_a_module_imports_first_what_spares_the_rest_half_of_its_compiling(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    ours = [line for line in lines if line.startswith("from ..module_utils.")]
    assert ours[0] == "from ..module_utils.host.one_task import for_one_task"


def test_what_is_for_few_is_there() -> None:
    assert {f"{OURS}{name}" for name in OF_FEW} - set(SOURCE.modules) == set()
