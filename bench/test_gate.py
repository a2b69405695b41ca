"""The gate: the overhead ratio of every strategy measured in this session is below the threshold."""

import pytest

from outpace.measure.measurement import Measurement


@pytest.mark.outpace_last
def test_gate(strategy: str, measured: Measurement | None, enforced: bool, record_property):
    if measured is None:
        pytest.fail(f"{strategy} was not measured in this session: a gate without a measurement does not pass.", False)
    verdict = measured.verdict()
    for key in ("threshold", "verdict", "reason"):
        record_property(key, getattr(verdict, key))
    if verdict.verdict != "pass" and not enforced:
        pytest.xfail(f"{verdict.reason} Not enforced; --gate={strategy} would.")
    assert verdict.verdict == "pass", verdict.reason
