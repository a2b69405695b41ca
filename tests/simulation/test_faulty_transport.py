"""Each kind of fault, through the whole client and the real parsers, ends as it should."""

from __future__ import annotations

import asyncio
import tracemalloc

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.ground.errors import UsageError
from outpace.simulation.acting_faults import ActingFaults
from outpace.simulation.fault_schedule import KINDS, Fault, parse, parse_all, require_hosts
from outpace.simulation.faulty_transport import FaultyTransport
from synthetic import Synthetic, Wires, answer_to, play
from virtual import run_virtually

BOTH = [Synthetic("a"), Synthetic("b", protocol="openai")]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("desktop:dies@2s", Fault("desktop", "dies", 2.0)),
        ("desktop:dies@2s-9s", Fault("desktop", "dies", 2.0, 9.0)),
        ("127.0.0.1:11434:refuses", Fault("127.0.0.1:11434", "refuses")),
        ("*:slow(3)@500ms-1.5s", Fault("*", "slow", 0.5, 1.5, 3.0)),
        ("a:slow", Fault("a", "slow", parameter=10.0)),
        ("a:busy", Fault("a", "busy")),
        ("a:busy(3s)@1s", Fault("a", "busy", 1.0, parameter=3.0)),
        ("clock:jumps(30s)@1s", Fault("clock", "jumps", 1.0, parameter=30.0)),
    ],
)
def test_a_fault_is_read(text: str, fault: Fault) -> None:
    assert parse(text) == fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("desktop", "The kinds are"),
        ("desktop:explodes", "refuses: connections are refused"),
        ("desktop:dies@2", "such as 2s or 500ms"),
        ("desktop:dies@5s-2s", "ends before it begins"),
        ("desktop:dies(3)", "dies takes nothing"),
        ("desktop:slow(0.5)", "a factor of 1 or more"),
        ("desktop:busy(3)", "a time such as 3s"),
        ("clock:jumps@1s", "how far"),
        ("desktop:jumps(3s)", "only the coordinator's clock"),
    ],
)
def test_a_fault_that_cannot_be_read_is_told(text: str, said: str) -> None:
    with pytest.raises(UsageError, match="--fault") as raised:
        parse(text)
    assert said in str(raised.value)


@given(st.text() | st.from_regex(r"[a-z*]+:[a-z]+(\([0-9a-z.]*\))?@[0-9.]+m?s(-[0-9.]+m?s)?", fullmatch=True))
def test_whatever_is_written_is_read_or_told(text: str) -> None:
    try:
        fault = parse(text)
    except UsageError as error:
        fault, said = None, str(error)
    if fault is None:
        assert "\n" not in said
    else:
        assert fault.kind in KINDS
        assert fault.end_s > fault.start_s >= 0


def test_several_faults_may_come_in_one_option_or_in_several() -> None:
    assert parse_all(["a:dies@1s,b:slow", "c:busy"]) == (parse("a:dies@1s"), parse("b:slow"), parse("c:busy"))


def test_a_fault_of_an_unknown_host_is_told() -> None:
    require_hosts(parse_all(["*:dies", "clock:jumps(1s)", "a:slow"]), ["a"])
    with pytest.raises(UsageError, match="no host is called 'c'; the hosts are a, b"):
        require_hosts([parse("c:dies")], ["a", "b"])


@pytest.mark.parametrize("late_head", [False, True])
@pytest.mark.parametrize("protocol", ["ollama", "openai"])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("b:refuses", "connect"),
        ("b:dies@1500ms", "cut"),
        ("b:resets", "cut"),
        ("b:silent@1500ms", "timeout"),
        ("b:busy", "busy"),
        ("b:truncates", "cut"),
        ("b:errors", "engine"),
        ("b:garbage", "unreadable"),
        ("b:endless", "unreadable"),
    ],
)
def test_what_a_faulty_host_spoils_the_other_answers(fault: str, kind: str, protocol: str, late_head: bool) -> None:
    played = play([Synthetic(name, protocol=protocol, late_head=late_head) for name in "ab"], [parse(fault)])
    outcome = played.outcome
    assert played.left_open == 0
    assert outcome.answers == tuple(answer_to(prompt) for prompt in range(8))
    assert {each.host for each in outcome.run.failed_attempts} == {"b"}
    assert kind in {each.kind for each in outcome.run.failed_attempts}


@pytest.mark.parametrize("late_head", [False, True])
def test_a_death_cuts_what_is_under_way_when_it_happens(late_head: bool) -> None:
    b = Synthetic("b", work_ms=1400.0, late_head=late_head)  # its first text is due after 350 ms
    outcome = play([Synthetic("a"), b], [parse("b:dies@1500ms")]).outcome
    first = outcome.run.failed_attempts[0]
    assert first.start_ms + first.wall_ms == pytest.approx(1500, abs=1)


