"""The pytest plugin: options, fixtures, progress and the summary.

It is loaded by name (``pytest_plugins = ["outpace.plugin"]`` in a conftest.py), not by an entry point: its options
are the experiment's, and would be in the way of every other test run on the machine.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from outpace.ground.documents import Unwritten, require_writable
from outpace.ground.errors import OutpaceError, UsageError
from outpace.judge.capacity import Capacity
from outpace.measure.load import BEST_ALONE, LoadMeasurement
from outpace.measure.measurement import Measurement
from outpace.measure.rate_search import RateSearch
from outpace.measure.session import Session
from outpace.report.publish import publish
from outpace.simulation.pool.scenario import find, shipped
from outpace.suite import other_plugins
from outpace.suite.command_line import read_options
from outpace.suite.options import add_options
from outpace.suite.pools import PoolMeasurement
from outpace.suite.state import State
from outpace.suite.summary import write_summary

_state_key = pytest.StashKey[State]()


@dataclass(frozen=True)
class Invocation:
    """A pytest plugin that says which command a session goes back to, where it is not pytest's own."""

    command: str


_open: list[State] = []


def coordinator_clock() -> float:
    """The clock of the session that is being measured, in seconds: the timer of its benchmarks."""
    state = _open[-1]
    assert state.session is not None
    return state.session.now()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options, so that a mistake in them is told before anything starts."""
    config.addinivalue_line("markers", "outpace_last: run after everything that measures.")
    config.addinivalue_line("markers", "outpace_replays: replays recordings, whatever --hosts says.")
    try:
        config.stash[_state_key] = State(config, read_options(config))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test of a measurement one case a strategy."""
    asked = metafunc.config.stash[_state_key].asked
    if {"measurement", "measured"} & set(metafunc.fixturenames):
        metafunc.parametrize("strategy", asked.strategies, scope="session")
    if "recording" in metafunc.fixturenames and "replayed_strategy" in metafunc.fixturenames:
        metafunc.parametrize("recording", asked.recordings, ids=lambda path: path.stem, scope="session")
        metafunc.parametrize("replayed_strategy", asked.replayed, scope="session")
    if other_plugins.LOADS in metafunc.fixturenames:
        metafunc.parametrize("strategy", asked.loaded, scope="session")
    if other_plugins.POOLS in metafunc.fixturenames:
        asked_pools = metafunc.config.option.pool
        names = asked_pools.split(",") if asked_pools else shipped(metafunc.definition.path.parent)
        metafunc.parametrize("scenario", names, scope="session")
    if other_plugins.RATES in metafunc.fixturenames:
        sets = [each for each in asked.loaded if each != BEST_ALONE]
        metafunc.parametrize("strategy", sets, scope="session")
    if "sweep_host" in metafunc.fixturenames:
        metafunc.parametrize("host", asked.hosts, scope="session")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave loads out where nothing arrives, replays where live hosts are measured, and pools where any are."""
    asked = config.stash[_state_key].asked

    def leave_out(fixture: str) -> None:
        unasked = other_plugins.using(fixture, items)
        items[:] = [item for item in items if item not in unasked]
        config.hook.pytest_deselected(items=unasked)

    for fixture, wanted in ((other_plugins.LOADS, asked.load), (other_plugins.RATES, asked.rate)):
        if wanted is None:
            leave_out(fixture)
    if other_plugins.measures(items) and config.option.pool is None:
        leave_out(other_plugins.POOLS)
    if other_plugins.measures(items) and config.stash[_state_key].asked.settings.recording is None:
        replays = [item for item in items if item.get_closest_marker("outpace_replays")]
        items[:] = [item for item in items if item not in replays]
        config.hook.pytest_deselected(items=replays)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Put what measures in its order, whatever has been made of it, and keep it out of workers."""
    asked = session.config.stash[_state_key].asked
    strategies = dict.fromkeys((*asked.loaded, *asked.strategies))
    other_plugins.put_in_order(session.items, asked.hosts, list(strategies))
    if other_plugins.measures(session.items):
        other_plugins.refuse_in_a_worker(session.config, session.items)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Tell what a worker of pytest-xdist refused to do."""
    try:
        other_plugins.require_no_refusal(node)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Open the experiment where a test measures; what stands in its way ends the session in one paragraph."""
    config = session.config
    state = config.stash[_state_key]
    if not other_plugins.measures(session.items) or config.option.collectonly or session.testsfailed:
        return (yield)
    try:
        require_writable(state.asked.report_dir, "report", "--report-dir")
        if state.asked.settings.record is not None:
            require_writable(state.asked.settings.record.parent, "recording", "--record")
        with state.progress.saying("starting the hosts and loading the models"):
            state.session = Session(state.asked.settings, watch=state.progress.watch).__enter__()
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    _open.append(state)
    try:
        state.foretell(session.items)
        return (yield)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    finally:
        _open.remove(state)
        try:
            state.session.__exit__()
        except Unwritten as error:  # of the recording
            if not session.testsfailed:
                raise pytest.UsageError(str(error)) from error
            session.config.get_terminal_writer().line(f"\nERROR: {error}", red=True)


