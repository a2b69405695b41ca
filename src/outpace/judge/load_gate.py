"""The gate on what a set bears: its sustainable rate, and how many times that of the best machine alone."""

from __future__ import annotations

from outpace.judge.gate import WORST_FIRST, Word
from outpace.judge.sustainable import Rate


def judge_rates(
    rate: Rate, gain: Rate | None, least_rate_per_s: float | None, least_gain: float | None
) -> tuple[Word, str] | None:
    """Hold a rate, in requests a second, and a rate gain against what is asked of them; None where nothing is.

    Each passes where its whole interval lies at the limit or above, fails where all of it lies below, and is
    inconclusive else; what is asked of both is as good as the worse of them.
    """
    said: list[tuple[Word, str]] = []
    if least_rate_per_s is not None:
        a_minute = Rate(60 * rate.value, 60 * rate.low, None if rate.high is None else 60 * rate.high)
        said.append(_held("sustainable rate", a_minute, 60 * least_rate_per_s, " a minute"))
    if least_gain is not None:
        gained = (
            "inconclusive",
            "No rate gain: the best alone was not seen both to keep and to break the SLO.",
        )
        said.append(_held("rate gain", gain, least_gain, "") if gain is not None else gained)  # type: ignore[arg-type]
    if not said:
        return None
    return min((word for word, _ in said), key=WORST_FIRST.index), " ".join(why for _, why in said)


def _held(what: str, found: Rate, least: float, unit: str) -> tuple[Word, str]:
    spread = f"{found.low:.3g} or more" if found.high is None else f"{found.low:.3g} to {found.high:.3g}"
    told = f"{what} {found.value:.3g}{unit} ({spread}), least {least:g}"
    if found.low >= least:
        return "pass", f"{told}: not below it."
    if found.high is not None and found.high < least:
        return "fail", f"{told}: below it."
    return "inconclusive", f"{told}: it lies within; more --requests a run tell it."
