"""Before a run hosts are idle again, whoever left them at work, and have their models loaded; else it is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from field_hosts import Model, ollama_host, openai_host
from harness import ThreadedHosts
from outpace.engines import Client, Completion, Identity
from outpace.engines.base import KEPT_LOADED_S, Offer
from outpace.engines.detect import engine_for
from outpace.engines.noticed import Noticed
from outpace.ground.errors import EngineBusy
from outpace.ground.hosts import Host
from outpace.ground.records import FailedAttempt, RequestRecord, Run
from outpace.judge.capacity import Level, classify
from outpace.judge.fairness import NO_LOAD
from outpace.measure import knock
from outpace.measure.knock import CALLED_OFF, LONGER, Readiness
from outpace.measure.measurement import Measurement
from outpace.measure.session import Session
from outpace.measure.worlds import Settings
from outpace.report import document
from outpace.workload.prompts import DEFAULT_PROMPTS, Generation, workload
from scripted import Answer, Asked, ndjson, serving
from spoken import chat, sse, usage
from virtual import run_virtually

ONE_AT_A_TIME = classify([Level(number, 40.0, 300.0 * number) for number in (1, 2, 4)])


def measured(folder: Path, hosts: ThreadedHosts, strategy: str, rounds: int = 1, prompts: int = 8) -> dict[str, Any]:
    """The report of rounds on hosts of which each works on one prompt at a time, and a is the fastest."""
    work, capacities = workload(DEFAULT_PROMPTS[:prompts]), dict.fromkeys("ab", ONE_AT_A_TIME)
    with Session(Settings(hosts=hosts.hosts, workload=work, baseline="a", capacities=capacities)) as session:
        Measurement(session, strategy, report_dir=folder).measure(rounds)
    return document.read(folder / f"report-{strategy}.json")


def no_load(report: dict[str, Any]) -> bool | None:
    return next(each["held"] for each in report["fairness"] if each["name"] == NO_LOAD)


def notes(report: dict[str, Any], said: str) -> list[str]:
    return [note for note in report["summary"]["notes"] if said in note]


# What was called off


@pytest.mark.waits
def test_a_host_that_goes_on_for_a_client_that_has_left_is_waited_for(tmp_path: Path) -> None:
    """github.com/BerriAI/litellm/issues/30244, ggml-org/llama.cpp#24496: report 18."""
    slow = Model()
    with ThreadedHosts(ollama_host(works_s=0.03), ollama_host(works_s=0.6, memory=slow)) as hosts:
        report = measured(tmp_path, hosts, "hedged", rounds=2, prompts=3)
        tokens = [each for each in hosts.asked if each.body.get("prompt") == knock.QUESTION]
    runs = [each["run"] for each in report["rounds"]]
    spent = [attempt for run in runs for attempt in run["failed_attempts"] if attempt["error"].startswith("spent")]
    assert {attempt["host"] for attempt in spent} == {"b"}
    assert set(slow.beside) == {0}, "no answer began beside one that nobody waited for any more"
    assert {each.host for each in tokens} == {"b"}, "a host that nobody left is not asked"
    (note,) = notes(report, "called off")
    assert note.startswith("b: it goes on with requests that are called off: the run that followed waited 0.")


class Orphaned:
    """An engine of numbers with ``slots``, each at what was called off for so long; it may tell what it is at."""

    def __init__(self, left_s: list[float], slots: int, *, tells: bool, room: int | None) -> None:
        self.noticed, self.asked, self._left_s, self._tells, self._room = Noticed(), 0, left_s, tells, room
        self._slots = anyio.Semaphore(slots)
        self.at_work = 0

    async def work(self, tasks: anyio.abc.TaskGroup) -> None:
        async def go_on(for_s: float) -> None:
            self.at_work += 1
            async with self._slots:
                await anyio.sleep(for_s)
            self.at_work -= 1

        for each in self._left_s:
            tasks.start_soon(go_on, each)
        await anyio.lowlevel.checkpoint()

    async def in_work(self) -> int | None:
        return self.at_work if self._tells else None

    async def generate(self, *_: object) -> Completion:
        self.asked += 1
        if self._room is not None and self.at_work > self._room:
            raise EngineBusy("its queue is full")
        async with self._slots:
            await anyio.sleep(0.05)
        return Completion("", first_token_ms=50.0)


@settings(max_examples=60, deadline=None)
@given(
    left_s=st.lists(st.floats(0.01, 30.0), max_size=5),
    slots=st.integers(1, 3),
    tells=st.booleans(),
    room=st.none() | st.integers(0, 4),
    kind=st.sampled_from(sorted(CALLED_OFF)),
    timeout_s=st.sampled_from([5.0, 120.0]),
)
def test_whatever_was_called_off_a_host_is_idle_before_the_next_run_or_it_is_said(
    left_s: list[float], slots: int, tells: bool, room: int | None, kind: str, timeout_s: float
) -> None:
    async def main() -> None:
        host = Orphaned(left_s, slots, tells=tells, room=room)
        first = [RequestRecord(0, "h", 0.0, 10_000.0, first_token_ms=50.0)]
        ready = Readiness({"h": host}, {"h": first}, timeout_s)  # type: ignore[dict-item]
        attempts = tuple(FailedAttempt(0, "h", 0.0, 1.0, f"{kind}: left") for _ in left_s)
        async with anyio.create_task_group() as tasks:
            await host.work(tasks)
            ready.note(Run("r", ("h",), 1.0, (), attempts))
            began_s = anyio.current_time()
            busy = await ready.restore(["h"])
            waited_s = anyio.current_time() - began_s
            said = host.noticed.in_words("h")
            most_s = min(timeout_s, LONGER * 10.0 * len(left_s))
            assert waited_s <= most_s + 1e-6
            if not left_s:
                assert (host.asked, waited_s, said) == (0, 0.0, [])
            if tells:
                assert host.asked == busy == 0
            if slots == 1 or tells:
                assert host.at_work == 0 or "still busy" in said[0]
            if busy:
                assert "still busy" in said[0]
            if sum(left_s) + 5 < most_s:  # it is asked again within two seconds
                assert busy == 0
            if waited_s > 1:
                assert len(said) == 1
            # It is waited for once.
            began_s, asked = anyio.current_time(), host.asked
            await ready.restore(["h"])
            assert (anyio.current_time(), host.asked) == (began_s, asked)
            tasks.cancel_scope.cancel()

    run_virtually(main)