@pytest.fixture
def measurement(strategy: str, pytestconfig: pytest.Config) -> Measurement:
    """The measurement of one strategy in this session."""
    state = pytestconfig.stash[_state_key]
    state.progress.follow(state.measurement(strategy))
    return state.measurement(strategy)


@pytest.fixture
def loaded_run(strategy: str, pytestconfig: pytest.Config) -> LoadMeasurement:
    """The measurement of what arrives under one strategy, or on the best single host, in this session."""
    state = pytestconfig.stash[_state_key]
    found = state.load(strategy)
    state.progress.follow(found)
    return found


@pytest.fixture
def pool(scenario: str, request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> PoolMeasurement:
    """What plays a scenario, by several seeds."""
    state = pytestconfig.stash[_state_key]
    found = PoolMeasurement(find(scenario, request.path.parent), state.asked.report_dir)
    state.pools.append(found)
    return found


@pytest.fixture
def rate_search(pytestconfig: pytest.Config) -> RateSearch:
    """The search for the rates of all strategies and of the best single host, one in a session."""
    state = pytestconfig.stash[_state_key]
    state.progress.follow(state.search())
    return state.search()


@pytest.fixture
def sweep_host(host: str, pytestconfig: pytest.Config) -> Callable[[], Capacity]:
    """Measures what concurrency does to one host, and keeps it in capacity.json beside the reports."""
    return partial(pytestconfig.stash[_state_key].sweep, host)


@pytest.fixture
def measured(strategy: str, pytestconfig: pytest.Config) -> Measurement | None:
    """The measurement of one strategy as far as it went in this session, None where it was not begun."""
    return pytestconfig.stash[_state_key].measurements.get(strategy)


@pytest.fixture
def rounds(pytestconfig: pytest.Config) -> int:
    """How many rounds each strategy gets, at most where its interval ends them."""
    return pytestconfig.stash[_state_key].rounds()


@pytest.fixture
def accept(pytestconfig: pytest.Config) -> bool:
    """Whether the figures of the replays are to be kept as the expected ones."""
    return bool(pytestconfig.option.accept)


@pytest.fixture
def enforced(strategy: str, pytestconfig: pytest.Config) -> bool:
    """Whether the gate of this strategy fails the session."""
    return strategy in pytestconfig.stash[_state_key].asked.enforced


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What hosts do wrong is told in its own words, without a traceback; pytest's own mark has a line to itself."""
    item.config.stash[_state_key].progress.clear()
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, OutpaceError):
        report.longrepr = str(call.excinfo.value)
    return report


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_benchmark_generate_machine_info(config: pytest.Config) -> dict[str, Any] | None:
    """A replay is the same on every machine, and so is what pytest-benchmark writes of it."""
    return {"node": "replay"} if config.stash[_state_key].asked.settings.recording else None


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_benchmark_generate_commit_info(config: pytest.Config) -> dict[str, Any] | None:
    """A replay is that of its recording, whatever is checked out."""
    return {"id": "replay", "dirty": False} if config.stash[_state_key].asked.settings.recording else None


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Give a replay the date of its recording."""
    recording = config.stash[_state_key].asked.settings.recording
    if recording is not None:
        output_json["datetime"] = recording.created


def _publish(reporter: pytest.TerminalReporter, state: State, invocation: str) -> None:
    """Write the pages for people; that they cannot be written loses nothing, as they can be built from the reports."""
    measured = [each for each in state.measurements.values() if each.rounds]
    if not measured and not any(each.rounds for each in state.loads.values()) and state.rates is None:
        return
    try:
        paths = publish(state.asked.report_dir, [each.comparison() for each in measured], invocation)
    except (OSError, OutpaceError) as error:
        reporter.write_line(f"outpace: not every page was written: {error}", yellow=True)
        return
    if reporter.verbosity >= 0:
        reporter.write_line(f"to read: {', '.join(map(str, paths))}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write what was measured below the tests' results."""
    state = config.stash.get(_state_key, None)
    for each in state.pools if state is not None else ():
        each.write(terminalreporter)
    if state is not None and state.session is not None:
        loads = [each for each in state.loads.values() if each.rounds]
        rates = state.rates.document if state.rates else None
        write_summary(terminalreporter, state.session, list(state.measurements.values()), state.swept, loads, rates)
        if state.asked.pages:
            others = [each.command for each in config.pluginmanager.get_plugins() if isinstance(each, Invocation)]
            asked = others[0] if others else shlex.join(["pytest", *map(str, config.invocation_params.args)])
            _publish(terminalreporter, state, asked)
