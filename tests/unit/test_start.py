"""What a module imports as it starts: Ansible compiles all of it anew in every task.

Most tasks find everything as it is declared. So what is for those alone that change something, or
for a VM that has what few have, is imported where it is needed.
"""

from __future__ import annotations

import pytest

from support.imports import PLUGINS, Source, modules

SOURCE = Source(modules(PLUGINS))
OURS = "module_utils."

# For a plan that changes something, or for reading a host that says more than most.
OF_FEW = {
    *("engine.accounting", "engine.binding", "engine.lasting", "engine.promises_held"),
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


def test_what_is_for_few_is_there() -> None:
    assert {f"{OURS}{name}" for name in OF_FEW} - set(SOURCE.modules) == set()
