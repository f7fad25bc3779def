"""Appends every task's result to the file named by KVM_FLEET_RESULTS_FILE, one JSON a line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

try:
    from ansible.module_utils.common.json import get_encoder

    ENCODER = get_encoder("fallback_to_str")
except ImportError:  # before ansible-core 2.19
    from ansible.parsing.ajson import AnsibleJSONEncoder as ENCODER

DOCUMENTATION = """
name: results_file
type: aggregate
short_description: Results of tasks for the tests
description: Appends every task's result to a file, one JSON object a line.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "results_file"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: Any) -> None:
        self._append(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._append(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._append(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._append(result)

    def _append(self, result: Any) -> None:
        done = {
            "host": _of(result, "host").get_name(),
            "task": _of(result, "task").get_name(),
            "result": _of(result, "result"),
        }
        with Path(os.environ["KVM_FLEET_RESULTS_FILE"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(done, cls=ENCODER) + "\n")


def _of(result: Any, name: str) -> Any:
    """Public since ansible-core 2.19."""
    return getattr(result, name) if hasattr(result, name) else getattr(result, f"_{name}")
