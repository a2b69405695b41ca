"""Capacity: engines of known truth, measured with noise and drift, and the figures of real ones."""

import json
import math
import random
from collections import Counter
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.capacity import (
    BATCHES_ABOVE,
    THRASHES_BELOW,
    TOLERANCE,
    HostCapacity,
    Level,
    Usl,
    classify,
    fit_usl,
    from_document,
    read,
    to_document,
    told_its_story,
    write,
)
from outpace.documents import validate
from outpace.errors import DocumentInvalid

LEVELS = (1, 2, 4, 8, 16)

figures = st.floats(min_value=1e-3, max_value=1e4)
samples = st.lists(st.floats(min_value=0.0, max_value=40.0), max_size=9).map(tuple)
level_lists = st.lists(st.tuples(figures, samples), min_size=1, max_size=6).map(
    lambda found: [Level(2**n, rate, 1000.0, gains) for n, (rate, gains) in enumerate(found)]
)


def levels(*tokens_per_s, gains=()):
    """Levels of 1, 2, 4, ... in flight; ``gains`` are the samples of the last of them."""
    found = [Level(2**n, rate, 1000.0) for n, rate in enumerate(tokens_per_s)]
    return [*found[:-1], replace(found[-1], gains=tuple(gains))]


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


# What real engines gave at 1, 2, 4, 8 in flight, and the published machines alone and with four at once.


@pytest.mark.parametrize(
    ("engine", "tokens_per_s", "kind", "limit", "limit_low", "limit_high"),
    [
        ("llama-server, 4 slots", (37, 38, 52, 52), "batches", 4, 4, 8),
        ("vLLM, 8 sequences", (12, 17, 29, 38), "batches", 8, 8, 8),
        ("Ollama, 1 slot", (34, 34, 35, 36), "queues", 1, 1, 8),
        ("Ollama, 4 slots", (38, 50, 62), "batches", 4, 4, 4),
        ("noise", (100, 96, 104, 99), "queues", 1, 1, 8),
    ],
)
def test_real_figures(engine, tokens_per_s, kind, limit, limit_low, limit_high):
    found = classify(levels(*tokens_per_s))
    assert (found.kind, found.limit, found.limit_low, found.limit_high) == (kind, limit, limit_low, limit_high)
    assert found.settled
    assert found.gain == max(tokens_per_s) / tokens_per_s[0]


def test_the_published_machines_thrash():
    found = classify([Level(1, 7.0, 4000.0), Level(4, 0.9, 68_000.0, (0.13, 0.12, 0.14, 0.11, 0.13))])
    assert (found.kind, found.limit, found.limit_high, found.gain, found.settled) == ("thrashes", 1, 1, 1.0, True)
    assert found.reason == "4 in flight give only 0.13 times the throughput of one alone."


def test_a_host_that_batches_and_then_collapses_batches_and_its_reason_tells_the_rest():
    found = classify(levels(10, 18, 30, 28, 3))
    assert (found.kind, found.limit, found.limit_high) == ("batches", 4, 8)
    assert found.reason == (
        "4 in flight give 3.00 times the throughput of one alone; beyond that it thrashes, 16 give 0.30 times."
    )
    assert "beyond that it falls, 8 give 1.50 times" in classify(levels(10, 18, 30, 15)).reason
    assert "beyond" not in classify(levels(10, 18, 30, 28)).reason


def test_a_host_that_still_improves_may_do_better():
    found = classify(levels(10, 20, 40, 80))
    assert (found.limit, found.limit_high) == (8, 8)
    assert found.reason == (
        "8 in flight give 8.00 times the throughput of one alone; no more than 8 were tried, and more may be better."
    )
    assert "may be better" not in classify(levels(10, 20, 40, 40, 40)).reason
    assert "which 4 cannot be told from" in classify(levels(10, 20, 40, 41)).reason


def test_the_gains_count_where_there_are_any_and_the_machine_drifted():
    drifted = [Level(1, 40.0, 1.0), Level(2, 24.0, 1.0, (1.01, 0.99, 1.0, 1.02, 0.98))]
    assert classify(drifted).kind == "queues"
    assert classify([replace(level, gains=()) for level in drifted]).kind == "thrashes"