def test_a_host_that_dies_and_comes_back_is_used_again() -> None:
    outcome = play([Synthetic("a", 4000.0), Synthetic("b")], [parse("b:dies@1500ms-3s")]).outcome
    by_b = [request for request in outcome.run.requests if request.host == "b"]
    assert max(request.start_ms for request in by_b) > 3000
    assert not outcome.run.failed


def test_a_busy_host_is_left_alone_for_as_long_as_it_says() -> None:
    only = [Synthetic("a")]
    outcome = play(only, [parse("a:busy(3s)@0s-1s")], strategy="sequential", prompts=2).outcome
    assert [request.start_ms for request in outcome.run.requests] == pytest.approx([3002, 4004], abs=5)


def test_a_silence_that_ends_costs_its_length_alone() -> None:
    outcome = play([Synthetic("a")], [parse("a:silent@500ms-3s")], strategy="sequential", prompts=1).outcome
    assert outcome.run.makespan_ms == pytest.approx(3000, abs=10)
    assert not outcome.run.failed_attempts


@pytest.mark.parametrize("late_head", [False, True])
def test_a_host_that_slows_tenfold_takes_ten_times_as_long(late_head: bool) -> None:
    hosts = [Synthetic("a", late_head=late_head)]
    healthy = play(hosts, strategy="sequential", prompts=2).outcome.run.makespan_ms
    slow = play(hosts, [parse("a:slow(10)")], strategy="sequential", prompts=2).outcome.run.makespan_ms
    assert slow == pytest.approx(10 * healthy)


@pytest.mark.parametrize("late_head", [False, True])
def test_a_host_is_slow_while_the_fault_lasts_and_no_longer(late_head: bool) -> None:
    hosts = [Synthetic("a", round_trip_ms=0.0, late_head=late_head)]
    outcome = play(hosts, [parse("a:slow(10)@0s-3s")], strategy="sequential", prompts=1).outcome
    assert outcome.run.makespan_ms == pytest.approx(3700)  # 300 ms of its second of work in the first 3 s
    twice = parse_all(["a:slow(2)@0s-1s", "a:slow(5)@500ms-1s"])
    outcome = play(hosts, twice, strategy="sequential", prompts=1).outcome
    assert outcome.run.makespan_ms == pytest.approx(1000 + 1000 - 500 / 2 - 500 / 10)


def test_a_clock_that_jumps_loses_nothing() -> None:
    for jump in ("3s", "45s"):
        outcome = play(BOTH, [parse(f"clock:jumps({jump})@1500ms")]).outcome
        assert outcome.answers == tuple(answer_to(prompt) for prompt in range(8))


def test_a_death_and_a_timeout_at_one_moment_cost_an_attempt_and_no_more() -> None:
    """A jump lets both cancel one task as a piece arrives; a cancellation that neither takes would lose the prompt."""
    faults = parse_all(["a:slow(10)", "a:dies@900ms-1400ms", "clock:jumps(45s)@50ms"])
    played = play([Synthetic("a", 5.0, round_trip_ms=0.0)], faults, prompts=1)
    assert played.outcome.answers == (answer_to(0),)
    assert played.took_s < 46


@given(
    st.sampled_from(sorted(set(KINDS) - {"jumps"})),
    st.sampled_from(["serial-per-side", "all-parallel"]),
    st.sampled_from([1.0, 2.5, 30.0]),
    st.floats(1.0, 4000.0),
)
def test_a_fault_that_does_not_come_changes_nothing(kind: str, strategy: str, timeout_s: float, work_ms: float) -> None:
    """Not even how soon a host learns that a client's patience was over."""
    hosts = [Synthetic("a", work_ms), Synthetic("b", 900.0, slots=2, protocol="openai")]
    healthy = play(hosts, strategy=strategy, timeout_s=timeout_s).outcome
    parameter = 10.0 if kind == "slow" else None
    assert play(
        hosts, [Fault("*", kind, 1e6, parameter=parameter)], strategy=strategy, timeout_s=timeout_s
    ).outcome == (healthy)


def test_a_live_clock_cannot_jump() -> None:
    async def begin() -> None:
        ActingFaults([parse("clock:jumps(3s)")]).begin()

    with pytest.raises(UsageError, match="in a replay only"):
        asyncio.run(begin())


