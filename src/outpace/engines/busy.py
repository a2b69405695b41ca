"""What an engine says that it is at: whether somebody else keeps a host busy."""

from __future__ import annotations

import json
import re

from outpace.engines.client import Client
from outpace.ground.errors import RequestFailed
from outpace.ground.hosts import Host

_VLLM_GAUGE = re.compile(r"^vllm:num_requests_(?:running|waiting)(?:\{[^\n]*\})? ([0-9]{1,9}(?:\.0)?)$", re.MULTILINE)


async def in_work(client: Client, host: Host, engine: str) -> int | None:
    """How many requests the host is at, or has waiting; None where it does not say so.

    llama-server tells it of each slot, vLLM among its metrics. Both can be switched off.
    """
    try:
        if engine == "llama-server":
            return _busy_slots(await _text(client, host, "/slots"))
        if engine == "vllm":
            told = _VLLM_GAUGE.findall(await _text(client, host, "/metrics"))
            return sum(int(float(value)) for value in told) if told else None
    except RequestFailed:  # a host that is down shows in the run, where it counts
        pass
    return None


async def _text(client: Client, host: Host, path: str) -> str:
    reply = await client.get(host, path)
    return reply.body.decode("utf-8", "replace") if reply.status == 200 else ""


def _busy_slots(text: str) -> int | None:
    try:
        slots = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(slots, list) or not all(isinstance(slot, dict) for slot in slots):
        return None
    return sum(slot.get("is_processing") is True for slot in slots) if slots else None