def test_gains_that_lie_across_a_border_leave_the_kind_open():
    found = classify(levels(10, 13, gains=(1.05, 1.1, 1.3, 1.35, 1.4)))
    assert (found.kind, found.limit, found.settled) == ("batches", 2, False)
    assert "noise leaves that open, from 1.05 to 1.40 times" in found.reason
    assert not classify(levels(10, 7, gains=(0.6, 0.7, 0.75, 0.82, 0.9))).settled
    assert not classify(levels(10, 11, gains=(1.0, 1.05, 1.1, 1.3, 1.4))).settled
    assert not classify(levels(10, 12.3)).settled
    assert classify(levels(10, 13, gains=(1.25, 1.3, 1.3, 1.35, 1.4))).settled


def test_a_host_that_may_batch_does_not_thrash_for_sure():
    batches_perhaps = Level(2, 11.0, 1.0, (1.0, 1.05, 1.1, 1.3, 1.4))
    found = classify([Level(1, 10.0, 1.0), batches_perhaps, Level(4, 3.0, 1.0, (0.3,) * 5)])
    assert (found.kind, found.settled) == ("thrashes", False)


def test_one_in_flight_alone_settles_nothing():
    found = classify([Level(1, 34.0, 900.0)])
    assert (found.kind, found.limit, found.gain, found.usl, found.settled) == ("queues", 1, 1.0, None, False)
    assert found.reason == "Only one in flight was tried."


@pytest.mark.parametrize("found", [[], [Level(2, 34.0, 1.0)], [Level(1, 0.0, 1.0), Level(2, 34.0, 1.0)]])
def test_without_one_in_flight_there_is_nothing_to_compare_with(found):
    for function in (classify, told_its_story, fit_usl):
        with pytest.raises(ValueError, match="one in flight must have given something"):
            function(found)


def test_a_level_told_twice_is_refused():
    with pytest.raises(ValueError, match="levels must differ"):
        classify([Level(1, 34.0, 1.0), Level(2, 34.0, 1.0), Level(2, 35.0, 1.0)])


@pytest.mark.parametrize("wrong", [(0, 1.0, 1.0), (1, -1.0, 1.0), (1, 1.0, math.nan), (2, 1.0, 1.0, (1.0, math.inf))])
def test_what_is_no_level_is_refused(wrong):
    with pytest.raises(ValueError, match="no level of concurrency"):
        Level(*wrong)


@given(level_lists)
def test_whatever_was_measured_the_parts_agree(found):
    capacity = classify(found)
    tried = [level.in_flight for level in found]
    assert {capacity.limit, capacity.limit_low, capacity.limit_high} <= set(tried)
    assert capacity.limit_low <= capacity.limit <= capacity.limit_high
    assert capacity.gain >= 1.0
    assert capacity.gain > BATCHES_ABOVE or capacity.kind != "batches"
    assert capacity.limit > 1 or capacity.kind != "batches"
    assert capacity.reason.endswith(".")
    assert ". " not in capacity.reason
    assert capacity.usl == fit_usl(found)


@given(level_lists, st.randoms(use_true_random=False))
def test_the_order_of_the_levels_does_not_matter(found, chance):
    shuffled = found[:]
    chance.shuffle(shuffled)
    assert classify(shuffled) == classify(found)
    assert told_its_story(shuffled) == told_its_story(found)


@given(level_lists, st.integers(-8, 8))
def test_a_faster_machine_is_of_the_same_kind(found, power):
    scaled = [replace(level, tokens_per_s=math.ldexp(level.tokens_per_s, power)) for level in found]
    ours, theirs = classify(found), classify(scaled)
    assert (ours.kind, ours.limit, ours.gain, ours.reason) == (theirs.kind, theirs.limit, theirs.gain, theirs.reason)


# When a sweep may stop.


@pytest.mark.parametrize(
    ("tokens_per_s", "told"),
    [
        ((34,), False),
        ((34, 34), False),
        ((34, 34, 35), True),
        ((37, 38, 52), False),
        ((37, 38, 52, 52), False),
        ((37, 38, 52, 52, 51), True),
        ((12, 17, 29, 38), False),
        ((100, 96, 104), True),
        ((7, 3), True),
        ((7, 6.5), False),
        ((10, 18, 30, 20), True),
        ((10, 18, 30, 28), False),
    ],
)
def test_a_sweep_stops_where_throughput_fell_or_rises_no_more(tokens_per_s, told):
    assert told_its_story(levels(*tokens_per_s)) is told


