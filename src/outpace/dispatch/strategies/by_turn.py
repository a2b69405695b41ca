"""Rules that look at no host: each has its turn, or its chance."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence

from outpace.dispatch.job import Job
from outpace.dispatch.strategies.rules import Choose, chance_of, cursor_of, standing
from outpace.workload.prompts import Prompt


def round_robin(job: Job) -> Choose:
    """One host after another.

    nginx without a word more (``ngx_http_upstream_round_robin.c``), GPUStack (``http_proxy/strategies.py``), Olla's
    ``round_robin.go``. Each of nginx's workers has a turn of its own unless the upstream has a ``zone``.
    """
    turn = cursor_of(job)
    return lambda _: turn(standing(job))


def at_random(job: Job) -> Choose:
    """Any host, each as likely as the other.

    Open WebUI (``random.choice`` in its ``routers/ollama.py``), and LiteLLM where no weights are written
    (``simple_shuffle.py``).
    """
    chance = chance_of(job)
    return lambda _: chance.choice(standing(job))


def weighted_random(job: Job) -> Choose:
    """Any host, each as likely as its weight says.

    LiteLLM's ``simple_shuffle.py`` with ``weight`` (or ``rpm``, ``tpm``) in ``litellm_params``. The weights are the
    hosts' speeds as they are known when the run begins: what somebody would write who has measured them.
    """
    chance, weights = chance_of(job), weights_of(job)

    def choose(_: Prompt) -> str:
        hosts = standing(job)
        return chance.choices(hosts, [weights[host] for host in hosts])[0]

    return choose


def weighted_round_robin(job: Job) -> Choose:
    """One host after another, each as often as its weight says and never in a row where it can be avoided.

    nginx with ``weight=`` (``ngx_http_upstream_round_robin.c``), by such weights.
    """
    weights, turns = weights_of(job), turns_of(job)
    return lambda _: smoothly(standing(job), weights, turns)


def weights_of(job: Job) -> Mapping[str, float]:
    """The speed of each host as it is known when the run begins, work a second."""
    return {host: job.expect.rate(host) for host in job.hosts}


def turns_of(job: Job) -> MutableMapping[str, float]:
    """How much each host is owed by ``smoothly``."""
    turns: dict[str, float] = job.memory.setdefault("turns", {})
    return turns


def smoothly(hosts: Sequence[str], weights: Mapping[str, float], turns: MutableMapping[str, float]) -> str:
    """Whoever of ``hosts`` is owed most: with each choice each is owed its weight, and who is chosen gives all back."""
    for host in hosts:
        turns[host] = turns.get(host, 0.0) + weights[host]
    chosen = max(hosts, key=turns.__getitem__)
    turns[chosen] -= sum(weights[host] for host in hosts)
    return chosen
