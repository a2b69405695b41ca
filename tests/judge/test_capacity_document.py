"""The document of capacities: what is written comes back, and its schema refuses nonsense."""

import json
import math
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity_levels import level_lists, levels
from outpace.ground.errors import DocumentInvalid
from outpace.ground.schemas import validate
from outpace.judge.capacity import HostCapacity, Level, classify, from_document, read, to_document, write


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
    level = {"in_flight": 1, "tokens_per_s": 34.123, "mean_ms": 941.988, "gains": [], "took_ms": None}
    assert host["levels"][0] == level
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


def test_nothing_may_be_missing_but_a_host_and_what_earlier_versions_did_not_tell():
    whole, _ = document_of(classify(levels(10, 20, 40)))
    for index, found in enumerate(each_object(whole)):
        for name in found.keys() - {"took_ms"}:
            broken = deepcopy(whole)
            del list(each_object(broken))[index][name]
            with pytest.raises(DocumentInvalid):
                validate(broken, "capacity", "The capacity")
