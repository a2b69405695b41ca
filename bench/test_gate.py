"""The gate: the overhead ratio of every strategy measured in this session is below the threshold."""

import pytest

from outpace.measure.measurement import Measurement


@pytest.mark.outpace_last
def test_gate(strategy: str, measured: Measurement | None, enforced: bool, record_property):
    if measured is None:
        pytest.fail(f"{strategy} was not measured in this session: a gate without a measurement does not pass.", False)
    comparison = measured.comparison()
    verdict = measured.judged(comparison)
    for key in ("threshold", "least_gain", "verdict", "reason"):
        record_property(key, getattr(verdict, key))
    if comparison.gain is not None and comparison.best_alone is not None:
        record_property("set_gain", comparison.gain.median)
        record_property("set_gain_interval", [comparison.gain.low, comparison.gain.high])
        record_property("best_alone", f"{comparison.best_alone.host}, {comparison.best_alone.in_flight} in flight")
    if verdict.verdict != "pass" and not enforced:
        pytest.xfail(f"{verdict.reason} Not enforced; --gate={strategy} would.")
    assert verdict.verdict == "pass", verdict.reason
