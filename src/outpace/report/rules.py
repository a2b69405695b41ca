"""What rules come to on one recording, for a person: a sentence, then a row each, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from outpace.judge.load import LoadFigures
from outpace.judge.ranking import Best
from outpace.judge.stats import Interval
from outpace.report.blocks import LONG, NUMBER, TEXT, Items, Section, Table
from outpace.report.load_page import STATES
from outpace.report.words import Foreign, Words, joined, ms, share, times

WHOSE = {
    "round-robin": "nginx, GPUStack",
    "random": "Open WebUI, LiteLLM's simple-shuffle",
    "weighted-random": "LiteLLM's simple-shuffle with weights",
    "weighted-round-robin": "nginx with weights",
    "least-in-flight": "Olla, nginx's least_conn, HAProxy's leastconn",
    "least-in-flight-first": "SkyPilot",
    "least-busy": "LiteLLM's least-busy",
    "weighted-least-in-flight": "nginx's least_conn with weights",
    "power-of-two": "Ray Serve, vllm-router",
    "power-of-two-draws": "Envoy, HAProxy's random(2)",
    "lowest-latency": "LiteLLM's latency-based",
    "lowest-latency-stuck": "LiteLLM's latency-based, before",
    "shortest-expected-wait": "no router's",
}
"""Whose each rule is, in short."""


NOT_THEIRS = ("shortest-expected-wait", "lowest-latency-stuck")
"""Of the rules those that no router has, or none any more."""


def is_of_routers(strategy: str) -> bool:
    """Whether some router has it as a rule."""
    return strategy in WHOSE and strategy not in NOT_THEIRS


@dataclass(frozen=True)
class Arrived:
    """What came of requests that arrived; ``efficiency`` is the least mean latency that there could be over theirs."""

    figures: LoadFigures
    evenness: float | None
    efficiency: float | None


@dataclass(frozen=True)
class Rule:
    """What a rule came to in a batch, and under ``load`` where requests arrived.

    ``p95_ms`` is when 95 % of the batch are answered, ``evenness`` Jain's index of the time that hosts were busy,
    ``efficiency`` lower bound / makespan; medians of the rounds. ``problem`` is why it did not finish, if it did not.
    """

    name: str
    gain: Interval | None
    gains: tuple[float, ...]
    p95_ms: float | None
    evenness: float | None
    efficiency: float | None
    load: Arrived | None = None
    problem: str | None = None

    @property
    def whose(self) -> str:
        """Whose it is, "ours" of what is no router's, and "yours" of a user's own."""
        return WHOSE.get(self.name, "")

    @property
    def in_words(self) -> Words:
        """Its name, and whose it is."""
        return (Foreign(self.name), f" ({self.whose})") if self.whose else (Foreign(self.name),)


@dataclass(frozen=True)
class Told:
    """All ``rules``, the best first: ``best`` against the next, and how far replays of the recording were ``off``.

    ``alone`` is the best single host in words; ``arrivals`` how requests came, as asked for; ``alone_load`` what the
    best single host made of them. ``off`` is a share, with the strategy whose replay was the worst.
    """

    rules: Sequence[Rule]
    best: Best | None
    off: tuple[float, str] | None
    alone: str
    arrivals: str | None = None
    alone_load: Arrived | None = None


def sentence(told: Told) -> Words:
    """What the best brings, and the best and the worst of what routers do."""
    finished = [rule for rule in told.rules if rule.gain is not None]
    if not finished:
        return ("No rule answered all prompts of this recording.",)
    routers = [rule for rule in finished if is_of_routers(rule.name)]
    shown = {rule.name: rule for rule in (finished[0], *routers[:1], *routers[-1:])}.values()
    said: list[str] = ["On these machines "]
    for place, rule in enumerate(shown):
        before = ", " if place else ""
        gain = times(rule.gain.median if rule.gain else None)
        said += [before, *rule.in_words, " has a set gain of " if not place else " ", gain]
    return (*said, ".")


def notes(told: Told) -> list[Words]:
    """Whether the best can be told from the others, how far replays were off, and what did not finish."""
    found: list[Words] = []
    off = told.off[0] if told.off else None
    if told.best is not None:
        best, advantage = told.best, told.best.advantage
        spread = ""
        if advantage.low is not None and advantage.high is not None:
            spread = f" (interval {times(advantage.low)} to {times(advantage.high)})"
        ahead = (f"{times(advantage.median)} as fast as ", Foreign(best.runner_up), f"{spread}")
        close = [rule.name for rule in told.rules[1:] if off and _near(told.rules[0], rule, off)]
        alike = list(dict.fromkeys([*best.tied, *close]))
        if alike:
            others = joined(map(Foreign, alike))
            found.append(("A tie: ", Foreign(best.winner), " cannot be told from ", *others, "; it was ", *ahead, "."))
        else:
            found.append(("Best: ", Foreign(best.winner), ", ", *ahead, "."))
    if told.off is None:
        found.append(("The recording holds no run to hold a replay against: how far these are off is not known.",))
    else:
        how_far = "Replays of this recording were off its own makespans by up to "
        found.append((how_far, share(off), ", under ", Foreign(told.off[1]), "."))
    found.append(
        (
            "A set gain is the makespan of the best single host, ",
            Foreign(told.alone),
            ", over that of the set.",
        )
    )
    found += [(Foreign(rule.name), ": ", Foreign(rule.problem)) for rule in told.rules if rule.problem]
    return found


def _near(best: Rule, other: Rule, off: float) -> bool:
    """Whether what parts them is less than replays were off."""
    if best.gain is None or other.gain is None or not other.gain.median:
        return False
    return best.gain.median / other.gain.median - 1 <= off


def sections(told: Told) -> list[Section]:
    """The tables of a page: the batch, and what arrived."""
    found = [Section("Batch", "All prompts at once", [batch(told), Items(notes(told))])]
    if told.arrivals is not None:
        found.append(Section("Arrivals", "Requests that arrive", [arriving(told)]))
    return found


def batch(told: Told) -> Table:
    """A row a rule: set gain, the answers' 95 %, how evenly hosts were busy, how near to the limit."""
    columns = {
        "rule": TEXT,
        "whose": LONG,
        "set gain": NUMBER,
        "95 % answered after": NUMBER,
        "evenness": NUMBER,
        "of the limit": NUMBER,
    }
    rows: list[list[str | Words]] = []
    for rule in told.rules:
        gain = rule.gain
        spread = f" ({gain.low:.2f} to {gain.high:.2f})" if gain and gain.low is not None and gain.high else ""
        rows.append(
            [
                (Foreign(rule.name),),
                rule.whose,
                "" if gain is None else f"{gain.median:.2f}{spread}",
                "" if rule.p95_ms is None else ms(rule.p95_ms),
                "" if rule.evenness is None else f"{rule.evenness:.2f}",
                "" if rule.efficiency is None else f"{rule.efficiency:.2f}",
            ]
        )
    return Table("Set gain with its interval, in replays of the recording", columns, rows)


