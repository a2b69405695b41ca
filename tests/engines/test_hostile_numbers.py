"""Times and counts that cannot be, wherever an engine tells one: taken as not told, with a note, the answer kept."""

from __future__ import annotations

from functools import cache
from typing import Any

import anyio
import pytest

from hostile import OLLAMA, OPENAI, SETTINGS, TIMEOUT_S, Dialect, dispatch, engine_at, saying
from hostile_harms import JUST_TOO_DEEP
from outpace.engines import Client, Completion
from outpace.engines.failures import error_text
from outpace.ground.errors import AnswerUnreadable
from scripted import Answer, serving

FIELDS: dict[str, tuple[Dialect, tuple[str, ...]]] = {
    "total_duration": (OLLAMA, ()),
    "load_duration": (OLLAMA, ()),
    "prompt_eval_duration": (OLLAMA, ()),
    "eval_duration": (OLLAMA, ()),
    "prompt_eval_count": (OLLAMA, ()),
    "eval_count": (OLLAMA, ()),
    "prompt_tokens": (OPENAI, ("usage",)),
    "completion_tokens": (OPENAI, ("usage",)),
    "cached_tokens": (OPENAI, ("usage", "prompt_tokens_details")),
    "prompt_ms": (OPENAI, ("timings",)),
    "predicted_ms": (OPENAI, ("timings",)),
    "time_to_first_token_ms": (OPENAI, ("metrics",)),
    "generation_time_ms": (OPENAI, ("metrics",)),
    "queue_time_ms": (OPENAI, ("metrics",)),
}
NO_NUMBERS: dict[str, Any] = {
    "NaN": float("nan"),
    "infinite": float("inf"),
    "minus infinite": float("-inf"),
    "negative": -1,
    "just negative": -5e-324,
    "2^53": 2**53,
    "2^63": 2**63,
    "of 4,000 digits": 10**4000,
    "true": True,
    "false": False,
    "a word": "many",
    "a number in words": "5",
    "a list": [5],
    "an object": {"value": 5},
}
NUMBERS = [None, 0, 0.0, -0.0, 0.5, 2**53 - 1]


def telling(field: str, value: Any) -> dict[str, Any]:
    """What a last event holds that tells ``field`` as ``value``."""
    told: dict[str, Any] = {field: value}
    for key in reversed(FIELDS[field][1]):
        told = {key: told}
    return told


def noticed(dialect: Dialect, told: dict[str, Any] | bytes) -> tuple[Completion, list[str]]:
    """What is made of an answer whose last event tells ``told``, or that is ``told``, and what is noticed of it."""
    body = told if isinstance(told, bytes) else dialect.answer(told)

    async def main() -> tuple[Completion, list[str]]:
        async with serving(lambda _: Answer(200, (body,))) as server, Client(timeout_s=TIMEOUT_S) as client:
            engine = engine_at(client, "bad", server.port, dialect)
            return await engine.generate("Why?", SETTINGS, "k"), engine.noticed.in_words("bad")

    return anyio.run(main)


@cache
def telling_nothing(field: str) -> Completion:
    return completion(FIELDS[field][0], telling(field, None))


def completion(dialect: Dialect, told: dict[str, Any] | bytes) -> Completion:
    return noticed(dialect, told)[0]


@pytest.mark.parametrize("value", NO_NUMBERS)
@pytest.mark.parametrize("field", FIELDS)
def test_what_is_no_time_and_no_count_is_not_told_and_costs_no_answer(field: str, value: str) -> None:
    dialect = FIELDS[field][0]
    told, notes = noticed(dialect, telling(field, NO_NUMBERS[value]))
    assert told.text == " word" * 4
    assert told == telling_nothing(field)._replace(first_token_ms=told.first_token_ms)
    (note,) = notes
    assert note.startswith(f"bad, in 1 of 1 answers: {field} was told as ")
    assert len(note) < 160
    assert note.isprintable()


@pytest.mark.parametrize("field", FIELDS)
def test_what_can_be_is_believed(field: str) -> None:
    for value in NUMBERS:
        assert completion(FIELDS[field][0], telling(field, value)).text == " word" * 4


@pytest.mark.parametrize("field", ["total_duration", "eval_count", "completion_tokens", "predicted_ms"])
@pytest.mark.parametrize("value", ["NaN", "negative", "2^63", "a word"])
def test_a_host_that_tells_a_number_that_cannot_be_is_not_put_to_rest(field: str, value: str) -> None:
    dialect, told = FIELDS[field][0], telling(field, NO_NUMBERS[value])
    run = dispatch(saying(lambda dialect: dialect.answer(told)), dialect).outcome.run
    assert not run.failed_attempts
    assert {request.host for request in run.requests} == {"bad", "good"}


@pytest.mark.parametrize("section", ["usage", "timings", "metrics"])
@pytest.mark.parametrize("value", [None, 5, True, "many", [5], [{}]])
def test_a_section_of_the_wrong_type_tells_nothing(section: str, value: Any) -> None:
    told = completion(OPENAI, {"usage": None, section: value})
    assert (told.text, told.server_ms, told.queue_ms, told.output_tokens) == (" word" * 4, None, None, None)


@pytest.mark.parametrize("value", [None, 5, True, ["x"], {"x": "y"}])
def test_a_word_of_the_wrong_type_is_no_word(value: Any) -> None:
    assert completion(OLLAMA, OLLAMA.event({"response": value}) + OLLAMA.answer()).text == " word" * 4
    delta = OPENAI.event({"choices": [{"delta": {"content": value}}]})
    assert completion(OPENAI, delta + OPENAI.answer()).text == " word" * 4


@pytest.mark.parametrize("field", ["total_duration", "predicted_ms"])
def test_no_depth_of_nesting_breaks_the_telling_of_it(field: str) -> None:
    for nested in JUST_TOO_DEEP[::30]:
        dialect = FIELDS[field][0]
        body = dialect.answer(telling(field, 12345)).replace(b"12345", nested)
        try:
            assert completion(dialect, body).text == " word" * 4
        except AnswerUnreadable:  # too deep for the parser of JSON itself
            continue


def test_no_depth_of_nesting_breaks_the_telling_of_an_error() -> None:
    for nested in JUST_TOO_DEEP:
        assert error_text(b'{"error": ' + nested + b"}")
