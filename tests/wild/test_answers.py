"""What an answer is: text or tokens, and an end that is one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpace.ground.errors import AnswerEmpty, EngineFailed, ModelGone, RequestRefused
from outpace.workload.prompts import Generation
from scripted import ndjson
from spoken import OLLAMA, OPENAI, Spoken, chat, sse, usage

ONE_TOKEN = Generation(max_tokens=1)


def lines(text: str, **last: Any) -> tuple[bytes, ...]:
    return ndjson({"response": text, "done": False}, {"response": "", "done": True, **last})


@pytest.mark.parametrize(
    "reason",
    ["abort", "ABORT", "error", "cancelled", "canceled", "interrupted", {"type": "abort", "message": "paused"}],
)
def test_an_answer_that_the_engine_broke_off_is_none(say: Spoken, reason: Any) -> None:
    """github.com/vllm-project/vllm/issues/57082, sgl-project/sglang#2956: report 5."""
    for body in (sse(chat("a"), chat(reason=reason), usage(1)), sse(chat(reason=reason), usage(0))):
        failure = say(OPENAI, body).failure
        assert type(failure) is EngineFailed
        assert "broke its answer off" in str(failure)
    if isinstance(reason, str):
        assert type(say(OLLAMA, *lines("a", done_reason=reason, eval_count=1)).failure) is EngineFailed


@pytest.mark.parametrize(
    "body",
    [
        sse(chat(reason="stop"), usage(0)),
        sse(chat(""), chat(reason="stop")),
        sse(chat(reason="length"), usage(0)),
        sse(chat(reason="content_filter"), usage(0)),
        sse(usage(0)),
    ],
)
def test_what_holds_neither_a_word_nor_a_token_is_no_answer(say: Spoken, body: bytes) -> None:
    """github.com/kubernetes-sigs/inference-perf/issues/655: report 5."""
    failure = say(OPENAI, body).failure
    assert type(failure) is AnswerEmpty
    assert failure.host_down, "or it would drain a shared queue in no time"
    assert "without a word and without a token" in str(failure)


def test_an_ollama_that_says_at_once_that_it_is_done_gave_no_answer(say: Spoken) -> None:
    """report 5."""
    assert type(say(OLLAMA, *ndjson({"response": "", "done": True, "done_reason": "stop"})).failure) is AnswerEmpty
    assert type(say(OLLAMA, *lines("", done_reason="stop", eval_count=0)).failure) is AnswerEmpty


def test_tokens_that_cannot_be_seen_are_an_answer_without_text(say: Spoken) -> None:
    heard = say(OPENAI, sse(chat(reason="stop"), usage(3)))
    assert heard.text == ""
    assert heard.notes == ("h, in 1 of 1 answers: there was no text.",)
    assert say(OLLAMA, *lines("", done_reason="stop", eval_count=1)).text == ""
    # Thoughts may be hidden, and the tokens not be told: at the limit they were made all the same.
    assert say(OPENAI, sse(chat(reason="length"))).text == ""


def test_the_one_token_that_loads_a_model_may_be_none_that_can_be_seen(say: Spoken) -> None:
    heard = say(OPENAI, sse(chat(reason="length"), usage(0)), settings=ONE_TOKEN)
    assert heard.text == ""
    assert heard.notes == ()


@pytest.mark.parametrize(
    "thoughts",
    [
        ndjson(*[{"response": "", "thinking": "Okay", "done": False}] * 64)
        + ndjson({"response": "", "done": True, "done_reason": "length", "eval_count": 64}),
        (sse(*[{"choices": [{"delta": {"reasoning_content": "Okay"}}]}] * 64, chat(reason="length"), usage(64)),),
        (sse(*[{"choices": [{"delta": {"reasoning": "Okay", "content": None}}]}] * 64, chat(reason="length")),),
    ],
)
def test_answers_that_are_thoughts_only_are_noticed(say: Spoken, thoughts: tuple[bytes, ...]) -> None:
    """github.com/promptfoo/promptfoo/issues/10954: report 23."""
    heard = say(OLLAMA if b"data:" not in thoughts[0] else OPENAI, *thoughts)
    assert heard.text == ""
    assert heard.completion is not None
    assert heard.completion.first_token_ms is not None
    assert heard.notes == (
        "h, in 1 of 1 answers: there were thoughts only (the limit of 64 tokens was spent on them).",
    )


@pytest.mark.parametrize(
    ("reason", "said"), [("content_filter", "a filter ended it"), ("tool_calls", "it called a tool")]
)
def test_an_end_that_is_not_the_models_own_is_noticed(say: Spoken, reason: str, said: str) -> None:
    heard = say(OPENAI, sse(chat("Hello"), chat(reason=reason), usage(1)))
    assert heard.text == "Hello"
    assert heard.notes == (f"h, in 1 of 1 answers: {said}.",)


def test_a_call_of_a_tool_was_generated(say: Spoken) -> None:
    calls = {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"name": "f"}}]}}]}
    heard = say(OPENAI, sse(calls, chat(reason="tool_calls")))
    assert heard.text == ""
    assert heard.completion is not None
    assert heard.completion.first_token_ms is not None


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]},
        {
            "choices": [
                {"delta": {"content": [{"type": "text", "text": "Hel"}, {"text": "lo"}]}, "finish_reason": "eos"}
            ]
        },
    ],
)
def test_text_in_another_place_is_text(say: Spoken, event: dict[str, Any]) -> None:
    assert say(OPENAI, sse(event)).text == "Hello"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "No models loaded. Please load a model in the developer page or use the 'lms load' command."),
        (404, "model 'x' not found"),
        (400, "Model unloaded."),
        (400, "The model has crashed without additional information. (Exit code: 6)"),
        (400, "Model 'x' is not loaded"),
        (404, "404 page not found"),
    ],
)
def test_a_model_that_is_gone_is_about_the_host(say: Spoken, status: int, said: str) -> None:
    """github.com/lmstudio-ai/lms/issues/107: report 31."""
    failure = say(OPENAI, b'{"error":{"message":"%b","type":"invalid_request_error"}}' % said.encode(), status=status)
    assert type(failure.failure) is ModelGone
    assert failure.failure.host_down
    assert said.rstrip(".") in str(failure.failure)


@pytest.mark.parametrize("said", ["the prompt is too long for this model", "max_tokens is too large: model takes 100"])
def test_a_refusal_of_a_prompt_is_about_the_prompt(say: Spoken, said: str) -> None:
    failure = say(OPENAI, b'{"error":{"message":"%b"}}' % said.encode(), status=400).failure
    assert type(failure) is RequestRefused
    assert not failure.host_down


ends = st.sampled_from(
    ["stop", "length", "eos", "stop_sequence", "abort", "error", "cancelled", "content_filter", None, "", 1, {}]
)


@settings(max_examples=150, deadline=None)
@given(said=st.lists(st.sampled_from(["", " ", "word"]), max_size=3), reason=ends, tokens=st.sampled_from([None, 0, 1]))
def test_there_is_no_answer_without_an_end_and_something_generated(
    say: Spoken, said: list[str], reason: Any, tokens: int | None
) -> None:
    told = () if tokens is None else (usage(tokens),)
    heard = say(OPENAI, sse(*map(chat, said), chat(reason=reason), *told))
    text = "".join(said)
    ended = bool(reason) or tokens is not None
    generated = bool(text) or bool(tokens) or (tokens is None and reason == "length")
    if ended and generated and reason not in ("abort", "error", "cancelled"):
        assert heard.text == text
    else:
        assert heard.failure is not None
