"""Which limit each strategy gives a host: a fixed one, or what users ask for."""

from __future__ import annotations

import pytest

from limited_host import batching
from outpace.dispatch import HostKnowledge, limit_of
from outpace.dispatch.limits import AdaptiveLimit, FixedLimit


def test_a_fixed_limit_is_the_same_always() -> None:
    for limit in (FixedLimit(), FixedLimit(7)):
        before = limit.now
        assert batching(4).work(limit, prompts=20) == before
        assert not limit.listens


@pytest.mark.parametrize("strategy", ["sequential", "serial-per-side", "all-parallel"])
@pytest.mark.parametrize("limits", [5, "sweep", "adaptive"])
def test_the_published_strategies_keep_to_their_definition(strategy: str, limits) -> None:
    limit = limit_of(strategy, limits)(HostKnowledge(limit=4))
    assert isinstance(limit, FixedLimit)
    assert limit.now == 1


@pytest.mark.parametrize("strategy", ["weighted", "pull", "earliest-finish", "hedged"])
def test_the_others_have_the_limit_that_is_asked_for(strategy: str) -> None:
    swept, unknown = HostKnowledge(limit=4), HostKnowledge()
    assert [limit_of(strategy, 5)(each).now for each in (swept, unknown)] == [5, 5]
    assert [limit_of(strategy, "sweep")(each).now for each in (swept, unknown)] == [4, 1]
    assert not limit_of(strategy, "sweep")(swept).listens
    adaptive = [limit_of(strategy, "adaptive")(each) for each in (swept, unknown)]
    assert [each.now for each in adaptive] == [4, 1]
    assert all(each.listens for each in adaptive)


@pytest.mark.parametrize("limits", [5, "sweep", "adaptive"])
def test_capacity_aware_finds_out_whatever_is_asked_for(limits) -> None:
    limit = limit_of("capacity-aware", limits)(HostKnowledge(limit=4))
    assert isinstance(limit, AdaptiveLimit)
    assert limit.now == 4
