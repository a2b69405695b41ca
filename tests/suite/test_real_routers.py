"""Real routers give machines as many prompts as our rules of the same definition do."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from statistics import fmean

import anyio
import httpx
import pytest

import needed
import proxies
from outpace.dispatch import Coordinator, HostKnowledge, find_strategy
from reference_engine import Truth, running
from virtual import NumberEngine, numbers, run_virtually

pytestmark = pytest.mark.waits

SECONDS = {"quick": 0.3, "slow": 0.9}
"""What each machine takes for a prompt."""
TOKENS = {4: "quick", 5: "slow"}
"""How many tokens an answer has tells through any router which machine gave it."""
TRUTHS = [
    Truth(prompt_ms=0.0, tokens_per_s=tokens / SECONDS[name], tokens=tokens, engine="vllm")
    for tokens, name in TOKENS.items()
]
WEIGHTS = {"quick": 3, "slow": 1}
NOTED_AFTER_S = 0.3
"""LiteLLM takes note of an answer a moment after it has given it."""
CERTAIN = [
    (router, rule)
    for router in ("nginx", "haproxy", "envoy", "vllm-router")
    for rule, asked in proxies.RULES[router].items()
    if not asked.chance and not asked.room
]


def prompts(url: str, count: int) -> list[str]:
    """Put so many prompts to ``url`` at once; gives the machine that answered each."""
    answered = [""] * count

    async def ask(client: httpx.AsyncClient, number: int) -> None:
        asked = {"model": "reference", "messages": [{"role": "user", "content": f"prompt {number}"}]}
        reply = (await client.post(f"{url}/v1/chat/completions", json=asked)).raise_for_status()
        answered[number] = TOKENS[reply.json()["usage"]["completion_tokens"]]

    async def main() -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client, anyio.create_task_group() as asking:
            for number in range(count):
                asking.start_soon(ask, client, number)

    anyio.run(main)
    return answered


def simulated(rule: str, bursts: Sequence[int]) -> Counter[str | None]:
    """How many prompts of ``bursts`` our rule gives to each machine, in virtual time."""

    async def main() -> Counter[str | None]:
        engines = {name: NumberEngine(name, lambda _, seconds=seconds: seconds) for name, seconds in SECONDS.items()}
        coordinator, found = Coordinator(engines, timeout_s=600), Counter[str | None]()
        known = {name: HostKnowledge(float(weight)) for name, weight in WEIGHTS.items()}
        for burst in bursts:
            how = find_strategy(rule)
            outcome = await coordinator.run(rule, how, numbers(burst), list(engines), cache_key="k", known=known)
            found.update(request.host for request in outcome.run.requests)
        return found

    return run_virtually(main)


def real(router: str, rule: str, bursts: Sequence[int]) -> Counter[str | None]:
    """How many the router gives to each."""
    if router in ("nginx", "haproxy"):
        needed.program(router)
    elif proxies.program(router) is None:
        pytest.skip(f"{router} is not installed: tox -e routers runs this")
    with running(*TRUTHS) as urls, proxies.running(router, rule, urls, list(WEIGHTS.values())) as url:
        found = Counter[str | None]()
        for burst in bursts:
            found.update(prompts(url, burst))
            time.sleep(NOTED_AFTER_S)
        return found


@pytest.mark.parametrize(("router", "rule"), CERTAIN, ids=map(": ".join, CERTAIN))
def test_a_rule_without_chance_gives_each_machine_as_many_as_ours(router: str, rule: str) -> None:
    # A turn that one burst leaves unfinished goes on in the next, in nginx. Of several with as few HAProxy takes not
    # quite ours, and with vllm-router whoever asks for its models takes a turn, too.
    bursts = (5, 2) if router == "nginx" else (4, 2)
    assert real(router, rule, bursts) == simulated(proxies.RULES[router][rule].ours, bursts)


def test_haproxy_with_maxconn_is_the_shared_queue() -> None:
    found = real("haproxy", "leastconn, maxconn 1", [4])
    assert found == simulated("pull", [4]) == {"quick": 3, "slow": 1}  # 0.3 s decide


def test_litellms_least_busy_sends_what_comes_one_by_one_to_the_first_as_ours_does() -> None:
    one_by_one = [1] * 4
    assert real("litellm", "least-busy", one_by_one) == simulated("least-busy", one_by_one) == {"quick": 4}


@pytest.mark.quiet  # two at once are to be under way at once
def test_haproxys_two_draws_may_be_the_same_machine() -> None:
    needed.program("haproxy")
    idle = [Truth(prompt_ms=0.0, tokens_per_s=1e4, tokens=tokens) for tokens in TOKENS]
    with running(*idle) as urls, proxies.running("haproxy", "random(2)", urls, (1, 1)) as url:
        pairs = [set(prompts(url, 2)) for _ in range(60)]
    # Of two at once the second avoids the first, unless both draws find it: one time in four.
    assert fmean(len(pair) for pair in pairs) == pytest.approx(1.75, abs=0.24)
