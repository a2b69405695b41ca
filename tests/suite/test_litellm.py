"""A real LiteLLM proxy over two real engines: it answers outpace whole and piece by piece, and ends when told."""

from __future__ import annotations

import runpy
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

from harness import REPOSITORY, run
from outpace.dispatch import Coordinator, Outcome, find_strategy
from outpace.engines import Client, connect
from outpace.engines.embedded import MODEL_ALIAS, EmbeddedEngine, running
from outpace.ground.hosts import Host, resolve
from outpace.report import document
from outpace.workload.prompts import DEFAULT_PROMPTS, Generation, workload

pytest_plugins = ["pytester"]

# bench/ is no package: its module is run from where it lies.
_module: dict[str, Any] = runpy.run_path(str(REPOSITORY / "bench" / "litellm_proxy.py"))
proxy: Callable[[Sequence[str], str], AbstractContextManager[str]] = _module["proxy"]
pytest_options: Callable[[Mapping[str, str], Mapping[str, str]], list[str]] = _module["pytest_options"]
ProxyUnavailable: type[RuntimeError] = _module["ProxyUnavailable"]
RULES: tuple[str, ...] = _module["RULES"]

# Not pytest.importorskip: to import LiteLLM here would let it look for its prices on the internet.
pytestmark = [
    pytest.mark.quiet,
    pytest.mark.skipif(not _module["installed"](), reason="LiteLLM is not installed: tox -e routers runs this"),
]

WORK = workload(DEFAULT_PROMPTS[:4], Generation(max_tokens=8))


@pytest.fixture(scope="module")
def engines() -> Iterator[list[EmbeddedEngine]]:
    with running(2) as started:
        yield started


@pytest.fixture(scope="module", params=RULES)
def router(request: pytest.FixtureRequest, engines: list[EmbeddedEngine]) -> Iterator[str]:
    with proxy([engine.url for engine in engines], request.param) as url:
        yield url


@pytest.fixture
def suite_options(engines: list[EmbeddedEngine], router: str) -> list[str]:
    """What the whole suite has to be given to measure the router over the engines."""
    return pytest_options({engine.name: engine.url for engine in engines}, {"litellm": router})


def ask(strategy: str, url: str) -> tuple[Outcome, str]:
    """The four prompts through outpace's own engine and coordinator, and the model that they were put to."""

    async def run() -> tuple[Outcome, str]:
        async with Client(timeout_s=60, patient=True) as client:
            found = await connect(client, resolve([Host("litellm", url)], allow_public=False))
            coordinator = Coordinator(found, timeout_s=60)
            outcome = await coordinator.run("router", find_strategy(strategy), WORK, ["litellm"], cache_key="1")
            return outcome, found["litellm"].model

    return anyio.run(run)


def test_all_is_answered_with_tokens_counted_and_nothing_out_of_a_cache(router: str) -> None:
    for _ in range(2):  # the second time every prompt is one that an engine has seen
        outcome, model = ask("all-parallel", router)
        assert model == MODEL_ALIAS
        assert not outcome.run.failed_attempts
        assert all(outcome.answers)
        for request in outcome.run.requests:
            assert 0 < (request.output_tokens or 0) <= WORK.generation.max_tokens
            assert request.cached_tokens == 0
            assert request.server_ms is None  # LiteLLM passes on no engine's timings


def test_an_answer_comes_piece_by_piece(router: str) -> None:
    outcome, _ = ask("sequential", router)
    assert all((request.first_token_ms or 0) < 0.9 * request.wall_ms for request in outcome.run.requests)


def test_it_is_gone_with_its_block(engines: list[EmbeddedEngine]) -> None:
    with proxy([engine.url for engine in engines], RULES[0]) as url:
        assert urlsplit(url).hostname == "127.0.0.1"
    with pytest.raises(httpx.ConnectError), httpx.Client(trust_env=False) as client:
        client.get(url)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux takes all of 127.0.0.0/8 for loopback")
def test_it_hears_loopback_alone(router: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.2", urlsplit(router).port))  # would be taken if the proxy listened everywhere


@pytest.mark.parametrize("router", ["least-busy"], indirect=True)
def test_the_suite_measures_it_beside_a_strategy(suite: pytest.Pytester, suite_options: list[str]) -> None:
    chosen = ["--strategies=serial-per-side", "--rounds=1", "--max-tokens=8", "--threshold=1000", "-k", "not capacity"]
    run(suite, *suite_options, *chosen).assert_outcomes(passed=4)
    report = document.read(suite.path / "reports" / "report-litellm.json")
    assert [host["name"] for host in report["hosts"]][-1] == "litellm"
    assert report["summary"]["hosts"]["litellm"]["requests"] == 8
    assert 0 < report["summary"]["dispatch_efficiency"] <= 1


def test_one_that_does_not_start_says_why(engines: list[EmbeddedEngine]) -> None:
    said = r"ended with status [1-9](.|\n)*Invalid routing_strategy: 'no-such-rule'"
    with pytest.raises(ProxyUnavailable, match=said), proxy([engines[0].url], "no-such-rule"):
        pass
