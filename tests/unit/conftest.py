"""How many examples hypothesis tries: the same few of each property for everybody, or many.

`make test` uses the profile `few`. `make test-all` runs the properties with
`--hypothesis-profile=many`, which draws others each time and prints how to repeat what fails.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

from support.commands import ROOT

set_hypothesis_home_dir(ROOT / ".cache" / "hypothesis")
# A busy machine takes its time: no deadline, and none for drawing.
any_time = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.register_profile("few", any_time, max_examples=50, derandomize=True, database=None)
settings.register_profile("many", any_time, max_examples=500, print_blob=True)
settings.load_profile("few")
