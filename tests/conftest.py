"""Hypothesis profiles, of which HYPOTHESIS_PROFILE names one; what tests start; the suite in a folder of its own."""

import gc
import os
import shutil

import anyio
import pytest
from hypothesis import settings

from harness import REPOSITORY
from outpace.measure import ceiling

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("nightly", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits comes first: one worker is at it while the others have work, and none is left waiting at the end."""
    items.sort(key=lambda item: item.get_closest_marker("waits") is None)


def pytest_collection_finish() -> None:
    """Sessions that tests start are nobody's workers, and do without hypothesis, which takes long to import.

    Said here and not sooner, as who starts workers collects nothing: they need hypothesis' plugin.
    """
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST_")]:
        del os.environ[name]
    os.environ["PYTEST_ADDOPTS"] = "-p no:hypothesispytest"
    gc.freeze()  # thousands of tests and modules, which no look for garbage need go through


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what tests have recorded as their cost."""
    for report in terminalreporter.stats.get("passed", ()):
        for name, value in report.user_properties:
            if name == "cost":
                terminalreporter.write_line(f"{report.nodeid}: {value}")


@pytest.fixture(scope="session")
def measured_ceiling() -> ceiling.Ceiling | None:
    """What this machine keeps up with."""
    return anyio.run(ceiling.measured)


@pytest.fixture
def known_ceiling(measured_ceiling: ceiling.Ceiling | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """``outpace doctor`` knows it from a test before, which is most of what it takes."""

    async def known() -> ceiling.Ceiling | None:
        return measured_ceiling

    monkeypatch.setattr(ceiling, "measured", known)


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with the experiment as the repository has it."""
    pytester.makeconftest((REPOSITORY / "conftest.py").read_text())
    ignored = shutil.ignore_patterns("__pycache__", "recordings")
    shutil.copytree(REPOSITORY / "bench", pytester.path / "bench", ignore=ignored)
    return pytester
