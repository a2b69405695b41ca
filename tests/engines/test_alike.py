"""Events that differ in their text alone are not read again: what is heard is what reading each of them would give."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from outpace.engines import Client, Identity
from outpace.engines.alike import TRIES, Alike
from outpace.engines.openai import OpenAIEngine
from outpace.ground.errors import RequestFailed
from outpace.ground.hosts import Host
from outpace.workload.prompts import Generation

HOST = Host("h", "http://127.0.0.1:1", ("127.0.0.1",))
ODD = [
    "",
    " word",
    '"',
    "a\\",
    '"content":"',
    '\\","x":"',
    "a\nb",
    "\x7f",
    "\u2028",
    "\u00e9",
    "outpace",
    "\U0001f600",
    None,
    3,
]
TEXTS = st.one_of(st.sampled_from(ODD), st.text(max_size=4))


def event(text: Any, **more: Any) -> dict[str, Any]:
    reason, delta = more.pop("reason", None), {"content": text, **more.pop("delta", {})}
    return {"id": "c1", **more, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def two(text: Any) -> dict[str, Any]:
    return {"choices": event(text)["choices"] * 2}


SHAPES: list[Callable[[Any], dict[str, Any]]] = [
    event,
    two,
    *(
        partial(event, **more)
        for more in (
            {"id": "c2"},
            {"delta": {"role": "assistant"}},
            {"delta": {"reasoning": "so"}},
            {"usage": None},
            {"usage": {"completion_tokens": 3}},
            {"timings": {"predicted_ms": 1}},
            {"timings": {"predicted_ms": 2}},
            {"content": " else"},
            {"reason": "stop"},
            {"reason": "length"},
            {"error": {}},
            {"error": {"message": "no"}},
        )
    ),
]
TOLD, TOLD_ELSE, STOPS, IS_CUT = SHAPES[7], SHAPES[8], SHAPES[10], SHAPES[11]
SAID = st.lists(st.tuples(st.sampled_from(SHAPES), st.lists(TEXTS, min_size=1, max_size=4)), max_size=6)


def heard(lines: list[bytes]) -> Any:
    """What an answer comes to: its pieces and all that was told, or its failure."""

    async def main() -> Any:
        engine = OpenAIEngine(Client(timeout_s=1), HOST, Identity("vllm", "openai", None, {"m": None}), "m")
        stream: Any = engine.listen(Generation(max_tokens=64), None, 1 << 20)
        try:
            for line in lines:
                stream.feed(b"data: " + line + b"\n\n")
        except RequestFailed as error:
            return type(error), str(error), stream._answer._text
        answer = stream._answer
        return answer._text, answer.pieces, answer._thought, answer.reason, stream.told, stream._usage_last

    return asyncio.run(main())


@given(SAID, st.booleans(), st.sampled_from([(",", ":"), (", ", ": ")]))
@example([(TOLD, ["a", "b"]), (TOLD_ELSE, [""]), (TOLD, ["d"])], False, (",", ":"))
@example([(STOPS, ["a", "b"]), (IS_CUT, [""]), (STOPS, ["d"])], False, (",", ":"))
def test_they_say_what_reading_them_would(said: list[Any], escaped: bool, marks: tuple[str, str]) -> None:
    events = [shape(text) for shape, texts in said for text in texts]
    lines = [json.dumps(each, ensure_ascii=escaped, separators=marks).encode("utf-8", "replace") for each in events]
    found = heard(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Alike, "text_of", lambda *_: None)
        assert heard(lines) == found


def line(text: str, **more: Any) -> bytes:
    return json.dumps(event(text, **more)).encode()


def learnt(*lines: bytes) -> Alike:
    alike = Alike()
    for each in lines:
        found = json.loads(each)
        alike.learn(each, found["choices"][0]["delta"], found)
    return alike


def test_one_that_is_alike_is_not_read() -> None:
    alike = learnt(line(" one"))
    assert alike.text_of(line(" two")) == " two"
    assert alike.text_of(line("\u00e9")) is None  # escaped: it has to be read
    assert alike.text_of(line("")) is None
    assert alike.text_of(line(" two", id="c2")) is None
    assert alike.text_of(json.dumps(event(" \u00e9"), ensure_ascii=False).encode()) == " \u00e9"
    for what_no_text_holds in (b"\xff", b"\t", b'"', b"\\"):
        assert alike.text_of(line(" zz").replace(b"zz", what_no_text_holds)) is None


def test_the_text_is_sought_where_it_stands() -> None:
    """And not where something else is called so."""
    assert learnt(line(" one", content=" else")).text_of(line(" two", content=" else")) is None


def test_events_that_always_differ_are_not_looked_at_for_ever() -> None:
    different = [line(" word", id=f"c{number}") for number in range(TRIES + 1)]
    assert learnt(*different).text_of(different[-1]) is None
    assert learnt(*different).text_of(different[-2]) == " word"
