"""The figure of rules: each measure of each rule is in it, and what is not known is said to be so."""

from __future__ import annotations

from outpace.judge.stats import Interval
from outpace.report.figures.rules import at_a_glance
from outpace.report.rules import Rule

FAST = Rule("fast", Interval(1.9, 1.8, 2.0, 0.95), (1.8, 1.9, 2.0), 2500.0, 0.99, 0.97)
SLOW = Rule("slow", Interval(0.13, None, None, 0.95), (0.13,), 40_000.0, None, 0.07)
LOST = Rule("lost", None, (), None, None, None, problem="it forgot 7 of 8 prompts")
RATES = {
    "found": [
        {"strategy": "fast", "rate_gain": {"value": 1.5, "low": 1.4, "high": None}},
        {"strategy": "slow", "rate_gain": {"value": 0.0, "low": 0.0, "high": 0.1}},
        {"strategy": "best-alone", "rate_gain": None},
    ]
}


def test_each_measure_of_each_rule_that_finished_is_in_the_figure() -> None:
    found = at_a_glance([FAST, SLOW, LOST], RATES)
    assert found is not None
    for form in (found.wide, found.narrow):
        assert "fast: set gain 1.9, rate gain 1.5, p95, seconds 2.5, evenness 0.99, of the limit 0.97." in form
        assert "slow: set gain 0.13, rate gain 0, p95, seconds 40, evenness not known, of the limit 0.07." in form
        assert "lost" not in form
        assert all(f">{name}</text>" in form for name in ("rate gain", "evenness", "slow"))


def test_without_a_search_there_is_no_rate_gain_and_without_a_rule_no_figure() -> None:
    found = at_a_glance([FAST])
    assert found is not None
    assert "rate gain" not in found.wide
    assert at_a_glance([LOST], RATES) is None
