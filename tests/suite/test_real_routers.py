"""Real routers give machines as many prompts as our rules of the same definition do."""

from __future__ import annotations

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

pytestmark = pytest.mark.quiet

SECONDS = {"quick": 0.3, "slow": 0.9}
"""What each machine takes for a prompt."""
TRUTHS = [Truth(prompt_ms=0.0, tokens_per_s=4 / seconds, tokens=4) for seconds in SECONDS.values()]
WEIGHTS = {"quick": 3, "slow": 1}
CERTAIN = [
    (router, rule)
    for router in ("nginx", "haproxy")
    for rule, asked in proxies.RULES[router].items()
    if not asked.chance and not asked.room
]


def prompts(url: str, count: int) -> list[str]:
    """Put so many prompts to ``url`` at once; gives the machine of each, where LiteLLM tells it."""
    told = [""] * count

    async def ask(client: httpx.AsyncClient, number: int) -> None:
        asked = {"model": "reference", "messages": [{"role": "user", "content": f"prompt {number}"}]}
        reply = (await client.post(f"{url}/v1/chat/completions", json=asked)).raise_for_status()
        told[number] = reply.headers.get("x-litellm-model-api-base", "")

    async def main() -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client, anyio.create_task_group() as asking:
            for number in range(count):
                asking.start_soon(ask, client, number)

    anyio.run(main)
    return told


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
    with running(*TRUTHS) as urls, proxies.running(router, rule, urls, list(WEIGHTS.values())) as proxy:
        told = [host for burst in bursts for host in prompts(proxy.url, burst)]
        served = proxy.served(len(told)) or [url.removeprefix("http://").removesuffix("/v1") for url in told]
        names = {url.removeprefix("http://"): name for name, url in zip(SECONDS, urls, strict=True)}
        return Counter(names[each] for each in served)


@pytest.mark.parametrize(("router", "rule"), CERTAIN, ids=map(": ".join, CERTAIN))
def test_a_rule_without_chance_gives_each_machine_as_many_as_ours(router: str, rule: str) -> None:
    needed.program(router)
    # A turn that one burst leaves unfinished goes on in the next. Of several with as few, HAProxy takes not quite ours.
    bursts = (4, 2) if rule == "leastconn" else (5, 2)
    assert real(router, rule, bursts) == simulated(proxies.RULES[router][rule].ours, bursts)


def test_haproxy_with_maxconn_is_the_shared_queue() -> None:
    needed.program("haproxy")
    rule = proxies.RULES["haproxy"]["leastconn, maxconn 1"]
    found = real("haproxy", "leastconn, maxconn 1", [4])
    assert found == simulated(rule.ours, [4]) == {"quick": 3, "slow": 1}  # 0.3 s decide


@pytest.mark.skipif(proxies.program("litellm") is None, reason="LiteLLM is not installed: tox -e routers runs this")
def test_litellms_least_busy_sends_a_burst_to_one_machine_as_ours_does() -> None:
    assert real("litellm", "least-busy", [6]) == simulated("least-busy", [6]) == {"quick": 6}


def test_haproxys_two_draws_may_be_the_same_machine() -> None:
    needed.program("haproxy")
    idle = [Truth(prompt_ms=0.0, tokens_per_s=1e4, tokens=1)] * 2
    with running(*idle) as urls, proxies.running("haproxy", "random(2)", urls, (1, 1)) as proxy:
        for _ in range(60):
            prompts(proxy.url, 2)
        served = proxy.served(120)
    pairs = [set(served[place : place + 2]) for place in range(0, 120, 2)]
    # Of two at once the second avoids the first, unless both draws find it: one time in four.
    assert fmean(len(pair) for pair in pairs) == pytest.approx(1.75, abs=0.24)
