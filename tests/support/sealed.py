"""Images under a passphrase that QEMU opens at once: by default it takes seconds over one."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

TRY_S = 120.0


def make_sealed(path: Path, form: str, passphrase: str) -> None:
    """An image in LUKS of 8 MiB, or a qcow2 whose clusters are in LUKS.

    Before it makes one, QEMU measures the processor's time over 32,768 rounds of the hash, and
    gives up where that is less than a tick of the clock (crypto/pbkdf.c): SHA-256 may be, on a
    processor with instructions for it, so this asks for SHA-512, and asks again.
    """
    key = f"secret,id=key,data={passphrase}"
    prefix = "" if form == "luks" else "encrypt."
    given = {"key-secret": "key", "iter-time": "10", "hash-alg": "sha512"}
    how = ",".join(f"{prefix}{name}={value}" for name, value in given.items())
    if prefix:
        how = f"encrypt.format=luks,{how}"
    command = ["qemu-img", "create", "-q", "--object", key, "-f", form, "-o", how, path, "8M"]
    deadline = time.monotonic() + TRY_S
    while True:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode == 0:
            return
        if "accurate CPU usage" not in done.stderr or time.monotonic() > deadline:
            raise RuntimeError(f"qemu-img made no sealed image: {done.stderr}")
        time.sleep(0.05)
