"""Prompts made to a size: as long as asked for, each unlike the others; and what is told where an engine differs."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.engines.embedded import running
from outpace.ground.records import RequestRecord
from outpace.workload.lengths import WORDS, Counted, counted, text_of
from outpace.workload.prompts import Prompt


@given(st.integers(1, 3000), st.integers())
def test_a_text_has_as_many_words_as_tokens_were_asked_for_and_is_the_same_again(tokens: int, seed: int) -> None:
    text = text_of(tokens, f"7/{seed}")
    assert len(text.split()) == tokens
    assert text == text_of(tokens, f"7/{seed}")


def test_texts_soon_differ_so_that_no_cache_knows_them() -> None:
    beginnings = {tuple(text_of(50, f"7/{index}").split()[:4]) for index in range(2000)}
    assert len(beginnings) >= 1998


def test_a_real_model_counts_a_token_for_each_word() -> None:
    with running(1) as (engine,), httpx.Client(base_url=engine.url, trust_env=False, timeout=60) as client:

        def tokens(text: str) -> int:
            return len(client.post("/tokenize", json={"content": text}).raise_for_status().json()["tokens"])

        assert tokens(text_of(700, "7/1")) == 700
        assert tokens(" " + " ".join(WORDS)) == len(WORDS)


def test_where_an_engine_counts_otherwise_that_is_told_by_host() -> None:
    prompts = [Prompt(index, "a b", 0.0, 10, 2) for index in range(5)] + [Prompt(5, "written by a person")]

    def record(prompt: int, host: str | None, read: int | None, wrote: int | None, error: str | None = None):
        return RequestRecord(prompt, host, 0.0, 1.0, prompt_tokens=read, output_tokens=wrote, error=error)

    found = counted(
        prompts,
        [
            record(0, "a", 12, 10),
            record(1, "a", 14, 7),
            record(2, "b", None, 10),
            record(3, "b", 2, 10),
            record(4, "b", 9, 9, "cut: it ended"),
            record(5, "b", 9, 9),
        ],
    )
    assert found == {"a": (Counted(4, 26), Counted(20, 17)), "b": (Counted(2, 2), Counted(10, 10))}
    assert found["a"][0].ratio == pytest.approx(6.5)
