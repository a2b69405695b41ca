"""The form of a stream: liberal in what is no harm, strict in what is a loss."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpace.ground.errors import AnswerUnfinished, AnswerUnreadable, BodyCut, EngineBusy, EngineFailed, RequestRefused
from outpace.workload.prompts import Generation
from scripted import ndjson
from spoken import OLLAMA, OPENAI, Spoken, chat, cut, sse, usage

HEALTHY = (chat("Hello"), chat(" world"), chat(reason="stop"), usage(2))


@pytest.mark.parametrize("empty", [b"data: \n\n", b"data:\n\n", b"data\n\n", b"data:   \n\n", b"data:\ndata:\n\n"])
def test_events_that_hold_nothing_keep_a_connection_alive(say: Spoken, empty: bytes) -> None:
    """github.com/openai/openai-python/issues/2721, netease-lcap/wave-agent#1326: report 3."""
    heard = say(OPENAI, empty, empty, sse(*(part for event in HEALTHY for part in (event, empty))))
    assert heard.text == "Hello world"
    assert heard.notes == ()


@pytest.mark.parametrize(
    "no_error", [None, "", {}, [], False, {"code": None, "message": None}, {"message": "", "code": 0}]
)
def test_an_error_that_is_null_or_empty_is_none(say: Spoken, no_error: Any) -> None:
    """github.com/BerriAI/litellm/issues/32394: report 19."""
    assert say(OPENAI, sse(*({**event, "error": no_error} for event in HEALTHY))).text == "Hello world"
    lines = [{"response": "Hi", "error": no_error}, {"response": "", "done": True, "eval_count": 1, "error": no_error}]
    assert say(OLLAMA, *ndjson(*lines)).text == "Hi"


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({"error": "died"}, EngineFailed),
        ({"error": {"message": "died"}}, EngineFailed),
        ({"error": {"message": "too long", "code": 400}}, RequestRefused),
        ({"error": {"message": "too long", "code": "400"}}, RequestRefused),
        ({"error": {"message": "wait", "code": 429}}, EngineBusy),
        ({"error": {"message": "died", "code": "server_error"}}, EngineFailed),
        ({"object": "error", "message": "too long", "code": 400}, RequestRefused),
        ({"type": "error", "message": "died"}, EngineFailed),
        (b'event: error\ndata: {"message": "died"}\n\n', EngineFailed),
        (b'data: {"message": "died"}\nevent: error\n\n', EngineFailed),
        (b"event: error\ndata: died\n\n", EngineFailed),
        (b'error: {"code": 400, "message": "exceeds the context size", "type": "x"}\n\n', RequestRefused),
        (b'error: {"code": 500, "message": "died"}\n\n', EngineFailed),
        (b"error: died\n\n", EngineFailed),
        (b'{"error": "died"}\n', EngineFailed),
    ],
)
def test_an_error_inside_of_a_stream_is_told_as_what_it_is(say: Spoken, event: Any, error: type) -> None:
    """github.com/ggml-org/llama.cpp/issues/16104, whose old servers told it in a field of its own: report 29."""
    heard = say(OPENAI, sse(chat("Hello"), event))
    assert type(heard.failure) is error
    said = str(heard.failure)
    assert any(reason in said for reason in ("died", "too long", "wait", "exceeds the context size"))


@pytest.mark.parametrize("nothing", [b"error: null\n\n", b"error:\n\n", b"event: error\ndata: {}\n\n"])
def test_a_field_for_errors_that_holds_none_is_passed_over(say: Spoken, nothing: bytes) -> None:
    assert say(OPENAI, nothing, sse(*HEALTHY)).text == "Hello world"


@pytest.mark.parametrize("reason", [None, ""])
def test_usage_and_then_done_is_an_end_where_no_reason_is_told(say: Spoken, reason: str | None) -> None:
    """github.com/vllm-project/vllm/issues/27572, sgl-project/sglang#3912: report 17."""
    assert say(OPENAI, sse(chat("Hello", reason), chat(" world", reason), usage(2))).text == "Hello world"
    together = {**chat(" world", reason), "usage": {"completion_tokens": 2}}
    assert say(OPENAI, sse(chat("Hello", reason), together)).text == "Hello world"


@pytest.mark.parametrize(
    "body",
    [
        sse(chat("Hello")),
        sse(chat("Hello"), {"choices": [], "usage": None}),
        sse({**chat("Hello"), "usage": {"completion_tokens": 1}}, chat(" wor")),
        sse(chat("Hello"), usage(1), done=False),
        sse(chat("Hello"), b'data: {"choices": [{"delta": {"content": " wor', done=False),
        sse(chat("Hello"), chat(reason="stop"), b'data: {"choices": [], "usa', done=False),
    ],
)
def test_a_bare_done_is_no_end(say: Spoken, body: bytes) -> None:
    """github.com/abetlen/llama-cpp-python/issues/867: so it ends what a newer request interrupted."""
    assert type(say(OPENAI, body).failure) is BodyCut


def test_an_ollama_stream_that_ends_well_without_its_last_line_is_about_the_prompt(say: Spoken) -> None:
    """github.com/ollama/ollama/issues/11172: report 25."""
    lines = ndjson({"response": "x", "done": False}, {"response": "y", "done": False})
    failure = say(OLLAMA, *lines).failure
    assert type(failure) is AnswerUnfinished
    assert not failure.host_down
    assert failure.never_here
    assert "context" in str(failure)
    assert type(say(OLLAMA, *lines, end="cut").failure) is BodyCut


