"""Reports of whatever can be measured, drawn by hypothesis."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import strategies as st

from outpace.ground.records import FailedAttempt, RequestRecord, Run
from outpace.judge.comparison import compare
from outpace.judge.gate import judge
from outpace.report.document import HostEntry, Origin, build, this_machine
from outpace.workload.prompts import Generation, workload

HOSTS = ("near", "far")


words = st.text(max_size=20)


names = st.text(min_size=1, max_size=12)


milliseconds = st.floats(min_value=0.0, max_value=1e7)


counts = st.none() | st.integers(0, 100_000)


requests = st.builds(
    RequestRecord,
    prompt=st.integers(0, 100),
    host=st.none() | st.sampled_from(HOSTS),
    start_ms=milliseconds,
    wall_ms=milliseconds,
    **dict.fromkeys(("server_ms", "queue_ms", "load_ms", "first_token_ms"), st.none() | milliseconds),
    **dict.fromkeys(("prompt_tokens", "output_tokens", "cached_tokens"), counts),
    attempts=st.integers(0, 9),
    error=st.none() | words,
    **dict.fromkeys(("due_ms", "late_ms"), st.just(0.0)),  # which a report does not keep
)


attempts = st.builds(FailedAttempt, st.integers(0, 100), st.sampled_from(HOSTS), milliseconds, milliseconds, words)


runs = st.builds(
    Run,
    names,
    st.sampled_from([HOSTS, HOSTS[:1]]),
    st.floats(min_value=0.01, max_value=1e7),
    st.lists(requests, max_size=4).map(tuple),
    st.lists(attempts, max_size=2).map(tuple),
    st.none() | milliseconds,
)


origins = st.builds(
    Origin,
    created=st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    source=st.sampled_from(["live", "embedded", "replay"]),
    hosts=st.lists(
        st.builds(HostEntry, names, st.just("http://10.0.0.1:11434/v1"), words, st.none() | words, words, words),
        min_size=1,
        max_size=3,
    ).map(tuple),
    workload=st.builds(
        workload,
        st.lists(st.text(min_size=1), min_size=1, max_size=3),
        st.builds(Generation, st.integers(1, 4096), st.floats(0, 2), st.integers()),
    ),
    machine=st.none() | st.just(this_machine()),
)


def report(origin, rounds, strategy="serial-per-side", threshold=2.0, least_gain=None, **more):
    comparison = compare(strategy, HOSTS, rounds, **more)
    verdict = judge(comparison, threshold, least_gain=least_gain)
    return build(origin, comparison, rounds, verdict)


def rounded(record):
    """``record`` with its times as a report keeps them, to a thousandth of a millisecond."""
    told = vars(record) if isinstance(record, Run) else record._asdict()
    times = {name: round(value, 3) for name, value in told.items() if name.endswith("_ms") and value is not None}
    if isinstance(record, Run):
        times["requests"] = tuple(map(rounded, record.requests))
        times["failed_attempts"] = tuple(map(rounded, record.failed_attempts))
        return replace(record, **times)
    return record._replace(**times)
