"""Arrivals: what can be asked for, when requests are due then, and what is said of what cannot be."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from statistics import fmean, pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpace.ground.errors import ArrivalsError
from outpace.workload import arrivals
from outpace.workload.arrivals import Arrivals, arriving, parse, parse_kind, parse_period_s
from outpace.workload.prompts import DEFAULT_PROMPTS, Generation, workload

MOONCAKE = '{"timestamp": 1000, "input_length": 5, "output_length": 3, "hash_ids": [0]}\n'


def due_ms(text: str, *, seed: int = 7, **end: float) -> list[float]:
    return [prompt.due_ms for prompt in arriving(workload(), parse(text), seed=seed, **end).prompts]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("constant:2/s", Arrivals("constant", 2.0)),
        ("poisson:30/min", Arrivals("poisson", 0.5)),
        ("poisson:900/h", Arrivals("poisson", 0.25)),
        ("gamma:0.5/s,cv=3", Arrivals("gamma", 0.5, 3.0)),
        ("trace:day.csv", Arrivals("trace", trace=Path("day.csv"))),
        ("trace:a,b=c.jsonl,speed=2x", Arrivals("trace", trace=Path("a,b=c.jsonl"), speed=2.0)),
        ("trace:C:/day.csv,speed=0.5x", Arrivals("trace", trace=Path("C:/day.csv"), speed=0.5)),
    ],
)
def test_arrivals_are_read_as_they_are_written(text: str, found: Arrivals) -> None:
    assert parse(text) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Write constant:2/s, poisson:30/min"),
        ("poisson", "Write constant"),
        ("poisson:30", "cannot read 'poisson:30'"),
        ("poisson:0/min", "no request would ever come"),
        ("poisson:-3/min", "cannot read"),
        ("poisson:1e9/s", "cannot read"),
        ("poisson:nan/s", "cannot read"),
        ("poisson:2/s,cv=3", "cannot read"),
        ("uniform:2/s", "cannot read"),
        ("gamma:2/s", "needs the coefficient of variation"),
        ("gamma:2/s,cv=0", "needs the coefficient of variation"),
        ("gamma:2/s,cv=inf", "needs the coefficient of variation"),
        ("trace:", "cannot read"),
        ("trace:day.csv,speed=2", "is no speed"),
        ("trace:day.csv,speed=0x", "is no speed"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(ArrivalsError, match=r"--arrivals: ") as caught:
        parse(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_trace_has_a_rate_of_its_own_and_may_be_played_at_another(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    path.write_text(
        "".join(f'{{"timestamp": {at}, "input_length": 5, "output_length": 3}}\n' for at in (7, 1007, 4007))
    )
    found = parse_kind(f"trace:{path}", 9)
    assert found.rate_per_s == pytest.approx(0.5)
    assert parse_kind(f"trace:{path}", 2).rate_per_s == pytest.approx(1.0)
    assert [each.due_ms for each in arriving(workload(), found.at(2.0), seed=7).prompts] == [0, 250, 1000]
    assert parse_kind("gamma:cv=3", 9).at(2.0) == Arrivals("gamma", 2.0, 3.0)


def test_a_trace_that_no_speed_makes_a_rate_is_named(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    path.write_text(2 * MOONCAKE)
    with pytest.raises(ArrivalsError, match="all come at once"):
        parse_kind(f"trace:{path}", 9)
    with pytest.raises(ArrivalsError, match=r"looks for the speed, write trace:.*day\.jsonl\."):
        parse_kind(f"trace:{path},speed=2x", 9)


@given(st.text(max_size=40) | st.from_regex(r"(poisson|gamma|constant|trace):.{0,20}", fullmatch=True))
def test_anything_else_is_refused_or_read_and_never_anything_worse(text: str) -> None:
    try:
        found = parse(text)
    except ArrivalsError:
        return
    assert found.trace is not None or found.rate_per_s > 0


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("2min", 120), ("1.5h", 5400), ("250ms", 0.25)])
def test_a_period_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_period_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "2", "0s", "-2s", "2 min", "infs", "1e3s"])
def test_a_period_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ArrivalsError, match="such as 30s or 2min"):
        parse_period_s(text)


def test_constant_gaps_are_constant() -> None:
    assert due_ms("constant:4/s", for_s=1.0) == pytest.approx([0, 250, 500, 750])
    assert due_ms("constant:120/min", requests=3) == pytest.approx([0, 500, 1000])


@pytest.mark.parametrize(
    ("text", "cv"), [("poisson:2/s", 1.0), ("gamma:2/s,cv=1", 1.0), ("gamma:2/s,cv=3", 3.0), ("gamma:2/s,cv=0.2", 0.2)]
)
def test_gaps_have_the_mean_and_the_variation_that_were_asked_for(text: str, cv: float) -> None:
    times = due_ms(text, requests=40_000)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert fmean(gaps) == pytest.approx(500, rel=0.05)
    assert pstdev(gaps) / fmean(gaps) == pytest.approx(cv, rel=0.05)


def test_exponential_gaps_are_exponential() -> None:
    gaps = sorted(later - earlier for earlier, later in pairwise(due_ms("poisson:1/s", requests=20_000)))
    median, tail = gaps[len(gaps) // 2], gaps[len(gaps) * 95 // 100]
    assert (median, tail) == (pytest.approx(693.1, rel=0.03), pytest.approx(2995.7, rel=0.03))


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.sampled_from(["poisson:2/s", "gamma:2/s,cv=3"]))
def test_a_seed_gives_the_same_times_always_and_another_gives_others(seed: int, text: str) -> None:
    assert due_ms(text, seed=seed, requests=20) == due_ms(text, seed=seed, requests=20)
    assert due_ms(text, seed=seed, requests=20) != due_ms(text, seed=seed + 1, requests=20)
    assert due_ms(text, seed=seed, requests=10) == due_ms(text, seed=seed, requests=20)[:10]


def test_prompts_come_again_and_again_in_their_order() -> None:
    work = arriving(workload(generation=Generation(9)), parse("constant:1/s"), seed=7, requests=19)
    assert [prompt.text for prompt in work.prompts] == [DEFAULT_PROMPTS[index % 8] for index in range(19)]
    assert [prompt.index for prompt in work.prompts] == list(range(19))
    assert work.generation == Generation(9)
    assert {prompt.max_tokens for prompt in work.prompts} == {None}


def test_a_trace_is_played_with_its_times_and_lengths(tmp_path: Path) -> None:
    lines = [(1000, 5, 3), (1500, 40, 7), (1500, 2, 1), (4000, 1, 9)]
    path = tmp_path / "day.jsonl"
    path.write_text("".join(
        f'{{"timestamp": {at}, "input_length": {i}, "output_length": {o}, "hash_ids": [0]}}\n' for at, i, o in lines
    ))  # fmt: skip
    work = arriving(workload(), parse(f"trace:{path},speed=2x"), seed=7)
    assert [prompt.due_ms for prompt in work.prompts] == [0, 250, 250, 1500]
    assert [len(prompt.text.split()) for prompt in work.prompts] == [5, 40, 2, 1]
    assert [prompt.tokens for prompt in work.prompts] == [5, 40, 2, 1]
    assert [prompt.max_tokens for prompt in work.prompts] == [3, 7, 1, 9]
    assert [prompt.due_ms for prompt in arriving(workload(), parse(f"trace:{path}"), seed=7, for_s=1.0).prompts] == [
        0,
        500,
        500,
    ]
    assert len(arriving(workload(), parse(f"trace:{path}"), seed=7, requests=2).prompts) == 2


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ({}, "say how long requests arrive"),
        ({"for_s": 2.0, "requests": 3}, "give one of them"),
        ({"for_s": 1e-9}, "no request is due"),
    ],
)
def test_arrivals_have_one_end(end: dict[str, float], said: str) -> None:
    with pytest.raises(ArrivalsError, match=said):
        due_ms("poisson:2/s", **end)


def test_more_requests_than_can_be_held_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "MOST_REQUESTS", 100)
    assert len(due_ms("constant:1/s", requests=100)) == 100
    with pytest.raises(ArrivalsError, match="more than 100 requests"):
        due_ms("constant:1/s", requests=101)
    with pytest.raises(ArrivalsError, match="more than 100 requests"):
        due_ms("constant:1/s", for_s=1000.0)


def test_equal_texts_at_other_times_are_not_equal_work() -> None:
    batch = workload(DEFAULT_PROMPTS[:3])
    slow, quick = (arriving(batch, parse(f"constant:{rate}/s"), seed=7, requests=3) for rate in (1, 2))
    assert len({batch.sha256, slow.sha256, quick.sha256}) == 3
    assert batch.sha256 == workload(DEFAULT_PROMPTS[:3], Generation(1)).sha256
