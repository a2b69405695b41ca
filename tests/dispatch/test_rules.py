"""The rules of routers: each decides as its project's source says."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest

from outpace.dispatch import Coordinator, Job, find_strategy
from outpace.dispatch.strategies import RULES
from outpace.ground.records import RequestRecord
from outpace.workload.prompts import Prompt
from virtual import NumberEngine, coordinate, numbers, run_virtually


class Seen(SimpleNamespace):
    """A job as rules see it: ``in_flight`` and ``rates`` by host; who is chosen has one more in flight."""

    def __init__(self, in_flight: dict[str, int], rates: dict[str, float] | None = None, gain: float = 1.0) -> None:
        speeds = rates or dict.fromkeys(in_flight, 1.0)
        super().__init__(
            hosts=tuple(in_flight),
            in_flight_now=in_flight,
            down=set(),
            finished=[],
            memory={},
            expect=SimpleNamespace(
                rate=speeds.__getitem__,
                work=lambda _: 1.0,
                alone_s=lambda host, work: work / speeds[host] * gain,
            ),
        )

    @property
    def in_flight(self) -> dict[str, int]:
        return dict(self.in_flight_now)

    @property
    def standing(self) -> list[str]:
        return [host for host in self.hosts if host not in self.down]

    def in_flight_at(self, host: str) -> int:
        return self.in_flight_now[host]

    def chosen(self, rule: str, requests: int, *, apart: bool = True) -> str:
        """Whom ``rule`` gives so many requests, which come one after another, or all at one moment."""
        choose = RULES[rule](self)  # type: ignore[arg-type]
        found = []
        for index in range(requests):
            host = choose(Prompt(index, str(index), float(index) if apart else 0.0))
            self.in_flight_now[host] += 1
            found.append(host)
        return "".join(found)

    def answers(self, host: str, first_token_ms: float, tokens: int = 1) -> None:
        self.finished.append(
            RequestRecord(0, host, 0.0, first_token_ms * 2, first_token_ms=first_token_ms, output_tokens=tokens)
        )


def test_round_robin_goes_round_and_on_in_the_next_run() -> None:
    job = Seen({"a": 9, "b": 0, "c": 0})
    assert job.chosen("round-robin", 4) == "abca"
    assert job.chosen("round-robin", 4) == "bcab"


def test_chance_keeps_to_the_weights() -> None:
    found = Counter(Seen({"a": 0, "b": 0}, {"a": 3.0, "b": 1.0}).chosen("weighted-random", 4000))
    assert found["a"] == pytest.approx(3000, abs=120)  # more than four standard deviations


def test_weights_are_kept_without_giving_one_host_its_share_in_a_row() -> None:
    job = Seen({"a": 0, "b": 0, "c": 0}, {"a": 5.0, "b": 1.0, "c": 1.0})
    assert job.chosen("weighted-round-robin", 7) == "aabacaa"  # as nginx's changelog of 1.3.1 has it


def test_a_tie_goes_round_or_to_the_first() -> None:
    assert Seen({"a": 0, "b": 0, "c": 0}).chosen("least-in-flight", 3) == "acb"
    assert Seen({"a": 0, "b": 0, "c": 0}).chosen("least-in-flight-first", 4) == "abca"
    assert Seen({"a": 2, "b": 1, "c": 1}).chosen("least-in-flight-first", 3) == "bca"


def test_an_idle_set_gets_what_comes_one_by_one_in_turn_or_all_on_the_first() -> None:
    def one_by_one(rule: str) -> str:
        job, found = Seen({"a": 0, "b": 0}), ""
        for _ in range(4):
            found += job.chosen(rule, 1)
            job.in_flight_now = {"a": 0, "b": 0}  # answered before the next comes
        return found

    assert one_by_one("least-in-flight") == "abab"
    assert one_by_one("least-in-flight-first") == "aaaa"


def test_a_burst_piles_up_on_the_first_where_it_is_counted_late() -> None:
    assert Seen({"a": 0, "b": 0}).chosen("least-busy", 4, apart=False) == "aaaa"
    assert Seen({"a": 0, "b": 0}).chosen("least-busy", 4) == "abab"


def test_weighted_counts_are_over_the_weights() -> None:
    job = Seen({"a": 0, "b": 0}, {"a": 3.0, "b": 1.0})
    assert Counter(job.chosen("weighted-least-in-flight", 40)) == {"a": 30, "b": 10}
    assert Seen({"a": 3, "b": 2}, {"a": 3.0, "b": 1.0}).chosen("weighted-least-in-flight", 1) == "a"


def test_of_two_choices_the_fuller_is_never_taken() -> None:
    assert Seen({"a": 5, "b": 0}).chosen("power-of-two", 5) == "bbbbb"
    found = Seen({"a": 0, "b": 0, "c": 1000}).chosen("power-of-two", 400)
    assert set(found) == {"a", "b"}
    assert Seen({"only": 0}).chosen("power-of-two", 2) == "onlyonly"


def test_of_two_draws_the_fuller_is_taken_where_both_are_it() -> None:
    job = Seen({"a": 100_000, "b": 0})
    assert Counter(job.chosen("power-of-two-draws", 4000))["a"] == pytest.approx(1000, abs=120)
    assert Seen({"only": 0}).chosen("power-of-two-draws", 2) == "onlyonly"


def test_lowest_latency_goes_where_nothing_was_seen_first_and_then_stays() -> None:
    job = Seen({"a": 0, "b": 0})
    job.answers("a", 100)
    assert job.chosen("lowest-latency", 5) == "bbbbb"
    job.answers("b", 300)
    assert job.chosen("lowest-latency", 5) == "aaaaa"
    assert job.in_flight == {"a": 5, "b": 5}  # which it does not look at


@pytest.mark.parametrize("rule", ["lowest-latency", "lowest-latency-stuck"])
def test_what_a_burst_is_answered_after_its_last_choice_counts_in_the_next(rule: str) -> None:
    async def main() -> list[Counter[str | None]]:
        engines = {"slow": NumberEngine("slow", lambda _: 3.0), "fast": NumberEngine("fast")}
        coordinator = Coordinator(engines, timeout_s=600)
        return [
            Counter(
                request.host
                for request in (
                    await coordinator.run(rule, find_strategy(rule), numbers(12), list(engines), cache_key="k")
                ).run.requests
            )
            for _ in range(2)
        ]

    first, second = run_virtually(main)
    assert set(first) == {"slow", "fast"}
    assert second == {"fast": 12}


@pytest.mark.parametrize(("rule", "found"), [("lowest-latency", "b"), ("lowest-latency-stuck", "a")])
def test_a_host_that_has_become_slow_is_found_out_or_not(rule: str, found: str) -> None:
    job = Seen({"a": 0, "b": 0})
    for _ in range(10):
        job.answers("a", 100)
        job.answers("b", 250)
    for _ in range(10):
        job.answers("a", 500)
    assert job.chosen(rule, 1) == found


def test_a_sample_counts_by_the_tokens_of_its_answer_in_the_older_version_alone() -> None:
    job = Seen({"a": 0, "b": 0})
    job.answers("a", 100, tokens=1)
    job.answers("b", 150, tokens=10)
    assert job.chosen("lowest-latency", 1) == "a"
    job.memory.clear()
    assert job.chosen("lowest-latency-stuck", 1) == "b"


def test_the_shortest_expected_wait_is_by_what_is_there_over_what_is_done_in_a_second() -> None:
    assert Seen({"a": 2, "b": 0}, {"a": 4.0, "b": 1.0}).chosen("shortest-expected-wait", 1) == "a"
    assert Seen({"a": 4, "b": 0}, {"a": 4.0, "b": 1.0}).chosen("shortest-expected-wait", 1) == "b"
    # With room for four at once one more is no slower than the first, and the emptier of two such hosts gets it.
    assert Seen({"a": 2, "b": 1}, {"a": 4.0, "b": 4.0}, gain=4.0).chosen("shortest-expected-wait", 1) == "b"


@pytest.mark.parametrize("rule", RULES)
def test_a_host_that_is_down_is_left_out_while_another_stands(rule: str) -> None:
    job = Seen({"a": 0, "b": 3})
    job.down = {"a"}
    assert job.chosen(rule, 3, apart=False) == "bbb"
    job.down = {"a", "b"}
    assert set(job.chosen(rule, 3)) <= {"a", "b"}


@pytest.mark.parametrize("rule", RULES)
def test_it_sends_at_once_and_the_same_in_every_session(rule: str) -> None:
    def hosts() -> list[str | None]:
        outcome, _ = coordinate([NumberEngine("a"), NumberEngine("b", lambda _: 3.0)], rule, prompts=12)
        assert {request.start_ms for request in outcome.run.requests} == {0.0}
        return [request.host for request in outcome.run.requests]

    assert hosts() == hosts()


def test_memory_is_a_strategys_own_and_goes_on_from_run_to_run_of_one_session() -> None:
    async def counts(job: Job) -> None:
        job.memory["runs"] = job.memory.get("runs", 0) + 1
        seen.append(job.memory["runs"])

    async def main() -> None:
        coordinator = Coordinator({"a": NumberEngine("a")}, timeout_s=60)
        for name in ("one", "other", "one"):
            await coordinator.run(name, counts, numbers(1), ["a"], cache_key="k")

    seen: list[int] = []
    run_virtually(main)
    assert seen == [1, 1, 2]
