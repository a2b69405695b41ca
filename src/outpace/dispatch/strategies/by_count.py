"""Rules that count what each host has in flight."""

from __future__ import annotations

import math

from outpace.dispatch.job import Job
from outpace.dispatch.strategies.by_turn import smoothly, turns_of, weights_of
from outpace.dispatch.strategies.rules import Choose, chance_of, cursor_of, standing
from outpace.workload.prompts import Prompt


def least_in_flight(job: Job) -> Choose:
    """The host with the fewest requests in flight, of several the one whose turn it is.

    Olla's ``least_connections.go``, whose cursor moves where there are several (before that it took the first). Very
    nearly nginx's ``least_conn`` without weights, and HAProxy's ``leastconn``, which takes of several the one that has
    had so few the longest (``lb_fwlc.c``).
    """
    turn = cursor_of(job)

    def choose(_: Prompt) -> str:
        in_flight = {host: job.in_flight_at(host) for host in standing(job)}
        fewest = min(in_flight.values())
        several = [host for host, count in in_flight.items() if count == fewest]
        return several[0] if len(several) == 1 else turn(several)

    return choose


def least_in_flight_first(job: Job) -> Choose:
    """The host with the fewest requests in flight, of several the first.

    SkyPilot's ``least_load`` (``serve/load_balancing_policies.py``), and LiteLLM's ``least_busy.py`` as it is meant.
    """
    return lambda _: min(standing(job), key=job.in_flight_at)


def least_busy(job: Job) -> Choose:
    """The same, but blind to what came at the same moment, so that a burst piles up on one host.

    LiteLLM's ``least_busy.py`` as it runs: a request is counted when it is sent, and between the choice and that the
    others make theirs.
    """
    moment_ms, counted = -math.inf, job.in_flight

    def choose(prompt: Prompt) -> str:
        nonlocal moment_ms, counted
        if prompt.due_ms != moment_ms:
            moment_ms, counted = prompt.due_ms, job.in_flight
        return min(standing(job), key=counted.__getitem__)

    return choose


def weighted_least_in_flight(job: Job) -> Choose:
    """The host with the fewest requests in flight for its weight, of several as ``weighted-round-robin`` goes.

    nginx's ``least_conn`` with ``weight=`` (``ngx_http_upstream_least_conn_module.c``), and SkyPilot's
    ``instance_aware_least_load``, whose weights are requests a second set by hand. HAProxy's ``leastconn`` counts the
    request that is to come as well, except on an idle host (``lb_fwlc.c``).
    """
    weights, turns = weights_of(job), turns_of(job)

    def choose(_: Prompt) -> str:
        loads = {host: job.in_flight_at(host) / weights[host] for host in standing(job)}
        fewest = min(loads.values())
        several = [host for host, load in loads.items() if load == fewest]
        return several[0] if len(several) == 1 else smoothly(several, weights, turns)

    return choose


def power_of_two(job: Job) -> Choose:
    """Of two hosts drawn by chance the one with fewer requests in flight, the first of them where there is none.

    Ray Serve's ``pow_2_router.py``.
    """
    chance = chance_of(job)

    def choose(_: Prompt) -> str:
        hosts = standing(job)
        return min(chance.sample(hosts, min(2, len(hosts))), key=job.in_flight_at)

    return choose


def power_of_two_draws(job: Job) -> Choose:
    """The same, but both draws may give the same host, so that of two hosts the fuller is taken one time in four.

    HAProxy's ``random(2)`` (``get_server_rnd`` in ``backend.c``), and Envoy (``least_request_lb.cc``).
    """
    chance = chance_of(job)
    return lambda _: min(chance.choices(standing(job), k=2), key=job.in_flight_at)
