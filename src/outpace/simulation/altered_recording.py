"""A recording with hosts added, removed or altered: what ``outpace what-if`` replays."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from urllib.parse import urlsplit

from outpace.ground.errors import UsageError, quoted
from outpace.ground.hosts import parse_duration_ms
from outpace.recording.fitted_pace import OVERLAP_MS, alone
from outpace.recording.recording import Exchange, RecordedHost, Recording
from outpace.simulation.host_model import speed_curve
from outpace.simulation.told_times import restamp, split_told

WORDS = {
    "add": "add=HOST or add=HOST*3: so many more hosts like HOST, up to 64",
    "remove": "remove=HOST",
    "speed": "speed=HOST:2x: it works twice as fast, from 0.1x to 100x",
    "rtt": "rtt=HOST:5ms: its round trip",
    "slots": "slots=HOST:4: how many requests it works on at once, 1 or more",
}
MOST = {"add": 64, "slots": 1024}
_FACTOR = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)x")
_NUMBER = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True)
class Alteration:
    """One change to ``host``: "add", "remove", "speed", "rtt" or "slots".

    ``value`` is how many copies, a factor of its speed, a round trip in ms, or a number of slots.
    """

    kind: str
    host: str
    value: float = 1.0


def parse_alteration(text: str) -> Alteration:
    """Read one change, such as ``add=desktop*3``; raises ``UsageError`` that says what was wrong and what to write."""
    shown = quoted(text)
    kind, _, rest = text.partition("=")
    if kind not in WORDS or not rest:
        raise UsageError(f"what if: cannot read {shown}. Write {'; '.join(WORDS.values())}.")
    if kind == "remove" or (kind == "add" and "*" not in rest):
        return Alteration(kind, rest)
    host, _, value = rest.rpartition("*" if kind == "add" else ":")  # a host without a name is called 10.0.0.7:11434
    if host and kind == "rtt":
        return Alteration(kind, host, parse_duration_ms(value, f"what if: in {shown}"))
    factor = _FACTOR.fullmatch(value)
    if host and kind == "speed" and factor and 0.1 <= float(factor[1]) <= 100:
        return Alteration(kind, host, float(factor[1]))
    if host and kind in MOST and _NUMBER.fullmatch(value) and 1 <= int(value) <= MOST[kind]:
        return Alteration(kind, host, int(value))
    raise UsageError(f"what if: cannot read {shown}. Write {WORDS[kind]}.")


def altered(recording: Recording, changes: Sequence[Alteration]) -> Recording:
    """``recording`` with ``changes``, one after another; raises ``UsageError`` where one cannot be made.

    Hosts that it adds have addresses that lead nowhere. Its runs have no makespan any more: none was measured so.
    """
    return altered_in_words(recording, changes)[0]


def altered_in_words(recording: Recording, changes: Sequence[Alteration]) -> tuple[Recording, list[str]]:
    """The changed recording, and what is different in it, in words."""
    found, said = recording, []
    like = {host.name: host.name for host in recording.hosts}
    for change in changes:
        if change.host not in (names := [host.name for host in found.hosts]):
            raise UsageError(f"what if: {change.kind}={change.host}: the hosts are {', '.join(names)}.")
        number = int(change.value)
        if change.kind == "add":
            new = [_free_name(change.host, [*names, *like], count) for count in range(number)]
            for name in new:
                found = _with_copy(found, change.host, name)
                like[name] = like[change.host]
            said.append(f"with {new[0]}" if number == 1 else f"with {new[0]} to {new[-1]}")
        elif change.kind == "remove":
            found = _without(found, change.host)
            said.append(f"without {change.host}")
        elif change.kind == "speed":
            found = _altered(found, change.host, speed=change.value)
            said.append(f"with {change.host} {change.value:g}x as fast")
        elif change.kind == "rtt":
            found = _altered(found, change.host, trip_ms=change.value)
            said.append(f"with {change.value:g} ms to {change.host}")
        else:
            found = _with_host(found, _with_slots(_host(found, change.host), number))
            said.append(f"with {number} {'slot' if number == 1 else 'slots'} on {change.host}")
    if said:
        runs = tuple(replace(run, makespan_ms=None, latencies=()) for run in found.runs)
        comment = f"{found.comment} What if, {', '.join(said)}; not measured so.".strip()
        found = replace(found, runs=runs, comment=comment, best_alone=None)
        if not _baseline_stands(recording, found, like):
            found = replace(found, baseline=None)  # a session finds the fastest itself
    return found, said


def _free_name(host: str, taken: Sequence[str], skip: int) -> str:
    """``desktop-2`` for another ``desktop``, ``embedded-3`` where there are ``embedded-1`` and ``embedded-2``."""
    stem = re.sub(r"-[0-9]{1,2}$", "", host)
    free = [name for number in range(2, len(taken) + skip + 3) if (name := f"{stem}-{number}") not in taken]
    return free[skip]


def _with_copy(recording: Recording, host: str, name: str) -> Recording:
    """One more host like ``host``, which answered in the same runs, so that each round's drift is also the copy's."""
    original = _host(recording, host)
    parts = urlsplit(original.url)
    taken = {urlsplit(each.url).hostname for each in recording.hosts}
    address = next(each for n in range(1, len(taken) + 2) if (each := f"copy-{n}.invalid") not in taken)
    url = parts._replace(netloc=address + (f":{parts.port}" if parts.port else "")).geturl()
    copies = [replace(each, host=name) for each in recording.exchanges if each.host == host]
    return replace(
        recording,
        hosts=(*recording.hosts, replace(original, name=name, url=url)),
        exchanges=(*recording.exchanges, *copies),
    )


def _without(recording: Recording, host: str) -> Recording:
    hosts = tuple(each for each in recording.hosts if each.name != host)
    exchanges = tuple(each for each in recording.exchanges if each.host != host)
    answered = {each.prompt for each in exchanges if each.answered}
    if not hosts:
        raise UsageError(f"what if: remove={host} leaves no host. Keep one, or add another before.")
    missing = [prompt.index for prompt in recording.workload.prompts if prompt.index not in answered]
    if missing:
        raise UsageError(
            f"what if: remove={host}: prompt {missing[0]} was answered by {host} alone, so that without it there is "
            "nothing to replay. Record a session in which the other hosts answer every prompt."
        )
    left = ((run, tuple(name for name in run.hosts if name != host)) for run in recording.runs)
    runs = tuple(replace(run, hosts=names) for run, names in left if names)
    baseline = None if recording.baseline == host else recording.baseline
    return replace(recording, hosts=hosts, exchanges=exchanges, runs=runs, baseline=baseline)


def _with_slots(host: RecordedHost, slots: int) -> RecordedHost:
    """More slots go by the levels that there are; with fewer, more in flight than slots give what as many as slots do.

    Mean walls (ms) of levels go with their throughput.
    """
    speed = speed_curve(host.levels, host.slots)(slots)
    alone = next((level.tokens_per_s for level in host.levels if level.in_flight == 1), None)
    if slots >= host.slots or alone is None:
        return replace(host, slots=slots)
    rate = alone * slots * speed
    cut = [
        level
        if level.in_flight <= slots
        else replace(level, tokens_per_s=round(rate, 3), mean_ms=round(level.mean_ms * level.tokens_per_s / rate, 3))
        for level in host.levels
    ]
    return replace(host, slots=slots, levels=tuple(cut))


def _altered(recording: Recording, host: str, speed: float = 1.0, trip_ms: float | None = None) -> Recording:
    """``host`` that works ``speed`` times as fast, over a round trip of ``trip_ms`` where that is another."""
    original = _host(recording, host)
    before = _paces(recording, host)
    if not before and speed != 1:
        raise UsageError(f"what if: no recorded request had {host} to itself, so its speed is not known.")
    trip = original.round_trip_ms if trip_ms is None else trip_ms

    def altered_ms(ms: float) -> float:
        return round(trip + max(ms - original.round_trip_ms, 0.0) / speed, 3)

    mine: defaultdict[str, list[int]] = defaultdict(list)
    for index in sorted(range(len(recording.exchanges)), key=lambda index: recording.exchanges[index].started_ms):
        if recording.exchanges[index].host == host:
            mine[recording.exchanges[index].run].append(index)
    exchanges = list(recording.exchanges)
    for indices in mine.values():
        laid_out = _laid_out([exchanges[index] for index in indices], altered_ms, 1 / speed)
        for index, each in zip(indices, laid_out, strict=True):
            exchanges[index] = _restamped(each, original.protocol, 1 / speed)
    levels = [
        replace(level, tokens_per_s=round(level.tokens_per_s * speed, 3), mean_ms=altered_ms(level.mean_ms))
        for level in original.levels
    ]
    new = replace(original, round_trip_ms=trip, levels=tuple(levels))
    found = replace(_with_host(recording, new), exchanges=tuple(exchanges))
    if len(_paces(found, host)) != len(before):  # what waited would be taken for what worked
        raise UsageError(
            f"what if: speed={host}:{speed:g}x: requests would be too short to tell those that shared the host from "
            f"those that did not, by {OVERLAP_MS:g} ms. Ask for less speed."
        )
    return found


def _with_host(recording: Recording, host: RecordedHost) -> Recording:
    return replace(recording, hosts=tuple(host if each.name == host.name else each for each in recording.hosts))


def _laid_out(exchanges: Sequence[Exchange], altered_ms: Callable[[float], float], stretch: float) -> list[Exchange]:
    """The exchanges of one run on one host, in order, with other times: those that shared it still do, and no others.

    Only ends and starts that touch say which did, and these are told apart by a few milliseconds: what lies within
    them is kept as it is, what lies beyond is stretched and stays beyond.
    """
    found: list[Exchange] = []
    busy = new_busy = began = exchanges[0].started_ms
    for each in exchanges:
        gap = each.started_ms - busy
        apart = gap if abs(gap) <= OVERLAP_MS else gap * stretch
        if gap < -OVERLAP_MS:
            apart = min(apart, -OVERLAP_MS - 1)
        began = round(max(began, new_busy + apart), 3)
        chunks = tuple((altered_ms(ms), piece) for ms, piece in each.chunks)
        found.append(replace(each, started_ms=began, wall_ms=altered_ms(each.wall_ms), chunks=chunks))
        busy = max(busy, each.started_ms + each.wall_ms)
        new_busy = max(new_busy, began + found[-1].wall_ms)
    return found


def _restamped(exchange: Exchange, protocol: str, stretch: float) -> Exchange:
    """The exchange whose answer tells times of work that took ``stretch`` times as long."""
    said, told = split_told(exchange.body)
    if stretch == 1 or not told:
        return exchange
    body = said + restamp(told, protocol, queue_ms=0.0, stretch=stretch)
    chunks, at = [], 0
    for number, (ms, piece) in enumerate(exchange.chunks, start=1):
        end = len(body) if number == len(exchange.chunks) else at + len(piece)
        chunks.append((ms, body[at:end]))
        at = end
    return replace(exchange, chunks=tuple(chunks))


def _host(recording: Recording, name: str) -> RecordedHost:
    return next(host for host in recording.hosts if host.name == name)


def _paces(recording: Recording, host: str) -> list[float]:
    """Milliseconds that requests took which had ``host`` to themselves, with the round trip."""
    return [ms + _host(recording, host).round_trip_ms for _, _, ms in alone(host, recording)]


def _baseline_stands(before: Recording, after: Recording, like: Mapping[str, str]) -> bool:
    """Whether no change put a host before the baseline's; one that was a little faster all along, by noise, did not."""

    def pace(recording: Recording, host: str) -> float:
        return fmean(_paces(recording, host) or [float("inf")])

    base = after.baseline
    if base is None:
        return False
    now = {host.name: pace(after, host.name) / pace(after, base) for host in after.hosts}
    return not any(
        ratio < min(1, 0.999 * pace(before, like[host]) / pace(before, like[base])) for host, ratio in now.items()
    )