def test_an_endless_answer_takes_no_endless_memory() -> None:
    tracemalloc.start()
    try:
        outcome = play([Synthetic("a")], [parse("a:endless")], strategy="sequential", prompts=1).outcome
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert {each.kind for each in outcome.run.failed_attempts} == {"unreadable"}
    assert most_bytes < 8 << 20


def test_an_endless_answer_is_too_long_for_many_tokens_too() -> None:
    outcome = play([Synthetic("a")], [parse("a:endless")], strategy="sequential", prompts=1, max_tokens=1024).outcome
    assert {each.kind for each in outcome.run.failed_attempts} == {"unreadable"}


@pytest.mark.parametrize(
    ("fault", "status", "at_s"),
    [("refuses", "refused", 0.0), ("dies@1s", "dropped", 1.0), ("silent@1s", "silent", 5.0), ("busy(500ms)", "1", 0.0)],
)
def test_a_cheap_request_meets_faults_too(fault: str, status: str, at_s: float) -> None:
    found, took_s, wires = asked("GET", f"h:{fault}", Slow(head_s=2.0))
    assert status in found
    assert took_s == pytest.approx(at_s)
    assert wires.open == 0


@pytest.mark.parametrize("fault", ["slow@60s", "slow(3)", "silent@4s", "dies@20s", "errors@30s"])
def test_a_client_that_is_called_off_leaves_the_host(fault: str) -> None:
    found, took_s, wires = asked("POST", f"h:{fault}", Slow(head_s=1.0, gap_s=7.0), called_off_s=4.5)
    assert (found, took_s) == ("called off", pytest.approx(4.5))
    assert wires.open == 0


def test_patience_counts_from_the_last_byte() -> None:
    found, took_s, _ = asked("POST", "h:silent@4s", Slow(gap_s=3.0))
    assert "silent" in found
    assert took_s == pytest.approx(3 + 5)


def test_an_error_has_the_form_of_the_protocol_whatever_path_the_host_is_below() -> None:
    found, _, _ = asked("POST", "h:errors", Slow(), "/below/api/generate")
    assert found == '{"n":0}\n{"error":"the engine failed on purpose"}\n'
    found, _, _ = asked("POST", "h:errors", Slow(), "/below/v1/chat/completions")
    first, error, end, _ = found.split("\n\n")
    assert (first, end) == ('{"n":0}', "data: [DONE]")
    assert error.startswith('data: {"error"')


class Slow(httpx.AsyncBaseTransport, httpx.AsyncByteStream):
    """Answers with three lines, its head after ``head_s`` and each line ``gap_s`` after what was before it."""

    def __init__(self, head_s: float = 0.0, gap_s: float = 0.0) -> None:
        self._head_s, self._gap_s = head_s, gap_s

    async def handle_async_request(self, _request: httpx.Request) -> httpx.Response:
        await anyio.sleep(self._head_s)
        return httpx.Response(200, stream=self)

    async def __aiter__(self):
        for number in range(3):
            await anyio.sleep(self._gap_s)
            yield b'{"n":%d}\n' % number

    async def aclose(self) -> None:
        await anyio.lowlevel.checkpoint()  # as a connection's end, which a second cancellation could interrupt


def asked(
    method: str, fault: str, inner: Slow, path: str = "/api/generate", called_off_s: float | None = None
) -> tuple[str, float, Wires]:
    """What a client with 5 s of patience gets: the body, the header of a busy host or the error; when; the wires."""
    wires = Wires(inner)

    async def main() -> tuple[str, float]:
        acting = ActingFaults([parse(fault)])
        async with httpx.AsyncClient(transport=FaultyTransport(wires, acting, {"h:1": "h"}), timeout=5.0) as client:
            acting.begin()
            found = "called off"
            with anyio.move_on_after(called_off_s):
                try:
                    response = await client.request(method, f"http://h:1{path}")
                    found = response.headers.get("retry-after") or response.text
                except httpx.HTTPError as error:
                    found = str(error)
            return found, anyio.current_time()

    return *run_virtually(main), wires


def test_faults_add_up() -> None:
    faults = parse_all(["a:slow(2)@0s-3s", "a:errors@3s-6s", "b:busy@0s-1s", "b:dies@5s-8s"])
    outcome = play(BOTH, faults).outcome
    assert outcome.answers == tuple(answer_to(prompt) for prompt in range(8))
    assert {each.kind for each in outcome.run.failed_attempts} >= {"busy", "engine"}


def test_with_every_host_dead_each_prompt_is_named() -> None:
    played = play(BOTH, [parse("*:dies@1500ms")])
    assert len(played.outcome.run.failed) == 6
    assert all(
        "on purpose" in str(request.error) or "no host" in str(request.error) for request in played.outcome.run.failed
    )