def test_what_a_router_was_given_may_be_at_any_host_behind_it() -> None:
    async def main() -> None:
        hosts = {name: Orphaned([], 1, tells=False, room=None) for name in ("a", "b", "router")}
        ready = Readiness(hosts, {}, 5.0, routers=["router"])  # type: ignore[arg-type]
        ready.note(Run("router", ("router",), 1.0, (), (FailedAttempt(0, "router", 0.0, 1.0, "timeout: left"),)))
        assert await ready.restore(hosts) == 0
        assert {name: host.asked for name, host in hosts.items()} == {"a": 1, "b": 1, "router": 0}

    run_virtually(main)


# Models that are put out


LOAD_S, KEPT_S = 0.25, 0.5


@pytest.mark.waits
@pytest.mark.parametrize(
    ("heeds", "unasked_s", "loads_inside"),
    [(True, 60.0, False), (False, 0.3, False), (False, 60.0, True)],
    ids=["keeps it when asked", "is asked for a token before", "is not asked in time"],
)
def test_a_host_that_goes_cold_while_another_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heeds: bool, unasked_s: float, loads_inside: bool
) -> None:
    """github.com/ollama/ollama/issues/1782: report 24."""
    monkeypatch.setattr(knock, "UNASKED_S", unasked_s)
    models = [Model(LOAD_S, KEPT_S, heeds=heeds) for _ in "ab"]
    with ThreadedHosts(*(ollama_host(works_s=0.1, memory=each) for each in models)) as hosts:
        report = measured(tmp_path, hosts, "serial-per-side")
        assert {each.body["keep_alive"] for each in hosts.asked if each.method == "POST"} == {KEPT_LOADED_S}
    assert models[0].loads[0] is models[1].loads[0] is False, "the warm-up loads them"
    assert (True in models[1].loads) is loads_inside
    assert no_load(report) is not loads_inside
    assert bool(notes(report, "A model was loaded inside a round")) is loads_inside
    assert bool(notes(report, "b: it had put its model out, and was asked for a token")) is (unasked_s < 1)


@pytest.mark.waits
def test_what_loads_a_model_when_it_is_asked_for_has_it_loaded_before_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """github.com/mostlygeek/llama-swap, whose ttl nothing in a request can change: report 24."""
    monkeypatch.setattr(knock, "UNASKED_S", 0.3)
    models = [Model(LOAD_S, KEPT_S, heeds=False) for _ in "ab"]
    swaps = [openai_host(200, {}, wait_s=0.1, owner="llama-swap", memory=each) for each in models]
    with ThreadedHosts(*swaps) as hosts:
        report = measured(tmp_path, hosts, "serial-per-side")
    assert all(report["rounds"][0]["run"]["requests"])
    assert len(models[1].loads) > 1
    assert not any(models[1].loads)


@settings(max_examples=25, deadline=None)
@given(
    engine=st.sampled_from(["ollama", "lmstudio", "llama-server", "vllm", "llama-swap", "other"]),
    kept=st.booleans(),
    refused=st.booleans(),
    most=st.sampled_from([1, 64]),
    prompt=st.text(min_size=1, max_size=9),
)
def test_who_takes_a_word_on_how_long_to_keep_a_model_gets_it_unless_it_keeps_it_longer(
    engine: str, kept: bool, refused: bool, most: int, prompt: str
) -> None:
    field = {"ollama": "keep_alive", "lmstudio": "ttl"}.get(engine)
    bodies: list[dict[str, Any]] = []

    def decide(asked: Asked) -> Answer:
        bodies.append(json.loads(asked.body))
        if refused and field in bodies[-1]:
            return Answer(400, (b'{"error": "unknown field %b"}' % field.encode(),))
        lines = ndjson({"response": "Hello", "done": True, "eval_count": 1})
        return Answer(200, lines if engine == "ollama" else (sse(chat("Hello"), chat(reason="stop"), usage(1)),))

    async def main() -> None:
        async with serving(decide) as server, Client(timeout_s=5) as client:
            protocol = "ollama" if engine == "ollama" else "openai"
            identity = Identity(engine, protocol, None, {"m": None}, {"m": Offer(kept=kept and engine == "ollama")})
            one = engine_for(client, Host("h", server.url, ("127.0.0.1",)), identity, "m")
            for _ in range(2):
                assert (await one.generate(prompt, Generation(max_tokens=most), "k")).text == "Hello"

    anyio.run(main)
    wanted = field is not None and not (kept and engine == "ollama")
    assert bodies[0].get(field) == (KEPT_LOADED_S if wanted else None)
    assert bodies[-1].get(field) == (KEPT_LOADED_S if wanted and not refused else None)