def context(tokens: int, separator: str = ",") -> bytes:
    numbers = separator.join(str(128_000 + number % 256) for number in range(tokens))
    return b'{"response":"","done":true,"eval_count":1,"context":[%b],"total_duration":1000}\n' % numbers.encode()


@pytest.mark.parametrize("separator", [",", ", "])
@pytest.mark.parametrize("size", [1, 100, 1 << 16])
def test_the_context_that_an_ollama_gives_back_is_no_part_of_what_it_generated(
    say: Spoken, separator: str, size: int
) -> None:
    """github.com/ollama/ollama/issues/5980: report 28."""
    body = b'{"response":"said: \\"context\\":[1,2"}\n' + context(12_000 if size > 1 else 300, separator)
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    heard = say(OLLAMA, *pieces, settings=Generation(max_tokens=1))
    assert heard.text == 'said: "context":[1,2'
    assert heard.completion
    assert (heard.completion.output_tokens, heard.completion.server_ms) == (1, 0.001)


def test_what_is_generated_is_bounded_all_the_same(say: Spoken) -> None:
    wild = ndjson({"response": "far more than one token " * 4000, "done": False})
    heard = say(OLLAMA, *wild, context(1), settings=Generation(max_tokens=1))
    assert type(heard.failure) is AnswerUnreadable
    assert "far more than the tokens asked for" in str(heard.failure)


def test_a_context_is_bounded_too(say: Spoken) -> None:
    heard = say(OLLAMA, b'{"response": "x", "context": [', *[b"128000," * 9000] * 140)
    assert type(heard.failure) is AnswerUnreadable
    assert "a context of more than" in str(heard.failure)


def test_what_is_no_event_is_told(say: Spoken) -> None:
    for body in (b"<html>hello</html>\n", b"Internal Server Error", b'{"choices": []}\n', b"data: {\n\n"):
        assert type(say(OPENAI, body).failure) in (AnswerUnreadable, BodyCut)
    assert "where a server-sent event is due" in str(say(OPENAI, b"<html>").failure)


words = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1, max_size=6)
places = st.lists(st.integers(0, 1 << 16), max_size=12)
unknown = st.dictionaries(
    st.sampled_from(["id", "object", "created", "system_fingerprint", "x", "service_tier", "nvext"]),
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just({"a": [1, {}]}),
    max_size=3,
)


@st.composite
def written(draw: st.DrawFn) -> tuple[str, bytes]:
    """A text, and a stream that says it in any form that loses nothing."""
    said = draw(words)
    events = [chat(part) for part in said] + [chat(reason="stop")]
    if draw(st.booleans()):
        events[-2:] = [chat(said[-1], "stop")]
    events.append(usage(draw(st.integers(1, 64))))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    empty_lines = draw(st.booleans())
    body = draw(st.sampled_from(["", "\ufeff"]))
    for event in [*events, None]:
        text = (
            "[DONE]"
            if event is None
            else json.dumps(
                dict(draw(st.permutations([*(event | draw(unknown) | event).items()]))),
                ensure_ascii=draw(st.booleans()),
                indent=draw(st.sampled_from([None, 1])) if empty_lines else None,
            )
        )
        space = draw(st.sampled_from(["", " "]))
        lines = [f"data:{space}{line}" for line in text.split("\n")]
        if not space:  # one space belongs to the field
            lines = [line.replace("data: ", "data:  ", 1) for line in lines]
        others = st.sampled_from([": ping", ":", "id: 1", "retry: 10", "event: message", "data-x: 1", "more"])
        lines = [*draw(st.lists(others, max_size=2)), *lines, *draw(st.lists(others, max_size=1))]
        if empty_lines:
            lines += draw(st.sampled_from([[""], ["", ""], ["", "data:", ""], ["", ": ping", ""]]))
        body += "".join(line + end for line in lines)
    return "".join(said), body.encode()


@settings(max_examples=100, deadline=None)
@given(written=written(), places=places)
def test_events_in_any_form_and_cut_anywhere_say_the_same(
    say: Spoken, written: tuple[str, bytes], places: list[int]
) -> None:
    text, body = written
    assert say(OPENAI, *cut(body, places)).text == text


@settings(max_examples=100, deadline=None)
@given(said=words, places=places, end=st.sampled_from(["\n", "\r\n", "\n\n", " \n"]), more=unknown, data=st.data())
def test_lines_in_any_form_and_cut_anywhere_say_the_same(
    say: Spoken, said: list[str], places: list[int], end: str, more: dict[str, Any], data: st.DataObject
) -> None:
    parts = [{"response": part, "done": False, "error": None} for part in said]
    parts.append({"response": "", "done": True, "eval_count": 3, "context": list(range(data.draw(st.integers(0, 40))))})
    mark = data.draw(st.sampled_from(["", "\ufeff"]))
    lines = [json.dumps(dict(data.draw(st.permutations([*(more | part).items()])))) + end for part in parts]
    body = (mark + "".join(lines)).encode()
    last = b"" if data.draw(st.booleans()) else end.encode()
    heard = say(OLLAMA, *cut(body.removesuffix(last), places))
    assert heard.text == "".join(said)
    assert heard.completion is not None


@settings(max_examples=100, deadline=None)
@given(written=written(), place=st.integers(0, 1 << 16), places=places)
def test_a_stream_that_lost_its_end_is_never_an_answer_with_a_part_of_the_text(
    say: Spoken, written: tuple[str, bytes], place: int, places: list[int]
) -> None:
    text, body = written
    kept = body[: place % (len(body) + 1)]
    heard = say(OPENAI, *cut(kept, places))
    assert heard.failure is not None or heard.text == text
