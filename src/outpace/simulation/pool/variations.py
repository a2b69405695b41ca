"""Variations of a scenario: ``--vary=hosts:100,1000 --vary=rule:random,power-of-two``, each with each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, get_args

from outpace.dispatch import adopted
from outpace.ground.errors import UsageError, quoted
from outpace.simulation.pool.presence import Sessions
from outpace.simulation.pool.scenario import Group, Knows, Scenario

WORDS = {
    "hosts": "hosts:100,1000: so many contributors, of the kinds in the same proportion",
    "size": "size:100,1000: the same, and requests a second in proportion",
    "rate": "rate:0.5x,2x: so many times as many requests a second",
    "away": "away:0,0.5: this share of their time are those away who have sessions",
    "coordinators": "coordinators:1,10: so many, each with its share of contributors and requests",
    "rule": "rule:random,power-of-two: who decides",
    "knows": "knows:measured,claimed,nothing: what the coordinator knows of machines at first",
}
MOST_HOSTS = 1_000_000


@dataclass(frozen=True)
class Variation:
    """A scenario with what was ``varied`` in it, as it was asked for: ``{"hosts": "100"}``."""

    varied: dict[str, str]
    scenario: Scenario


def variations(scenario: Scenario, asked: Sequence[str]) -> list[Variation]:
    """Each of what is ``asked`` for with each; the scenario itself where nothing is. Raises ``UsageError``."""
    axes = [_axis(each) for each in asked]
    names = [name for name, _ in axes]
    if len(set(names)) < len(names) or {"hosts", "size"} <= set(names):
        raise UsageError(
            f"--vary: {', '.join(names)} are varied, and no two of them may be the same or hosts and size."
        )
    found = []
    for values in product(*(values for _, values in axes)):
        varied = dict(zip(names, values, strict=True))
        changed = scenario
        for name, value in varied.items():
            changed = _HOW[name](changed, value)
        found.append(Variation(varied, changed))
    return found


def _axis(text: str) -> tuple[str, list[str]]:
    name, _, rest = text.partition(":")
    values = [value.strip() for value in rest.split(",") if value.strip()]
    if name not in WORDS or not values:
        raise UsageError(f"--vary: cannot read {quoted(text)}. Write {'; '.join(WORDS.values())}.")
    return name, values


def of_hosts(scenario: Scenario, text: str) -> Scenario:
    """``scenario`` with so many contributors; the largest remainders are rounded up. Raises ``UsageError``."""
    fewest = len(scenario.groups)
    if not re.fullmatch("[0-9]{1,7}", text) or not fewest <= int(text) <= MOST_HOSTS:
        raise UsageError(
            f"--vary=hosts:{text}: write a whole number from {fewest}, one of each kind, to {MOST_HOSTS:,}."
        )
    total = int(text)
    exact = [group.count * total / scenario.hosts for group in scenario.groups]
    counts = [max(1, int(each)) for each in exact]
    by_need = sorted(range(fewest), key=lambda place: counts[place] - exact[place])
    for turn in range(total - sum(counts)):
        counts[by_need[turn % fewest]] += 1
    while sum(counts) > total:  # small kinds were given one each
        counts[max(range(fewest), key=counts.__getitem__)] -= 1
    groups = [replace(group, count=count) for group, count in zip(scenario.groups, counts, strict=True)]
    return replace(scenario, groups=tuple(groups))


def _of_size(scenario: Scenario, text: str) -> Scenario:
    changed = of_hosts(scenario, text)
    return _times_the_rate(changed, changed.hosts / scenario.hosts)


def _of_rate(scenario: Scenario, text: str) -> Scenario:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?x", text) or not float(text[:-1]):
        raise UsageError(f"--vary=rate:{text}: write a factor above 0, such as 2x.")
    return _times_the_rate(scenario, float(text[:-1]))


def _times_the_rate(scenario: Scenario, factor: float) -> Scenario:
    before = scenario.arrivals
    arrivals = replace(before, rate_per_s=before.rate_per_s * factor, speed=before.speed * factor)
    return replace(scenario, arrivals=arrivals)


def _of_away(scenario: Scenario, text: str) -> Scenario:
    if not re.fullmatch(r"0|0?\.[0-9]{1,4}", text):
        raise UsageError(f"--vary=away:{text}: write a share from 0 to 0.99.")
    groups = [_away(group, float(text)) for group in scenario.groups]
    if not any(isinstance(group.churn.sessions, Sessions) for group in scenario.groups):
        raise UsageError(f"--vary=away:{text}: nobody in this scenario has sessions (on_s and off_s).")
    return replace(scenario, groups=tuple(groups))


def _away(group: Group, share: float) -> Group:
    sessions = group.churn.sessions
    if not isinstance(sessions, Sessions):
        return group
    if not share:
        return replace(group, churn=replace(group.churn, sessions=None))
    off_s = sessions.off_s
    factor = sessions.on_s.mean * share / (1 - share) / off_s.mean
    scaled = replace(off_s, scale=off_s.scale * factor, least=off_s.least * factor, most=off_s.most * factor)
    return replace(group, churn=replace(group.churn, sessions=replace(sessions, off_s=scaled)))


def _of_coordinators(scenario: Scenario, text: str) -> Scenario:
    if not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise UsageError(f"--vary=coordinators:{text}: write a whole number from 1 to 9999.")
    return replace(scenario, coordinators=int(text))


def _of_rule(scenario: Scenario, text: str) -> Scenario:
    adopted(text, "--vary=rule")
    return replace(scenario, rule=text)


def _of_knows(scenario: Scenario, text: str) -> Scenario:
    if text not in get_args(Knows):
        raise UsageError(f"--vary=knows:{text}: write {', '.join(get_args(Knows))}.")
    found: Any = text
    return replace(scenario, knows=found)


_HOW: dict[str, Callable[[Scenario, str], Scenario]] = {
    "hosts": of_hosts,
    "size": _of_size,
    "rate": _of_rate,
    "away": _of_away,
    "coordinators": _of_coordinators,
    "rule": _of_rule,
    "knows": _of_knows,
}