def test_noise_is_no_reason_to_stop_for_a_fall_nor_to_go_on_for_a_rise():
    assert not told_its_story(levels(10, 7, gains=(0.4, 0.6, 0.7, 1.2, 1.3)))
    assert told_its_story(levels(10, 10, 12, gains=(0.8, 0.9, 1.2, 1.3, 1.4)))


# The Universal Scalability Law.

rates = st.floats(min_value=0.1, max_value=1000.0)
contentions = st.one_of(st.just(0.0), st.floats(min_value=1e-4, max_value=2.0))
coherencies = st.one_of(st.just(0.0), st.floats(min_value=1e-6, max_value=2.0))


@given(rates, contentions, coherencies, st.integers(3, 7), st.booleans())
def test_the_law_of_a_noiseless_curve_is_found(rate, contention, coherency, count, paired):
    law = Usl(rate, contention, coherency)
    found = []
    for n in (2**power for power in range(count)):
        gains = (law.tokens_per_s(n) / rate,) if paired and n > 1 else ()
        found.append(Level(n, law.tokens_per_s(n), 1.0, gains))
    fitted = fit_usl(found)
    assert fitted.tokens_per_s_alone == pytest.approx(rate, rel=1e-9)
    assert fitted.contention == pytest.approx(contention, rel=1e-6, abs=1e-9)
    assert fitted.coherency == pytest.approx(coherency, rel=1e-6, abs=1e-9)


@given(rates, contentions, coherencies, st.lists(st.floats(min_value=0.7, max_value=1.4), min_size=3, max_size=7))
def test_no_law_beside_the_one_found_is_nearer(rate, contention, coherency, noise):
    law = Usl(rate, contention, coherency)
    found = levels(*(law.tokens_per_s(2**n) * factor for n, factor in enumerate(noise)))

    def error(law):
        return sum((1 - level.tokens_per_s / law.tokens_per_s(level.in_flight)) ** 2 for level in found)

    fitted = fit_usl(found)
    least = error(fitted)
    for factor in (0.9, 0.999, 1.001, 1.1):
        assert error(replace(fitted, tokens_per_s_alone=fitted.tokens_per_s_alone * factor)) >= least - 1e-9
    for step in (-1e-2, -1e-4, 1e-4, 1e-2):
        for name in ("contention", "coherency"):
            beside = getattr(fitted, name) + step
            if beside >= 0:
                assert error(replace(fitted, **{name: beside})) >= least - 1e-9


def test_a_law_takes_three_levels_that_gave_something():
    assert fit_usl(levels(10, 20)) is None
    assert fit_usl(levels(10, 20, 0)) is None
    assert fit_usl(levels(10, 20, 1e-300)) is None
    assert classify(levels(10, 20, 0)).usl is None
    assert fit_usl(levels(10, 20, 30)) is not None


def test_the_peak_is_where_the_law_gives_most():
    law = Usl(10.0, 0.1, 0.01)
    assert law.peak == pytest.approx(math.sqrt(90))
    assert law.tokens_per_s(1) == 10.0
    assert law.tokens_per_s(law.peak) > max(law.tokens_per_s(law.peak * 0.9), law.tokens_per_s(law.peak * 1.1))
    assert Usl(10.0, 0.5, 0.0).peak is None
    assert Usl(10.0, 1.0, 0.0).peak is None
    assert Usl(10.0, 1.5, 0.0).peak == Usl(10.0, 1.5, 0.1).peak == Usl(10.0, 0.5, 2.0).peak == 1.0


# The document.


def document_of(*capacities):
    hosts = [
        HostCapacity(f"host {n}", f"http://127.0.0.1:{11434 + n}", "ollama", None, "smollm2:135m", each)
        for n, each in enumerate(capacities)
    ]
    return to_document("2026-11-24T12:00:00Z", "live", hosts), hosts


