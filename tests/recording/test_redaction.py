"""A recording without texts: lengths and moments stay, and nothing that was said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import REPOSITORY
from outpace.recording import har
from outpace.recording.recording import Exchange
from outpace.recording.redaction import _blot_chunks, redacted
from outpace.suite.regression import replay

RECORDINGS = REPOSITORY / "bench" / "recordings"


def test_without_texts_lengths_and_moments_stay() -> None:
    found = har.read(REPOSITORY / "bench" / "recordings" / "ollama-np1.json")
    for before, after in zip(found.exchanges, redacted(found).exchanges, strict=True):
        assert [ms for ms, _ in before.chunks] == [ms for ms, _ in after.chunks]
        if before.answered:
            assert len(spoken(before)) == len(spoken(after))
            assert set(spoken(after)) == {"x"}
            assert b'"context":[0,0,0' in after.body


def spoken(exchange: Exchange) -> str:
    return "".join(json.loads(line).get("response", "") for line in exchange.body.splitlines())


@given(st.text(min_size=1), st.lists(st.integers(1, 200), max_size=6), st.sampled_from(["ollama", "openai"]))
def test_no_answer_survives_however_it_was_cut_into_pieces(text: str, cuts: list[int], protocol: str) -> None:
    secret = f"S3CRET{text}"
    if protocol == "ollama":
        body = (
            json.dumps({"response": secret, "done": False}, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
        )
    else:
        event = {"choices": [{"delta": {"content": secret}}]}
        body = b"data: " + json.dumps(event).encode() + b"\n\ndata: [DONE]\n\n"
    pieces, at = [], 0
    for cut in cuts:
        pieces.append((0.0, body[at : at + cut]))
        at += cut
    pieces.append((1.0, body[at:]))
    blotted = b"".join(piece for _, piece in _blot_chunks(tuple(pieces)))
    assert b"S3CRET" not in blotted
    assert blotted.count(b"\n") == body.count(b"\n")


def test_a_line_that_is_no_protocol_of_ours_is_blotted_whole() -> None:
    assert _blot_chunks(((0.0, b"S3CRET words\nS3"), (1.0, b"CRET"))) == ((0.0, b"xxxxxxxxxxxx\n"), (1.0, b"xxxxxx"))


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b": S3CRET", b": xxxxxx"),
        (b"event: error", b"event: error"),
        (b"event: S3CRET", b"event: xxxxxx"),
        (b"id: " + b"S3CRET" * 9, b"id: " + b"x" * 54),
        (b"retry: 3000", b"retry: 3000"),
        (b"data: S3CRET", b"data: xxxxxx"),
        (b"data: [DONE]", b"data: [DONE]"),
        (b'error: {"code":503,"message":"S3CRET"}', b'error: {"code":503,"message":"xxxxxx"}'),
    ],
)
def test_an_event_stays_the_event_that_it_is(line: bytes, kept: bytes) -> None:
    assert _blot_chunks(((0.0, line + b"\n\n"),)) == ((0.0, kept + b"\n\n"),)


@pytest.mark.parametrize("name", ["ollama-np1", "llama-server-np4", "vllm"])
@pytest.mark.parametrize("strategy", ["serial-per-side", "all-parallel"])
def test_every_recording_without_texts_has_the_same_makespans_and_tokens(name, strategy, tmp_path: Path) -> None:
    har.write(tmp_path / "r.json", redacted(har.read(RECORDINGS / f"{name}.json")))
    runs = [
        [each.run for each in replay(file, strategy, tmp_path).rounds]
        for file in (RECORDINGS / f"{name}.json", tmp_path / "r.json")
    ]
    assert [(run.makespan_ms, run.output_tokens) for run in runs[0]] == [
        (run.makespan_ms, run.output_tokens) for run in runs[1]
    ]


texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1, max_size=4)


@given(texts, st.booleans(), st.lists(st.integers(0, 60), max_size=8), st.sampled_from([b"", b"data: "]))
def test_of_a_text_its_length_alone_is_left(said: list[str], escaped: bool, cuts: list[int], prefix: bytes) -> None:
    lines = [prefix + json.dumps({"response": text}, ensure_ascii=escaped).encode() for text in said]
    body, at = b"\n".join(lines), 0
    pieces = []
    for cut in cuts:
        pieces.append((float(at), body[at : at + cut]))
        at += cut
    after = _blot_chunks((*pieces, (float(at), body[at:])))
    assert [ms for ms, _ in after] == [*(ms for ms, _ in pieces), float(at)]
    left = b"".join(piece for _, piece in after).split(b"\n")
    assert [json.loads(line.removeprefix(prefix))["response"] for line in left] == ["x" * len(text) for text in said]
