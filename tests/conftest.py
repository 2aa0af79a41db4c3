"""What tests have counted is added up and printed when all of them are over."""

import os
from collections import Counter

import pytest
from _pytest.terminal import TerminalReporter
from hypothesis import HealthCheck, settings

# There is a worker for each core: more threads of NumPy's would wait for each other in a loop, in
# which tests of faces have spent nine tenths of their time. It reads this when it is imported.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

# No test asserts a time: a busy machine is no fault of the code. A test that fails does so again.
settings.register_profile(
    "vignette",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("vignette")


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print the sums of what tests said with `record_property`, whichever process they ran in."""
    counted: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                for name, number in report.user_properties:
                    counted[name] += int(str(number))
    for name, number in sorted(counted.items()):
        terminalreporter.write_line(f"{number} {name}")
