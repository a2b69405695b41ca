"""The strategies, each over hosts whose every move is known, in virtual time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from statistics import fmean

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpace.dispatch import Coordinator, HostKnowledge, Limits, Outcome, find_strategy, limit_of
from outpace.dispatch.expectation import work_of
from outpace.dispatch.limits import FixedLimit, Limit
from outpace.dispatch.strategies import OVERDUE, split_by_rate
from outpace.prompts import Generation, Prompt, workload
from virtual import Behave, NumberEngine, run_virtually

FIVE = ["weighted", "pull", "earliest-finish", "capacity-aware", "hedged"]


class Worker(NumberEngine):
    """Answers prompt ``"n"`` with ``works[n]`` tokens, ``speed`` of them a second, for each of up to ``slots``."""

    def __init__(
        self,
        name: str,
        works: Sequence[float],
        speed: float = 1.0,
        slots: int = 1,
        misbehave: Behave | None = None,
        up: Callable[[float], bool] = lambda _: True,
    ) -> None:
        super().__init__(name, lambda number: works[number] / speed, misbehave, up)
        self._works, self.speed, self.slots = works, speed, slots
        self._slot = anyio.Semaphore(slots)
        self.limit: Limit = FixedLimit(10**6)
        self.most_over = 0

    async def generate(self, prompt, settings, cache_key, heard=None):
        self.most_over = max(self.most_over, self.in_flight + 1 - self.limit.now)
        completion = await super().generate(prompt, settings, cache_key)
        return replace(completion, output_tokens=self._works[int(prompt)])


def dispatch(
    strategy: str,
    engines: Sequence[Worker],
    works: Sequence[float],
    *,
    guess: Callable[[Prompt], float | None] | None = None,
    limits: Limits = "sweep",
    known: dict[str, HostKnowledge] | None = None,
    timeout_s: float = 600.0,
) -> Outcome:
    """Run prompts of these works over ``engines``, whose speeds and slots are known, as are the works themselves."""
    by_name = {engine.host.name: engine for engine in engines}
    known = known or {each.host.name: HostKnowledge(each.speed, each.slots, float(each.slots)) for each in engines}
    work = workload([str(index) for index in range(len(works))], Generation(100))
    make_limit, hosts = limit_of(strategy, limits), iter(engines)

    def limit(known: HostKnowledge) -> Limit:
        engine = next(hosts)
        engine.limit = make_limit(known)
        return engine.limit

    async def main() -> Outcome:
        return await Coordinator(by_name, timeout_s=timeout_s).run(
            strategy,
            find_strategy(strategy),
            work,
            list(by_name),
            cache_key="key",
            known=known,
            limit=limit,
            guess=guess or (lambda prompt: works[prompt.index]),
        )

    outcome = run_virtually(main)
    assert [request.prompt for request in outcome.run.requests] == list(range(len(works)))
    return outcome


def makespan_s(outcome: Outcome) -> float:
    assert not outcome.run.failed, outcome.run.failed
    return outcome.run.makespan_ms / 1000


def answered_by(outcome: Outcome) -> list[str]:
    return [str(request.host) for request in outcome.run.requests]


def hangs(*stuck: int, seconds: float = 1000.0) -> Behave:
    """Behaviour that takes so much longer for some prompts."""

    async def misbehave(_engine: NumberEngine, number: int, _now: float) -> None:
        if number in stuck:
            await anyio.sleep(seconds)

    return misbehave


# weighted


@pytest.mark.parametrize("speeds", [(3.0, 2.0, 1.0), (30.0, 20.0, 10.0)])
def test_weighted_splits_by_measured_speed(speeds: tuple[float, ...]) -> None:
    works = [1.0] * 12
    outcome = dispatch(
        "weighted", [Worker(name, works, speed) for name, speed in zip("abc", speeds, strict=True)], works
    )
    assert Counter(answered_by(outcome)) == {"a": 6, "b": 4, "c": 2}
    assert makespan_s(outcome) == pytest.approx(6 / speeds[0])


def test_weighted_counts_what_a_host_does_with_several_at_once() -> None:
    works = [4.0] * 10
    engines = [Worker("a", works, 2.0), Worker("b", works, 1.0, slots=8)]
    assert Counter(answered_by(dispatch("weighted", engines, works))) == {"a": 2, "b": 8}
    assert [engine.most_in_flight for engine in engines] == [1, 8]


def test_weighted_keeps_to_its_split_whatever_turns_out() -> None:
    works = [1.0] * 8
    engines = [Worker("a", works, 1.0), Worker("b", works, 10.0)]
    alike = {"a": HostKnowledge(1.0), "b": HostKnowledge(1.0)}
    assert Counter(answered_by(dispatch("weighted", engines, works, known=alike))) == {"a": 4, "b": 4}


@given(st.integers(0, 60), st.lists(st.floats(0.1, 50.0), min_size=1, max_size=8))
def test_no_split_by_rate_is_done_sooner(count: int, rates: list[float]) -> None:
    prompts = [Prompt(index, "") for index in range(count)]
    shares = split_by_rate(prompts, rates)
    assert sorted((each for share in shares for each in share), key=lambda each: each.index) == prompts
    assert all(share == sorted(share, key=lambda each: each.index) for share in shares)
    done = max(len(share) / rate for share, rate in zip(shares, rates, strict=True))
    assert all((len(share) + 1) / rate >= done * (1 - 1e-9) for share, rate in zip(shares, rates, strict=True))


# pull


def test_pull_gives_each_host_the_next_when_it_has_room() -> None:
    works = [4.0, 1.0, 1.0, 1.0, 1.0, 2.0]
    a, b = Worker("a", works), Worker("b", works)
    assert makespan_s(dispatch("pull", [a, b], works)) == pytest.approx(6)
    assert a.asked == [(0.0, 0), (pytest.approx(4.0), 5)]
    assert b.asked == [(pytest.approx(float(at)), at + 1) for at in range(4)]


def test_pull_keeps_hosts_full() -> None:
    works = [1.0] * 24
    a, b = Worker("a", works), Worker("b", works, slots=3)
    assert makespan_s(dispatch("pull", [a, b], works)) == pytest.approx(6)
    assert (a.most_in_flight, b.most_in_flight) == (1, 3)
    assert len(b.asked) == 18


def test_pull_lets_no_host_take_more_than_its_share_of_the_last_prompts() -> None:
    works = [10.0] * 4
    b = Worker("b", works, 1.0, slots=4)
    dispatch("pull", [Worker("a", works, 10.0), b], works)
    assert b.most_in_flight == 2  # of four, at 4 of 14 tokens a second


# earliest-finish


@pytest.mark.parametrize(
    ("works", "speeds", "best_s"),
    [
        ([1.0, 2.0, 4.0, 5.0, 6.0], (2.0, 1.0), 6.0),  # 18 in all, 3 a second: 6 + 4 + 2 and 5 + 1
        ([2.0, 2.0, 2.0, 3.0, 3.0], (1.0, 1.0), 6.0),  # 3 + 3 and 2 + 2 + 2; longest first 7
        ([8.0, 1.0, 1.0], (4.0, 1.0, 1.0), 2.0),
        ([6.0] * 4, (10.0, 1.0), 2.4),  # the slow one would take 6 s for one
    ],
)
def test_earliest_finish_is_as_quick_as_can_be(works: list[float], speeds: tuple[float, ...], best_s: float) -> None:
    engines = [Worker(name, works, speed) for name, speed in zip("abc", speeds, strict=False)]
    assert makespan_s(dispatch("earliest-finish", engines, works)) == pytest.approx(best_s)


def test_earliest_finish_sends_the_longest_first() -> None:
    works = [1.0, 5.0, 3.0, 2.0, 4.0]
    a = Worker("a", works)
    dispatch("earliest-finish", [a], works)
    assert [number for _, number in a.asked] == [1, 4, 2, 3, 0]


def test_earliest_finish_plans_anew_when_a_host_turns_out_to_be_slow() -> None:
    works = [50.0] * 16
    engines = [Worker("a", works, 25.0), Worker("b", works, 2.5)]
    alike = {"a": HostKnowledge(25.0), "b": HostKnowledge(25.0)}
    outcome = dispatch("earliest-finish", engines, works, known=alike)
    assert Counter(answered_by(outcome))["b"] <= 2
    assert makespan_s(outcome) < 45  # the plan it began with would take 160


@pytest.mark.parametrize(
    ("works", "speeds", "guesses"),
    [
        ([40.0, 20.0, 80.0], (4.0, 2.0), [20.0, 10.0, 160.0]),
        ([40.0, 20.0, 20.0], (2.0, 1.0), [80.0, 10.0, 10.0]),
        ([80.0, 80.0, 20.0, 60.0], (1.0, 1.0), [160.0, 40.0, 40.0, 30.0]),
    ],
)
def test_earliest_finish_forgets_no_prompt_where_two_hosts_end_at_once(works, speeds, guesses) -> None:
    engines = [Worker(name, works, speed) for name, speed in zip("ab", speeds, strict=True)]
    outcome = dispatch("earliest-finish", engines, works, guess=lambda each: guesses[each.index])
    assert makespan_s(outcome) <= sum(works) / speeds[0]


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(2, 4), st.integers(1, 12), st.integers(1, 3))
def test_earliest_finish_leaves_no_host_idle_for_long_whatever_is_guessed(seed, hosts, prompts, slots) -> None:
    chance = random.Random(seed)  # no two alike: hosts do not end at once
    works = [chance.uniform(20, 80) for _ in range(prompts)]
    guesses = [work * chance.choice([0.1, 0.5, 2.0, 10.0]) for work in works]
    engines = [Worker(name, works, chance.uniform(1, 4), slots) for name, _ in zip("abcd", range(hosts), strict=False)]
    outcome = dispatch("earliest-finish", engines, works, guess=lambda each: guesses[each.index])
    assert makespan_s(outcome) <= sum(works) / min(engine.speed for engine in engines)


def wrong_by_two(seed: int, hosts: int, prompts: int) -> tuple[list[float], list[float], list[float]]:
    """Works, speeds, and guesses that are each half or twice the truth."""
    chance = random.Random(f"{seed} {hosts} {prompts}")
    spread = chance.choice([1.5, 4.0])
    speeds = sorted((10 * spread ** chance.random() for _ in range(hosts)), reverse=True)
    length = chance.choice(
        [lambda: 40.0, lambda: chance.uniform(10, 100), lambda: min(400.0, 10 * chance.paretovariate(1.2))]
    )
    works = [length() for _ in range(prompts)]
    return works, speeds, [work * chance.choice([0.5, 2.0]) for work in works]


def against_pull(*, right: bool) -> list[float]:
    """Makespan of earliest-finish / that of pull, over a grid of hosts and prompts; the worst last."""
    found = []
    for seed, (hosts, prompts) in product(range(6), product(range(2, 9), (8, 16, 32, 64))):
        works, speeds, wrong = wrong_by_two(seed, hosts, prompts)

        def engines(works=works, speeds=speeds) -> list[Worker]:
            return [Worker(name, works, speed) for name, speed in zip("abcdefgh", speeds, strict=False)]

        guessed = works if right else wrong
        ours = dispatch("earliest-finish", engines(), works, guess=lambda each, guessed=guessed: guessed[each.index])
        found.append(makespan_s(ours) / makespan_s(dispatch("pull", engines(), works)))
    return sorted(found)


def test_earliest_finish_that_knows_lengths_is_as_quick_as_pull_or_quicker() -> None:
    found = against_pull(right=True)
    assert found[-1] < 1.05
    assert fmean(found) < 0.9


def test_earliest_finish_with_guesses_wrong_by_two_is_hardly_ever_much_slower_than_pull() -> None:
    """Not within 10 % in all cases: one of the last prompts may be twice as long as was thought, on a slow host."""
    found = against_pull(right=False)
    assert fmean(found) < 0.97
    assert sum(each > 1.1 for each in found) / len(found) < 0.08
    assert found[-1] < 1.45


# hedged


def test_hedged_copies_the_straggler_and_calls_the_loser_off() -> None:
    works = [10.0] * 4
    a, b = Worker("a", works), Worker("b", works, misbehave=hangs(3))
    outcome = dispatch("hedged", [a, b], works, guess=lambda each: work_of(each, 10.0))
    # b has prompt 3 since 10 s, and would be done at 20 s; then it is overdue, and a, idle since then, is quicker.
    copied_s = 10 + 10 * (1 + OVERDUE)
    assert [number for _, number in a.asked] == [0, 2, 3]
    assert a.asked[-1][0] == pytest.approx(copied_s, abs=0.1)
    assert answered_by(outcome) == ["a", "b", "a", "a"]
    assert makespan_s(outcome) == pytest.approx(copied_s + 10, abs=0.1)
    (lost,) = outcome.run.failed_attempts
    assert (lost.prompt, lost.host, lost.kind) == (3, "b", "spent")
    assert lost.start_ms + lost.wall_ms == pytest.approx(outcome.run.makespan_ms)
    assert b.in_flight == 0
    assert outcome.run.requests[3].attempts == 2


def test_hedged_counts_the_copy_as_spent_where_the_first_answers_first() -> None:
    works = [10.0] * 2
    a, b = Worker("a", works), Worker("b", works, misbehave=hangs(1, seconds=5.0))
    outcome = dispatch("hedged", [a, b], works)
    assert answered_by(outcome) == ["a", "b"]
    assert makespan_s(outcome) == pytest.approx(15)
    (lost,) = outcome.run.failed_attempts
    assert (lost.prompt, lost.host, lost.kind) == (1, "a", "spent")
    assert lost.wall_ms == pytest.approx(15_000 - 10_100, abs=100)


def test_hedged_copies_at_once_what_a_much_quicker_host_would_do_sooner() -> None:
    works = [10.0] * 2
    a, b = Worker("a", works, 10.0), Worker("b", works, 1.0)
    outcome = dispatch("hedged", [a, b], works)
    assert makespan_s(outcome) == pytest.approx(2)
    assert answered_by(outcome) == ["a", "a"]


def test_hedged_copies_nothing_that_goes_as_expected() -> None:
    works = [10.0, 10.0, 10.0, 8.0, 9.0, 10.0]
    engines = [Worker(name, works) for name in "abc"]
    assert dispatch("hedged", engines, works).run.failed_attempts == ()
    assert sum(len(engine.asked) for engine in engines) == len(works)


def test_hedged_copies_no_prompt_a_third_time() -> None:
    works = [10.0] * 4
    engines = [Worker(name, works, misbehave=hangs(0, 1, seconds=100.0)) for name in "abcd"]
    outcome = dispatch("hedged", engines, works)
    assert max(Counter(number for engine in engines for _, number in engine.asked).values()) == 2
    assert makespan_s(outcome) == pytest.approx(110)
    assert {each.kind for each in outcome.run.failed_attempts} == {"spent"}


def test_hedged_leaves_a_straggler_alone_while_all_others_work() -> None:
    works = [1.0] * 10
    a, b = Worker("a", works), Worker("b", works, misbehave=hangs(1, seconds=4.5))
    assert dispatch("hedged", [a, b], works).run.failed_attempts == ()


@settings(max_examples=60)
@given(
    st.lists(st.floats(0.5, 20.0), min_size=1, max_size=12),
    st.lists(st.sampled_from([0.5, 1.0, 4.0]), min_size=2, max_size=4),
    st.sets(st.integers(0, 11)),
)
def test_hedged_has_no_prompt_at_more_than_two_hosts(works: list[float], speeds: list[float], stuck: set[int]) -> None:
    engines = [
        Worker(name, works, speed, misbehave=hangs(*stuck, seconds=50.0) if name in "bd" else None)
        for name, speed in zip("abcd", speeds, strict=False)
    ]
    outcome = dispatch("hedged", engines, works)
    asked = Counter(number for engine in engines for _, number in engine.asked)
    assert set(asked) == set(range(len(works)))
    assert max(asked.values()) <= 2
    assert len(outcome.run.failed_attempts) == sum(asked.values()) - len(works)
    assert {each.kind for each in outcome.run.failed_attempts} <= {"spent"}
    assert makespan_s(outcome) > 0
    assert all(engine.in_flight == 0 for engine in engines)


# All of them


@pytest.mark.parametrize("strategy", FIVE)
@settings(max_examples=40)
@given(
    st.lists(st.floats(0.5, 20.0), min_size=1, max_size=24),
    st.lists(st.tuples(st.sampled_from([0.5, 1.0, 4.0]), st.integers(1, 4)), min_size=1, max_size=4),
    st.sampled_from(["sweep", "adaptive", 1, 3]),
    st.booleans(),
)
def test_no_host_has_more_in_flight_than_its_limit(
    strategy: str, works: list[float], hosts: list[tuple[float, int]], limits: Limits, swept: bool
) -> None:
    engines = [Worker(name, works, *host) for name, host in zip("abcd", hosts, strict=False)]
    known = None if swept else {engine.host.name: HostKnowledge(engine.speed) for engine in engines}
    makespan_s(dispatch(strategy, engines, works, limits=limits, known=known))
    for engine in engines:
        assert engine.most_over <= 0
        if limits in (1, 3) and strategy != "capacity-aware":
            assert engine.most_in_flight <= limits
        elif limits == "sweep" and strategy != "capacity-aware":
            assert engine.most_in_flight <= (engine.slots if swept else 1)


@pytest.mark.parametrize("strategy", FIVE)
def test_with_slots_enough_as_many_are_in_flight_as_the_limit_allows(strategy: str) -> None:
    works = [5.0] * 40
    engines = [Worker(name, works, 1.0, slots=4) for name in "ab"]
    outcome = dispatch(strategy, engines, works)
    assert [engine.most_in_flight for engine in engines] == [4, 4]
    assert makespan_s(outcome) == pytest.approx(25)


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("strategy", FIVE)
def test_a_host_that_dies_leaves_its_share_to_the_others(strategy: str, slots: int) -> None:
    works = [4.0 + index % 3 for index in range(24)]
    dead = Worker("b", works, slots=slots, up=lambda now: now < 9.0)
    engines = [Worker("a", works, slots=slots), dead, Worker("c", works, slots=slots)]
    outcome = dispatch(strategy, engines, works)
    by = Counter(answered_by(outcome))
    assert 0 < by["b"] <= 2 * slots
    assert by["a"] + by["c"] == len(works) - by["b"]
    assert min(by["a"], by["c"]) > by["b"]
    assert makespan_s(outcome) < sum(works) / slots * 0.75
    assert {each.host for each in outcome.run.failed_attempts if each.kind != "spent"} == {"b"}


@pytest.mark.parametrize("strategy", FIVE)
def test_a_host_that_was_never_there_gets_nothing_done(strategy: str) -> None:
    works = [2.0] * 8
    outcome = dispatch(strategy, [Worker("a", works), Worker("b", works, up=lambda _: False)], works)
    assert answered_by(outcome) == ["a"] * 8
    assert makespan_s(outcome) == pytest.approx(16)


@pytest.mark.parametrize("strategy", FIVE)
def test_a_host_that_comes_back_is_used_again(strategy: str) -> None:
    works = [3.0] * 24
    back = Worker("b", works, up=lambda now: not 4.0 < now < 12.0)
    outcome = dispatch(strategy, [Worker("a", works), back], works)
    assert makespan_s(outcome) < 60
    assert any(at > 12.0 for at, _ in back.asked)


@pytest.mark.parametrize("strategy", FIVE)
def test_every_prompt_is_answered_once(strategy: str) -> None:
    works = [1.0 + index * 7 % 5 for index in range(40)]
    engines = [Worker("a", works, 3.0), Worker("b", works, 1.0, slots=4), Worker("c", works, 0.5)]
    outcome = dispatch(strategy, engines, works)
    spent = sum(each.kind == "spent" for each in outcome.run.failed_attempts)
    assert sum(len(engine.asked) for engine in engines) == len(works) + spent
    assert [answer.rpartition(" ")[2] for answer in outcome.answers if answer] == [str(n) for n in range(40)]


@pytest.mark.parametrize("strategy", FIVE)
def test_the_same_twice(strategy: str) -> None:
    works = [1.0 + index * 7 % 5 for index in range(30)]
    runs = [
        dispatch(
            strategy, [Worker("a", works, 3.0, slots=2), Worker("b", works, misbehave=hangs(5, seconds=9.0))], works
        )
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