def arriving(told: Told) -> Table:
    """A row a rule and one for the best single host: first tokens, answers, what is good, and whether it is steady.

    Evenness and limit are as in the batch; there the limit is of the mean latency.
    """
    columns = {
        "rule": TEXT,
        "TTFT p95": NUMBER,
        "E2E p50": NUMBER,
        "E2E p95": NUMBER,
        "good a minute": NUMBER,
        "evenness": NUMBER,
        "of the limit": NUMBER,
        "unanswered": NUMBER,
        "state": TEXT,
        "SLO": TEXT,
    }
    found: list[tuple[Words, Arrived | None]] = [((Foreign(rule.name),), rule.load) for rule in told.rules]
    found.append(((Foreign(told.alone), " alone"), told.alone_load))
    rows: list[list[str | Words]] = []
    for name, arrived in found:
        if arrived is None:
            continue
        load = arrived.figures
        cells = [load.latencies[figure][quantile] for figure, quantile in _SHOWN]
        good = "" if load.goodput_per_s is None else f"{60 * load.goodput_per_s:.1f}"
        verdict = load.verdict()[0] if load.kept else ""
        shown = [
            ms(each.value) if each.value is not None else f"takes {each.requests_needed:,} requests" for each in cells
        ]
        hosts = ["" if each is None else f"{each:.2f}" for each in (arrived.evenness, arrived.efficiency)]
        rows.append([name, *shown, good, *hosts, str(load.unanswered), STATES[load.steady], verdict])
    return Table(f"Latency from the due time, arrivals {told.arrivals}", columns, rows)


_SHOWN = (("ttft_ms", "p95"), ("e2e_ms", "p50"), ("e2e_ms", "p95"))
