"""Capacity of engines of known truth, measured with noise and drift: how often it is told right."""

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.judge.capacity import BATCHES_ABOVE, THRASHES_BELOW, TOLERANCE, Level, Usl, classify, told_its_story

LEVELS = (1, 2, 4, 8, 16)


# Engines whose truth is known: throughput of N in flight / that of one.


def queue(slots, gain):
    """Throughput rises to ``gain`` where all slots are busy; the rest waits."""
    return lambda n: 1 + (gain - 1) * (min(n, slots) - 1) / (slots - 1) if slots > 1 else 1.0


def usl(contention, coherency):
    return lambda n: Usl(1.0, contention, coherency).tokens_per_s(n)


def thrashing(power):
    return lambda n: n**-power


def collapsing(slots, gain):
    return lambda n: queue(slots, gain)(n) if n <= 2 * slots else 0.3


def any_engine(chance):
    kind = chance.choice(["queue", "slots", "usl", "thrashing", "collapsing"])
    slots = chance.choice([2, 4, 8])
    return {
        "queue": queue(1, 1.0),
        "slots": queue(slots, chance.uniform(1.4, slots)),
        "usl": usl(chance.uniform(0.0, 1.0), 10 ** chance.uniform(-4.0, 0.0)),
        "thrashing": thrashing(chance.uniform(0.5, 1.5)),
        "collapsing": collapsing(min(slots, 4), chance.uniform(1.5, min(slots, 4))),
    }[kind]


def truth(engine, *, borders):
    """Kind and limit without any noise; None near the borders, unless they are asked for."""
    gains = [engine(n) for n in LEVELS]
    most, least = max(gains), min(gains)
    limit = next(n for n in LEVELS if engine(n) >= most / TOLERANCE)
    if most > BATCHES_ABOVE:
        return ("batches", limit) if borders or most > 1.4 else None
    if least < THRASHES_BELOW:
        return ("thrashes", limit) if borders or (most < 1.06 and least < 0.65) else None
    return ("queues", limit) if borders or (most < 1.06 and least > 0.94) else None


def measured(chance, engine, sigma, n, samples):
    """One level as a sweep measures it: blocks beside solo blocks, each with its noise, on a machine that drifts."""
    gains, rates = [], []
    for _ in range(samples):
        drift = 40 * chance.uniform(0.6, 1.0)
        alone = drift * math.exp(chance.gauss(0, sigma))
        rates.append(drift * engine(n) * math.exp(chance.gauss(0, sigma)))
        gains.append(rates[-1] / alone)
    rate = sum(rates) / samples
    return Level(n, rate, 32_000 * n / rate, tuple(gains))


def sweep(chance, engine, samples, *, stops):
    sigma = chance.uniform(0.05, 0.15)
    found = []
    for n in LEVELS:
        found.append(measured(chance, engine, sigma, n, samples))
        if stops and told_its_story(found):
            break
    return found


def grid(samples, *, stops, borders=False, count=500):
    """How often the kind was right, the limit within one doubling, and the truth within its uncertainty."""
    chance = random.Random(20261124)
    right = Counter()
    while right["all"] < count:
        engine = any_engine(chance)
        known = truth(engine, borders=borders)
        if known is None:
            continue
        kind, limit = known
        found = classify(sweep(chance, engine, samples, stops=stops))
        right["all"] += 1
        right["kind"] += found.kind == kind
        right["limit"] += abs(math.log2(found.limit / limit)) <= 1
        right["within"] += found.limit_low <= limit <= found.limit_high
        right["settled"] += found.settled
        right["settled wrongly"] += found.settled and found.kind != kind
        right["levels"] += len(found.levels)
    return {name: number / count for name, number in right.items()}


@pytest.mark.parametrize("samples", [5, 8])
@pytest.mark.parametrize("stops", [False, True], ids=["all levels", "stops early"])
def test_noisy_engines_are_told_for_what_they_are(samples, stops):
    right = grid(samples, stops=stops)
    assert right["kind"] >= 0.98
    assert right["limit"] >= 0.96
    assert right["within"] >= 0.97
    assert right["settled wrongly"] <= 0.005
    assert (right["levels"] < len(LEVELS) - 0.5) == stops


@pytest.mark.parametrize("stops", [False, True], ids=["all levels", "stops early"])
def test_near_a_border_the_kind_is_open_rather_than_wrong(stops):
    right = grid(5, stops=stops, borders=True)
    assert right["settled wrongly"] <= 0.025
    assert right["settled"] >= 0.75


@given(st.integers(0, 10**9), st.booleans())
def test_without_noise_every_engine_is_told_exactly(seed, paired):
    engine = any_engine(random.Random(seed))
    known = truth(engine, borders=True)
    gains = [engine(n) for n in LEVELS]
    found = classify([Level(n, 40 * engine(n), 1.0, (engine(n),) * 5 if paired else ()) for n in LEVELS])
    near = any(1 / TOLERANCE <= gain / border <= TOLERANCE for gain in gains for border in (1.2, 0.8))
    if not near:
        assert (found.kind, found.settled) == (known[0], True)
    if paired and not near:
        assert found.limit == known[1] or (found.kind == "batches" and known[1] == 1)
    assert found.gain == pytest.approx(max(gains))
