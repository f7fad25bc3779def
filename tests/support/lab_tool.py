"""Runs tools/lab, for tests that have labs of their own."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "tools" / "lab"


def lab_name(purpose: str) -> str:
    """All checkouts of a user share one place for labs, so the name says whose lab it is."""
    return f"{purpose}-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"


def lab(
    *arguments: str, timeout_s: float, stdin: str = "", program: Path = LAB
) -> subprocess.CompletedProcess[str]:
    """What a command of the lab said; when it failed, an AssertionError with what it reported."""
    try:
        done = subprocess.run(
            [program, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        # What it reported until then; bytes, although text was asked for.
        said = (error.stderr or b"").decode(errors="replace").strip()
        raise AssertionError(
            f"lab {arguments[0]} did not end within {timeout_s:g} s: {said}"
        ) from None
    # A failed host's console is in what the lab reports.
    assert done.returncode == 0, f"lab {arguments[0]}: {done.stderr.strip()}"
    return done
