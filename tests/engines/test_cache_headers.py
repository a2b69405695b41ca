"""Headers of gateways that say that an answer was kept from before, in whatever words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.engines.cache_headers import KEPT, heed, kept_by
from outpace.engines.noticed import Noticed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-litellm-cache-key", "586bf3f3c1bf"),
        ("X-LiteLLM-Cache-Hit", "True"),
        ("cf-cache-status", "HIT"),
        ("cf-aig-cache-status", "HIT"),
        ("x-cache", "Hit from cloudfront"),
        ("x-cache", "MISS, HIT"),
        ("x-cache", "TCP_HIT"),
        ("x-cache-hits", "3"),
        ("helicone-cache", "HIT"),
        ("x-openrouter-cache-status", "HIT"),
        ("cache-status", "ExampleCache; hit; ttl=376"),
        ("age", "12"),
    ],
)
def test_an_answer_that_was_kept_is_noticed(name: str, value: str) -> None:
    noticed = Noticed()
    heed(noticed, {"content-type": "text/event-stream", name: value})
    assert noticed.often(KEPT) == 1
    assert name.lower() in noticed.in_words("h")[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-litellm-cache-key", ""),
        ("x-litellm-cache-hit", "False"),
        ("cf-cache-status", "DYNAMIC"),
        ("x-cache", "MISS from here"),
        ("x-cache-hits", "0"),
        ("x-cache-enabled", "true"),
        ("cache-control", "no-cache, max-age=0"),
        ("cache-status", "ExampleCache; fwd=miss"),
        ("cache-status", "ExampleCache; hit=?0"),
        ("x-prefix-cache-hit-rate", "3"),
        ("x-prompt-cache", "hit"),
        ("age", "0"),
        ("content-type", "text/event-stream"),
        ("x-request", "white hit"),
    ],
)
def test_an_answer_that_was_made_is_not(name: str, value: str) -> None:
    assert kept_by({name: value}) is None


@given(st.dictionaries(st.from_regex(r"[a-z-]{1,20}", fullmatch=True), st.text(max_size=30), max_size=8))
def test_no_header_of_another_name_says_so(headers: dict[str, str]) -> None:
    others = {name: value for name, value in headers.items() if "cache" not in name and name != "age"}
    assert kept_by(others) is None
