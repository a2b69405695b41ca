"""What stands beside an answer of how far simulation was from live pools: of the promised figure, and of its rule."""

from __future__ import annotations

import pytest

from outpace.judge.slo import parse_slo
from outpace.simulation.pool import validation
from outpace.simulation.pool.validation import Held, Study

PULL = [Held("pull", f"ttft_p{percent}_ms", 200.0, 190.0, -0.05, worst) for percent, worst in ((50, 0.01), (95, -0.2))]
RANDOM = [Held("random", "ttft_p95_ms", 200.0, 202.0, 0.01, 0.02), Held("random", "goodput_per_s", 1.0, 1.0, 0.0, 0.0)]
STUDY = Study("ten engines", "a command", "2026-01-01T00:00:00+00:00", 3, (*PULL, *RANDOM))


@pytest.mark.parametrize(
    ("promise", "rule", "found"),
    [
        ("ttft:p95<3s", "random", RANDOM[0]),
        ("ttft:p99<3s", "pull", PULL[1]),
        ("ttft:p60<3s", "random", PULL[0]),  # nothing nearer was measured
        ("ttft:p95<3s", "hedged", PULL[1]),  # the one that was farthest off
        ("tpot:p95<3s", "pull", None),
    ],
)
def test_it_is_of_the_figure_that_is_promised_and_of_the_rule_where_it_was_tried(promise, rule, found):
    (one,) = parse_slo(promise)
    assert STUDY.nearest(one, rule) == found


def test_a_study_takes_the_place_of_an_earlier_one_of_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(validation, "PATH", tmp_path / "validation.json")
    other = Study("two engines", "a command", "2026-01-01T00:00:00+00:00", 1, tuple(RANDOM))
    validation.keep(STUDY, ())
    validation.keep(other, validation.studies())
    newer = Study("ten engines", "a command", "2026-02-01T00:00:00+00:00", 4, tuple(PULL))
    validation.keep(newer, validation.studies())
    assert validation.studies() == (other, newer)


def test_what_is_kept_was_measured_with_churn_and_tells_what_scenarios_promise():
    (one,) = parse_slo("ttft:p95<3s")
    assert any("come and go" in each.measured and each.nearest(one, "power-of-two") for each in validation.studies())
