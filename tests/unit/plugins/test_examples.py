"""What is told twice, because an example is to stand alone, is told alike."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.kvm.fleet.roles.lab.files.fleetlab import programs
from ansible_collections.kvm.fleet.roles.tiny_guest.files import build_tiny_guest

ROOT = Path(__file__).resolve().parents[3]
THE_LAB = ROOT / "docs" / "lab.md"
EXAMPLE = ROOT / "examples" / "role_tested_in_the_lab"

# Of priority "required": every Debian has them. The lab asks for mkfs.ext4, which some remove.
ON_EVERY_DEBIAN = {"apt", "dpkg", "e2fsprogs", "tar", "util-linux"}
# What is looked for by another way than the name of a program.
ALSO_NEEDED = {"debian-archive-keyring", "qemu-system-x86"}


def packages_in(page: Path) -> set[str]:
    """What the one `apt-get install` of a page installs."""
    (command,) = re.findall(
        r"^    apt-get install ((?:.*\\\n)*.*)$", page.read_text(), re.MULTILINE
    )
    return set(command.replace("\\\n", " ").split())


def packages_of_setup() -> set[str]:
    """What bindep.txt names for the tests, on whatever release of Debian."""
    lines = (ROOT / "bindep.txt").read_text().splitlines()
    return {line.split()[0] for line in lines if line.endswith(" test]")}


def packages_of_programs() -> set[str]:
    """What the lab and the builder of the tiny guest say when something is missing."""
    lab = (programs.TO_RUN, programs.TO_BUILD, programs.TO_BUILD_AS_USER)
    guest = (build_tiny_guest.TOOLS, build_tiny_guest.FILES)
    return {package for table in (*lab, *guest) for package in table.values()}


def test_the_page_on_the_lab_names_the_packages_that_the_lab_asks_for() -> None:
    needed = packages_of_programs() | ALSO_NEEDED
    assert packages_in(THE_LAB) - ON_EVERY_DEBIAN == needed - ON_EVERY_DEBIAN


def test_the_example_names_the_same_and_what_its_venv_needs() -> None:
    assert packages_in(EXAMPLE / "README.md") == packages_in(THE_LAB) | {"python3-venv"}


def test_the_packages_of_the_lab_are_set_up_for_the_tests() -> None:
    assert packages_in(EXAMPLE / "README.md") - packages_of_setup() <= ON_EVERY_DEBIAN


def test_the_page_on_the_lab_shows_the_scenario_of_the_example() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", THE_LAB.read_text(), re.DOTALL | re.MULTILINE)
    assert (EXAMPLE / "molecule/default/molecule.yml").read_text() in blocks
