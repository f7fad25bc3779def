"""Imports from the zip in which Ansible ships a module: how often Python compiles each file."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.imports import PLUGINS

OWN = "ansible_collections/kvm/fleet/"
ONE_TASK = "plugins/module_utils/host/one_task.py"
FILES = {
    "plugins/module_utils/host/early.py": "from . import one_task",
    "plugins/module_utils/host/late.py": "from ..kinds.web import kind",
    "plugins/module_utils/kinds/web/__init__.py": "",
    "plugins/module_utils/kinds/web/kind.py": "def where(): return __file__",
}
# Prints how often files were compiled, and where one of them says that it is.
COUNTS = """
import json, sys
counts = {}
def count(event, arguments):
    if event == "compile" and "payload.zip" in str(arguments[1]):
        file = arguments[1].rpartition("/")[2]
        counts[file] = counts.get(file, 0) + 1
sys.addaudithook(count)
sys.path.insert(0, sys.argv[1])
from ansible_collections.kvm.fleet.plugins.module_utils.host import early, late
from other import outside
print(json.dumps([counts, late.kind.where(), type(outside.__loader__).__name__]))
"""


@pytest.fixture
def payload(tmp_path: Path) -> Path:
    """A zip as Ansible makes one, with a package of others in it."""
    files = {OWN + name: text for name, text in FILES.items()}
    files[OWN + ONE_TASK] = (PLUGINS.parent / ONE_TASK).read_text(encoding="utf-8")
    files["other/outside.py"] = ""
    folders = {str(above) for name in files for above in Path(name).parents} - {"."}
    with zipfile.ZipFile(tmp_path / "payload.zip", "w") as made:
        for folder in folders - {f"{OWN}plugins/module_utils/kinds/web"}:
            made.writestr(f"{folder}/__init__.py", "")
        for name, text in files.items():
            made.writestr(name, text)
    return tmp_path / "payload.zip"


def test_each_file_of_the_collection_is_compiled_once(payload: Path) -> None:
    command = [sys.executable, "-I", "-c", COUNTS, str(payload)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    counts, where, loader_of_others = json.loads(done.stdout)
    assert {name: counts[name] for name in ("late.py", "kind.py")} == {"late.py": 1, "kind.py": 1}
    assert loader_of_others == "zipimporter"
    assert (
        where == f"{payload}/ansible_collections/kvm/fleet/plugins/module_utils/kinds/web/kind.py"
    )
