"""The lab hosts' Python keeps what it compiled from a zip file."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
PACKAGES = ROOT / "roles/lab/files/image/usr/lib/python3/dist-packages"

PROGRAM = """
import sys
sys.path.insert(0, {packages!r})
import lab_bytecode, zipimport
lab_bytecode.CACHE = {cache!r}
compiled = []
compile_source = lab_bytecode.compile_source
lab_bytecode.compile_source = lambda *args: compiled.append(args) or compile_source(*args)
sys.path.insert(0, {archive!r})
import answer
print(answer.VALUE, len(compiled))
"""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def value_and_compilations(tmp_path: Path, source: str, cache: Path) -> str:
    archive = tmp_path / "module.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("answer.py", source)
    program = PROGRAM.format(packages=str(PACKAGES), cache=str(cache), archive=str(archive))
    return subprocess.check_output([sys.executable, "-c", program], text=True).strip()


def test_a_source_is_compiled_once(tmp_path: Path, cache: Path) -> None:
    for said in ("42 1", "42 0"):
        assert value_and_compilations(tmp_path, "VALUE = 42", cache) == said


def test_another_source_is_compiled(tmp_path: Path, cache: Path) -> None:
    value_and_compilations(tmp_path, "VALUE = 42", cache)
    assert value_and_compilations(tmp_path, "VALUE = 43", cache) == "43 1"


def test_what_is_kept_and_broken_is_compiled_again(tmp_path: Path, cache: Path) -> None:
    value_and_compilations(tmp_path, "VALUE = 42", cache)
    [kept] = cache.iterdir()
    kept.write_bytes(b"")
    assert value_and_compilations(tmp_path, "VALUE = 42", cache) == "42 1"
    assert value_and_compilations(tmp_path, "VALUE = 42", cache) == "42 0"


def test_who_may_not_write_goes_on(tmp_path: Path, cache: Path) -> None:
    cache.write_text("no folder")
    assert value_and_compilations(tmp_path, "VALUE = 42", cache).startswith("42 ")