@given(st.lists(level_lists, min_size=1, max_size=3))
def test_every_capacity_makes_a_valid_document_and_comes_back(found):
    document, hosts = document_of(*map(classify, found))
    document = json.loads(json.dumps(document, allow_nan=False))
    validate(document, "capacity", "The capacity")
    back = from_document(document)
    assert to_document(document["created"], document["source"], back) == document
    assert [replace(host, capacity=None) for host in back] == [replace(host, capacity=None) for host in hosts]
    for ours, theirs in zip(hosts, back, strict=True):
        assert theirs.capacity.gain == pytest.approx(ours.capacity.gain, abs=1e-4)
        assert replace(theirs.capacity, gain=0, levels=(), usl=None) == replace(
            ours.capacity, gain=0, levels=(), usl=None
        )


def test_a_document_is_written_and_read(tmp_path):
    gains = (0.98, 1.01, 1.234567, 1.1, 1.0)
    capacity = classify([Level(1, 34.123456, 941.98765), *levels(34, 35, 36)[1:], Level(8, 36.0, 8000.0, gains)])
    document, _ = document_of(capacity)
    write(tmp_path / "capacity.json", document)
    assert read(tmp_path / "capacity.json") == document
    host = document["hosts"]["host 0"]
    assert host["levels"][0] == {"in_flight": 1, "tokens_per_s": 34.123, "mean_ms": 941.988, "gains": []}
    assert host["levels"][-1]["gains"] == [0.98, 1.01, 1.2346, 1.1, 1.0]
    assert list(host["usl"]) == ["tokens_per_s_alone", "contention", "coherency", "peak"]
    assert [each.capacity.kind for each in from_document(document)] == ["queues"]


def test_a_host_may_be_called_like_a_figure():
    capacity = classify(levels(10, 20, 40))
    entry = HostCapacity("gain", None, None, None, None, capacity)
    assert from_document(to_document("2026-11-24T12:00:00Z", "replay", [entry])) == (entry,)


NONSENSE = {
    "schema_version": "2.0",
    "created": "yesterday",
    "source": "published",
    "hosts": {},
    "more": 1,
    "hosts/host 0/url": "here and there",
    "hosts/host 0/kind": "sleeps",
    "hosts/host 0/limit": 0,
    "hosts/host 0/limit_low": 1.5,
    "hosts/host 0/limit_high": None,
    "hosts/host 0/gain": 0.9,
    "hosts/host 0/settled": "yes",
    "hosts/host 0/reason": "",
    "hosts/host 0/name": "host 0",
    "hosts/host 0/levels": [],
    "hosts/host 0/levels/0/in_flight": 3,
    "hosts/host 0/levels/1/in_flight": 1,
    "hosts/host 0/levels/1/tokens_per_s": -1.0,
    "hosts/host 0/levels/1/mean_ms": math.nan,
    "hosts/host 0/levels/1/gains": [1.0, -0.1],
    "hosts/host 0/levels/1/noise": 0.1,
    "hosts/host 0/usl/contention": -0.1,
    "hosts/host 0/usl/coherency": None,
    "hosts/host 0/usl/peak": 0.5,
    "hosts/host 0/usl/sigma": 0.5,
}


@pytest.mark.parametrize("place", NONSENSE)
def test_the_schema_refuses_nonsense(place, tmp_path):
    document, _ = document_of(classify(levels(10, 20, 40)))
    validate(document, "capacity", "The capacity")
    *way, last = (int(part) if part.isdigit() else part for part in place.split("/"))
    inner = broken = deepcopy(document)
    for part in way:
        inner = inner[part]
    inner[last] = NONSENSE[place]
    with pytest.raises(DocumentInvalid, match="does not match the capacity schema"):
        write(tmp_path / "capacity.json", broken)
    assert not list(tmp_path.iterdir())


def each_object(found):
    if isinstance(found, dict):
        yield found
        for inner in found.values():
            yield from each_object(inner)
    elif isinstance(found, list):
        for inner in found:
            yield from each_object(inner)


def test_nothing_may_be_missing_but_a_host():
    whole, _ = document_of(classify(levels(10, 20, 40)))
    for index, found in enumerate(each_object(whole)):
        for name in found:
            broken = deepcopy(whole)
            del list(each_object(broken))[index][name]
            with pytest.raises(DocumentInvalid):
                validate(broken, "capacity", "The capacity")
