"""An engine of a user's own: asked for by its class, and what it does wrong is a failed attempt with its line."""

from __future__ import annotations

from pathlib import Path

import anyio
import httpx
import pytest

from outpace.engines import Client, Completion, connect, own
from outpace.ground.errors import EngineFailed, HostUnusable, RequestFailed, UsageError
from outpace.ground.hosts import Host
from outpace.workload.prompts import Generation

MINE = """\
from outpace.engines import Completion, Identity


class Mine:
    @classmethod
    async def identify(cls, client, host):
        reply = await client.get(host, "/about")
        return Identity("mine", "mine", "7", {"m": None}) if reply.status == 200 else None

    def __init__(self, client, host, identity, model): ...

    async def ping(self): ...

    async def generate(self, prompt, settings, cache_key, heard=None):
        if prompt == "fail":
            return 1 // 0
        return Completion(prompt.upper()) if prompt != "nothing" else None


class Lacking:
    async def generate(self): ...
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own, "_known", {})
    (tmp_path / "mine.py").write_text(MINE)


def ask(protocol: str, *prompts: str, status: int = 200) -> list[object]:
    """What became of each of ``prompts``, the error where it failed."""
    found: list[object] = []

    async def main() -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(status, stream=httpx.ByteStream(b"{}")))
        async with Client(timeout_s=5, transport=transport) as client:
            engines = await connect(client, [Host("a", "http://a:1", ("a",))], protocol=protocol)
            engine = engines["a"]
            assert (engine.model, engine.identity.version, await engine.in_work()) == ("m", "7", None)
            for prompt in prompts:
                try:
                    found.append(await engine.generate(prompt, Generation(), "k"))
                except RequestFailed as error:
                    found.append(error)

    anyio.run(main)
    return found


def test_it_answers_and_what_it_raises_is_a_failed_attempt() -> None:
    said, failed, nothing = ask("mine.py:Mine", "hello", "fail", "nothing")
    assert said == Completion("HELLO")
    assert isinstance(failed, EngineFailed)
    assert "mine.py, line 16: ZeroDivisionError" in str(failed)
    assert "gave None, and a Completion is due" in str(nothing)


def test_a_host_that_is_something_else_is_told() -> None:
    with pytest.raises(HostUnusable, match=r"does not answer as --protocol=mine.py:Mine says"):
        ask("mine.py:Mine", status=404)


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        ("grpc", "there is no such protocol; there are ollama, openai"),
        ("mine.py:Lacking", "an engine is a class with identify, generate, ping; this lacks identify, ping"),
        ("mine.py:Completely", "mine.py has no Completely"),
    ],
)
def test_what_is_no_engine_is_told(protocol: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ask(protocol)
