"""Packing: what is found fits, what cannot be is not found, and it finds no less than the first host that fits."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from outpace.dispatch.packing import pack

works = st.lists(st.integers(1, 12).map(float), max_size=6).map(lambda found: sorted(found, reverse=True))
hosts = st.lists(st.tuples(st.integers(0, 30).map(float), st.integers(1, 30).map(float)), min_size=1, max_size=4).map(
    sorted
)


def fits(works: list[float], rooms: list[float], largest: list[float], places: list[int]) -> bool:
    loads = [0.0] * len(rooms)
    for work, place in zip(works, places, strict=True):
        loads[place] += work
        if work > largest[place]:
            return False
    return all(load <= room for load, room in zip(loads, rooms, strict=True))


def first_fit(works: list[float], rooms: list[float], largest: list[float]) -> bool:
    left = list(rooms)
    for work in works:
        place = next((host for host, room in enumerate(left) if work <= min(room, largest[host])), None)
        if place is None:
            return False
        left[place] -= work
    return True


@given(works, hosts)
def test_it_finds_what_there_is_and_no_more(works: list[float], hosts: list[tuple[float, float]]) -> None:
    rooms, largest = [room for room, _ in hosts], [most for _, most in hosts]
    found = pack(works, rooms, largest)
    ways = product(range(len(rooms)), repeat=len(works))
    possible = any(fits(works, rooms, largest, list(places)) for places in ways)
    if found is not None:
        assert fits(works, rooms, largest, found)
    if first_fit(works, rooms, largest):
        assert found is not None
    if not possible:
        assert found is None


def test_it_finds_what_the_first_host_that_fits_does_not() -> None:
    works, rooms = [5.0, 4.0, 3.0, 3.0], [7.0, 8.0]
    assert not first_fit(works, rooms, rooms)
    assert pack(works, rooms, rooms) is not None


def test_it_gives_up() -> None:
    """Pieces of 3 leave a third of each room empty: it takes more than all steps to see that they do not fit."""
    assert pack([3.0 + index / 1000 for index in range(40)][::-1], [5.0 + index / 7 for index in range(40)], [9.0] * 40)
    assert (
        pack([3.0 - index / 1000 for index in range(41)], [5.0 + index / 100 for index in range(40)], [9.0] * 40)
        is None
    )


def test_nothing_fits_anywhere() -> None:
    assert pack([], [1.0], [1.0]) == []
