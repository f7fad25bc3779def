"""What the tests of this scenario share: what was measured on the host."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

MEASURED = "/srv/tests/%s.json"


@pytest.fixture
def measured(host: Any) -> Callable[[str], dict[str, Any]]:
    """measured("contention"): what was noted on the host."""
    return lambda name: json.loads(host.check_output("cat %s", MEASURED % name))
