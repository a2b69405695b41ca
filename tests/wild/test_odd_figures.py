"""Figures that decorate an answer: what cannot be is taken as not told, is noticed, and never costs the answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpace.engines.figures import Heard, Told, believable
from outpace.engines.noticed import Noticed
from scripted import ndjson
from spoken import OLLAMA, OPENAI, Spoken, chat, sse, usage

TEXT = " word" * 20


def ollama(text: str = TEXT, **told: Any) -> tuple[bytes, ...]:
    parts = [{"response": f" {word}", "done": False} for word in text.split()]
    return ndjson(*parts, {"response": "", "done": True, "done_reason": "stop", **told})


def openai(*told: Any) -> bytes:
    return sse(*[chat(" word")] * 20, chat(reason="stop"), *told)


def test_no_tokens_beside_text_are_tokens_not_told(say: Spoken) -> None:
    """github.com/tenstorrent/vllm/issues/377: report 4."""
    heard = say(OPENAI, openai(usage(0)))
    assert heard.text == TEXT
    assert heard.completion is not None
    assert (heard.completion.prompt_tokens, heard.completion.output_tokens) == (5, None)
    assert "0 output tokens were told of a longer text" in heard.notes[0]
    silent = say(OLLAMA, *ollama())
    assert silent.completion is not None
    assert silent.completion.output_tokens is None
    assert silent.notes == ()


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ({"prompt_tokens_details": {"cached_tokens": -1}}, "cached_tokens was told as -1"),
        ({"completion_tokens": -387}, "completion_tokens was told as -387"),
        ({"prompt_tokens": "five"}, "prompt_tokens was told as five"),
    ],
)
def test_a_side_figure_that_cannot_be_costs_no_answer(say: Spoken, details: dict[str, Any], said: str) -> None:
    """github.com/vllm-project/vllm-omni/issues/1468: report 32."""
    heard = say(OPENAI, openai(usage(20, **details)))
    assert heard.text == TEXT
    (note,) = heard.notes
    assert note == f"h, in 1 of 1 answers: {said}, which cannot be, and is taken as not told."


def test_constants_in_place_of_figures_are_not_believed(say: Spoken) -> None:
    """KoboldCpp tells 1 of everything where it plays Ollama (koboldcpp.py, "total_duration": 1)."""
    names = ("total_duration", "load_duration", "prompt_eval_duration", "eval_count", "eval_duration")
    heard = say(OLLAMA, *ollama(**dict.fromkeys(names, 1)))
    assert heard.completion is not None
    assert heard.completion.output_tokens is None
    assert any("1 output tokens were told of a longer text" in note for note in heard.notes)


def test_parts_are_not_longer_than_the_whole(say: Spoken) -> None:
    heard = say(OLLAMA, *ollama(total_duration=1_000_000, eval_duration=9_000_000, eval_count=20))
    assert heard.completion is not None
    assert (heard.completion.server_ms, heard.completion.queue_ms, heard.completion.load_ms) == (None, None, None)
    assert heard.completion.output_tokens == 20
    assert "sum is above the whole" in heard.notes[0]


HOUR_NS = 3_600_000_000_000


def test_no_engine_works_for_longer_than_its_client_waits(say: Spoken) -> None:
    for heard in (
        say(OLLAMA, *ollama(total_duration=HOUR_NS, load_duration=5, eval_duration=HOUR_NS - 5, eval_count=20)),
        say(OPENAI, openai({**usage(20), "timings": {"prompt_ms": 1, "predicted_ms": 3.6e6}})),
        say(OPENAI, openai({**usage(20), "metrics": {"time_to_first_token_ms": 1, "generation_time_ms": 3.6e6}})),
    ):
        assert heard.completion is not None
        assert (heard.completion.server_ms, heard.completion.queue_ms, heard.completion.load_ms) == (None, None, None)
        assert "a server time of 3.6e+06 ms was told of a request that took" in heard.notes[0]


@pytest.mark.parametrize(
    ("server_ms", "wall_ms", "spoken_ms", "believed"),
    [
        (900.0, 1000.0, 800.0, True),
        (1000.5, 1000.0, 800.0, True),  # clocks differ
        (1100.0, 1000.0, 800.0, False),
        (0.9, 1000.0, 800.0, False),  # seconds where milliseconds are due
        (0.0009, 1000.0, 800.0, False),  # milliseconds where nanoseconds are due
        (90.0, 1000.0, 800.0, True),  # the network may have held the words up
        (0.01, 40.0, 30.0, True),  # too short to say
    ],
)
def test_a_time_in_another_unit_is_noticed(server_ms: float, wall_ms: float, spoken_ms: float, believed: bool) -> None:
    noticed = Noticed()
    found = believable(Told(server_ms=server_ms, queue_ms=1.0), Heard(9, 40, spoken_ms, wall_ms), 64, noticed)
    assert (found.server_ms, found.queue_ms) == ((server_ms, 1.0) if believed else (None, None))
    assert bool(noticed.in_words("h")) is not believed


def test_more_tokens_than_were_asked_for_are_noticed(say: Spoken) -> None:
    heard = say(OPENAI, openai(usage(400)))
    assert heard.completion is not None
    assert heard.completion.output_tokens == 400
    assert heard.notes == ("h, in 1 of 1 answers: 400 output tokens were told where 64 were asked for.",)


@pytest.mark.parametrize("text", ["-" * 640, "x" * 64])
def test_few_tokens_may_hold_much_text_and_text_may_come_in_small_pieces(say: Spoken, text: str) -> None:
    cut_fine = sse(*map(chat, text[:64]), chat(reason="stop"), usage(10))
    assert say(OPENAI, cut_fine).completion.output_tokens == 10
    long_tokens = sse(*[chat("-" * 64)] * 10, chat(reason="stop"), usage(10))
    assert say(OPENAI, long_tokens).completion.output_tokens == 10


@pytest.mark.parametrize("engine", ["openai", "llama-server", "vllm"])
@pytest.mark.parametrize(
    ("told", "includes"),
    [
        ({"timings": {"prompt_ms": 0.1, "predicted_ms": 0.2}}, False),
        ({"metrics": {"time_to_first_token_ms": 0.1, "generation_time_ms": 0.2}}, True),
    ],
)
def test_whether_a_server_time_holds_the_queue_goes_by_the_field_that_tells_it(
    say: Spoken, engine: str, told: dict[str, Any], includes: bool
) -> None:
    """github.com/mostlygeek/llama-swap/issues/484, where a proxy passes llama.cpp's times on: report 27."""
    heard = say(type(OPENAI)(engine, "openai", None, {"m": None}), openai({**usage(20), **told}))
    assert heard.completion is not None
    assert heard.completion.server_ms == pytest.approx(0.3)
    assert heard.includes_queue is includes


odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=True)
    | st.text(max_size=6)
    | st.sampled_from([-1, 0, 1, -0.0, 2**53, 10**400, "5", "NaN"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
DURATIONS = ["total_duration", "load_duration", "prompt_eval_duration", "eval_duration"]
COUNTS = ["prompt_eval_count", "eval_count"]
SECTIONS = {
    "usage": ["prompt_tokens", "completion_tokens", "prompt_tokens_details"],
    "timings": ["prompt_ms", "predicted_ms", "prompt_n", "cache_n"],
    "metrics": ["time_to_first_token_ms", "generation_time_ms", "queue_time_ms"],
}
sections = st.fixed_dictionaries(
    {},
    optional={
        section: odd | st.dictionaries(st.sampled_from(keys), odd | st.dictionaries(st.just("cached_tokens"), odd))
        for section, keys in SECTIONS.items()
    },
)


def is_sane(heard: Any) -> None:
    assert heard.text == TEXT
    told = heard.completion._asdict()
    for name in ("server_ms", "queue_ms", "load_ms", "prompt_tokens", "output_tokens", "cached_tokens"):
        assert told[name] is None or 0 <= told[name] < 2**53
    assert told["output_tokens"] != 0
    assert all(note.isprintable() and len(note) < 200 for note in heard.notes)


@settings(max_examples=100, deadline=None)
@given(told=sections, odd_one=odd)
def test_no_figure_costs_an_answer_of_events(say: Spoken, told: dict[str, Any], odd_one: Any) -> None:
    body = openai(b"data: %b\n\n" % json.dumps({"choices": [], "x": odd_one, **told}).encode())
    is_sane(say(OPENAI, body))


@settings(max_examples=100, deadline=None)
@given(told=st.dictionaries(st.sampled_from([*DURATIONS, *COUNTS]), odd | st.integers(0, 10**7)))
def test_no_figure_costs_an_answer_of_lines(say: Spoken, told: dict[str, Any]) -> None:
    is_sane(say(OLLAMA, *ollama(**told)))
