"""How long a session will take is said before it begins, and a budget is kept."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

from harness import PUBLISHED, ThreadedHosts, ollama, paragraph_of, report, run
from outpace.ground.errors import UsageError
from outpace.measure.forecast import BESIDES_S, Forecast, forecast, in_time
from outpace.measure.measurement import Measurement
from outpace.measure.sweep import sweep
from outpace.measure.worlds import Settings
from outpace.recording import har
from outpace.suite.command_line import read_budget
from outpace.workload.prompts import DEFAULT_PROMPTS, Generation, workload
from reference.truth import Truth
from reference_session import virtual_session

pytest_plugins = ["pytester"]

ONE_SLOT = Truth(1000 / 8, 5.0, 1, tokens=10)
BATCHING = replace(ONE_SLOT, slots=4, batching={4: 4.0})
STRATEGIES = ["sequential", "serial-per-side", "all-parallel", "pull", "earliest-finish"]
LENGTHS = dict(zip(DEFAULT_PROMPTS, (20, 14, 26, 18, 22, 10, 24, 16), strict=True))


def took_s(truths: dict[str, Truth], folder: Path, *, sweeps: bool, known: bool) -> tuple[float, float, float]:
    """What three rounds of each strategy were foretold to take, and took, in virtual seconds, and what sweeps took.

    It is foretold once the hosts were swept, where that is ``known``.
    """
    asked = workload(DEFAULT_PROMPTS, Generation(max_tokens=64))
    with virtual_session(truths, workload=asked) as session:
        hosts = list(truths) if sweeps else []
        before, began_s = forecast(session, STRATEGIES, hosts), session.now()
        for host in hosts:
            sweep(session, host)
        swept_s, began_s = session.now() - began_s, session.now()
        to_come = forecast(session, STRATEGIES, ()) if known else before
        for strategy in STRATEGIES:
            Measurement(session, strategy, report_dir=folder).measure(3)
        besides_s = 3 * len(STRATEGIES) * BESIDES_S
        if sweeps:
            assert before.sweep_s == pytest.approx(swept_s, rel=0.25)
        return to_come.rounds_s(3) - besides_s, session.now() - began_s, swept_s


SLOWER = replace(ONE_SLOT, tokens_per_s=70.0)
SETS = [(ONE_SLOT, ONE_SLOT), (ONE_SLOT, SLOWER), (BATCHING, BATCHING), (BATCHING, SLOWER)]


@pytest.mark.parametrize(("truths", "alike"), [(truths, truths == (BATCHING, BATCHING)) for truths in SETS])
def test_rounds_of_hosts_that_were_swept_take_what_is_foretold_then(
    truths: tuple[Truth, Truth], alike: bool, tmp_path: Path
) -> None:
    a, b = (replace(truth, tokens=18 if alike else LENGTHS) for truth in truths)
    foretold_s, is_s, _ = took_s({"a": a, "b": b}, tmp_path, sweeps=True, known=True)
    assert foretold_s == pytest.approx(is_s, rel=0.2)


@pytest.mark.parametrize("sweeps", [True, False])
@pytest.mark.parametrize("truths", SETS)
def test_a_session_takes_about_what_it_says_before_anything_is_known(
    truths: tuple[Truth, Truth], sweeps: bool, tmp_path: Path
) -> None:
    a, b = (replace(truth, tokens=LENGTHS) for truth in truths)
    foretold_s, is_s, swept_s = took_s({"a": a, "b": b}, tmp_path, sweeps=sweeps, known=False)
    assert 1.0 < (foretold_s + swept_s) / (is_s + swept_s) < 1.5


@pytest.mark.parametrize("truth", [ONE_SLOT, BATCHING])
def test_a_sweep_takes_about_what_was_foretold(truth: Truth) -> None:
    with virtual_session({"a": truth}) as session:
        foretold_s = forecast(session, [], ["a"]).sweep_s
        began_s = session.now()
        sweep(session, "a")
        assert session.now() - began_s == pytest.approx(foretold_s, rel=0.6)


def test_it_is_said_in_a_sentence() -> None:
    to_come = Forecast(strategies=9, round_s=144.0, sweep_s=118.0, search_s=0.0)
    assert to_come.in_words(5) == (
        "9 strategies, 5 rounds each, on hosts as fast as these: about 12 minutes; the sweep about 2 minutes."
    )
    alone = Forecast(strategies=1, round_s=2.0, sweep_s=0.0, search_s=0.0)
    assert alone.in_words(1) == "1 strategy, 1 round, on hosts as fast as these: about 2 seconds."
    assert Forecast(0, 0.0, 10.0, 0.0).in_words(5) == "the sweep about 10 seconds."
    assert (in_time(0.01), in_time(89), in_time(91), in_time(7200)) == (
        "1 second",
        "89 seconds",
        "2 minutes",
        "2.0 hours",
    )


def test_as_many_rounds_fit_as_the_sweep_leaves_room_for() -> None:
    to_come = Forecast(strategies=3, round_s=10.0, sweep_s=20.0, search_s=5.0)
    assert [to_come.fitting(budget_s) for budget_s in (10.0, 34.0, 36.0, 85.0, 600.0)] == [0, 0, 1, 6, 57]
    assert to_come.too_little("75s", 75.0) is None
    said = to_come.too_little("1min", 60.0)
    assert said is not None
    assert "take about 75 seconds on hosts as fast as these; 3 rounds would fit: --rounds=3" in said
    assert "not one round would fit" in str(to_come.too_little("1s", 1.0))


# On the command line


@pytest.mark.waits
def test_a_session_says_how_long_it_will_take_and_makes_as_many_rounds_as_fit_alike_for_all(
    suite: pytest.Pytester,
) -> None:
    with ThreadedHosts(ollama("m", pause_s=0.004), ollama("m", pause_s=0.004)) as hosts:
        options = ["--strategies=sequential,serial-per-side", "--budget=4s", "-k", "strategy"]
        result = run(suite, hosts.option, *options)
    result.assert_outcomes(passed=2)
    made = [len(report(suite, strategy)["rounds"]) for strategy in ("sequential", "serial-per-side")]
    assert made[0] == made[1] >= 5
    result.stdout.fnmatch_lines(
        [
            "outpace: 2 strategies, * rounds each, on hosts as fast as these: about * seconds.",
            f"outpace: --budget=4s: {made[0]} rounds of each strategy.",
            f"outpace: sequential: round {made[0]} of {made[0]}, *",
        ]
    )


def test_a_budget_that_is_too_small_is_told_with_what_would_fit_and_nothing_is_measured(
    suite: pytest.Pytester,
) -> None:
    with ThreadedHosts(ollama("m", pause_s=0.05), ollama("m", pause_s=0.05)) as hosts:
        said = paragraph_of(run(suite, hosts.option, "--strategies=serial-per-side", "--budget=0.1s", "-k", "strategy"))
    assert "--budget=0.1s: 5 rounds of each strategy, the fewest that have an interval, take about" in said
    assert not (suite.path / "reports" / "report-serial-per-side.json").exists()


@pytest.mark.parametrize(
    ("budget", "rounds", "settings", "said"),
    [
        ("10", None, Settings(), "write a time above 0 with its unit"),
        ("0s", None, Settings(), "write a time above 0 with its unit"),
        ("10min", "5", Settings(), "give one of them"),
        ("10min", None, Settings(recording=har.read(PUBLISHED)), "a replay takes next to none"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_told(budget: str, rounds: str | None, settings: Settings, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_budget(Namespace(budget=budget, rounds=rounds), settings)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10min", 600), ("1.5h", 5400)])
def test_a_budget_has_a_unit(text: str, seconds: float) -> None:
    assert read_budget(Namespace(budget=text, rounds=None), Settings()) == (text, seconds)
