"""Hosts that mean harm: bounded time and memory for each, the host named and failed, all prompts answered by others."""

from __future__ import annotations

import socket
import sys
from contextlib import AsyncExitStack, ExitStack

import anyio
import pytest
from anyio.abc import SocketStream

from hostile import (
    DIALECTS,
    OLLAMA,
    OPENAI,
    PATIENCE_S,
    PROMPTS,
    SETTINGS,
    TIMEOUT_S,
    Dialect,
    Talk,
    chunk,
    dispatch,
    engine_at,
    fails_and_costs_no_prompt,
    good,
    head,
    saying,
    sending,
    serve,
)
from hostile_harms import HARM, HARM_OLLAMA, HARM_OPENAI, never_ends
from outpace.dispatch.health import Health, HostHealth
from outpace.engines import Client
from outpace.engines.detect import engine_for
from outpace.ground.errors import AnswerUnreadable, ConnectFailed, RequestFailed, TimedOut
from outpace.ground.hosts import Host, resolve

pytestmark = pytest.mark.waits


@pytest.mark.parametrize("protocol", DIALECTS)
@pytest.mark.parametrize("harm", HARM)
def test_harm_costs_bounded_time_and_memory_and_no_prompt(harm: str, protocol: str) -> None:
    fails_and_costs_no_prompt(HARM[harm][0], DIALECTS[protocol], HARM[harm][1])


@pytest.mark.parametrize("harm", HARM_OLLAMA)
def test_harm_by_ollamas_protocol_costs_no_prompt(harm: str) -> None:
    fails_and_costs_no_prompt(HARM_OLLAMA[harm][0], OLLAMA, HARM_OLLAMA[harm][1])


@pytest.mark.parametrize("harm", HARM_OPENAI)
def test_harm_by_the_openai_protocol_costs_no_prompt(harm: str) -> None:
    fails_and_costs_no_prompt(HARM_OPENAI[harm][0], OPENAI, HARM_OPENAI[harm][1])


async def tiny_chunks(stream: SocketStream, dialect: Dialect) -> None:
    await stream.send(head() + b"".join(chunk(bytes([byte])) for byte in dialect.answer()) + b"0\r\n\r\n")


async def http_1_0(stream: SocketStream, dialect: Dialect) -> None:
    await stream.send(b"HTTP/1.0 200 OK\r\n\r\n" + dialect.answer())
    await stream.aclose()


async def two_lengths(stream: SocketStream, dialect: Dialect) -> None:
    await stream.send(head("content-length: 3") + chunk(dialect.answer()) + b"0\r\n\r\n")


ODD = {
    "tiny chunks": (tiny_chunks, False),
    "HTTP/1.0": (http_1_0, True),
    "a keep-alive that lies": (saying(Dialect.answer, "connection: keep-alive"), True),
    "a length and chunks": (two_lengths, False),
    "carriage returns before line feeds": (saying(lambda dialect: dialect.answer().replace(b"\n", b"\r\n")), False),
    "carriage returns alone": (saying(lambda dialect: dialect.answer().replace(b"\n", b"\r")), False),
    "a byte order mark": (saying(lambda dialect: b"\xef\xbb\xbf" + dialect.answer()), False),
    "empty lines between": (saying(lambda dialect: b"\n\n" + dialect.answer().replace(b"\n", b"\n\n\r\n")), False),
}


def is_answered(talk: Talk, dialect: Dialect, *, once: bool = False) -> None:
    run = dispatch(talk, dialect, once=once).outcome.run
    assert not run.failed
    assert [request.host for request in run.requests].count("bad") == PROMPTS / 2
    assert {attempt.kind for attempt in run.failed_attempts} <= {"stale"}


@pytest.mark.parametrize("protocol", DIALECTS)
@pytest.mark.parametrize("odd", ODD)
def test_what_is_odd_but_honest_is_answered(odd: str, protocol: str) -> None:
    is_answered(ODD[odd][0], DIALECTS[protocol], once=ODD[odd][1])


ODD_EVENTS = {
    "comments between": lambda dialect: dialect.answer().replace(b"data:", b": ping\n\ndata:"),
    "named and numbered events": lambda dialect: dialect.answer().replace(
        b"data:", b"event: x\nid: 1\nretry: 9\ndata:"
    ),
    "no space after the colon": lambda dialect: dialect.answer().replace(b"data: ", b"data:"),
    "no [DONE]": lambda dialect: dialect.answer().removesuffix(dialect.end),
}


@pytest.mark.parametrize("odd", ODD_EVENTS)
def test_events_that_are_odd_but_honest_are_answered(odd: str) -> None:
    is_answered(saying(ODD_EVENTS[odd]), OPENAI)


@pytest.mark.parametrize("protocol", DIALECTS)
def test_half_of_a_surrogate_pair_is_not_passed_on(protocol: str) -> None:
    dialect = DIALECTS[protocol]
    half, rest = (dialect.event(dialect.word).replace(b" word", each) for each in (b"\\ud83d", b"\\ude00 \\ud83d"))
    found = dispatch(saying(lambda _: half + rest + dialect.answer()), dialect)
    assert set(found.outcome.answers) == {
        "\U0001f600 \ufffd word word word word",
        " word word word word",
    }


@pytest.mark.parametrize("protocol", DIALECTS)
@pytest.mark.parametrize("status", ["301 Go", "302 Go", "307 Go", "308 Go"])
def test_nobody_hears_of_a_redirect(status: str, protocol: str) -> None:
    heard: list[bytes] = []
    dialect = DIALECTS[protocol]

    async def main() -> str:
        async with AsyncExitStack() as stack:
            trap = await serve(stack, good, dialect, heard=heard)
            talk = saying(lambda _: b"", f"location: http://127.0.0.1:{trap}/", status=status)
            client = await stack.enter_async_context(Client(timeout_s=TIMEOUT_S))
            engine = engine_at(client, "bad", await serve(stack, talk, dialect), dialect)
            await engine.ping()
            try:
                await engine.generate("Why?", SETTINGS, "k")
            except RequestFailed as error:
                return error.kind
        return "answered"

    assert anyio.run(main) == "refused"
    assert not heard


@pytest.mark.parametrize("protocol", DIALECTS)
def test_what_a_host_wants_kept_is_told_to_no_host(protocol: str) -> None:
    # Cookies know no ports: those of one host would go to another on the same machine, until it refuses the request.
    cookies = [f"set-cookie: c{number}={'x' * 3000}" for number in range(20)]
    found = dispatch(saying(Dialect.answer, *cookies), DIALECTS[protocol])
    assert {request.host for request in found.outcome.run.requests} == {"bad", "good"}
    assert not [request for request in found.heard_by_good if b"cookie" in request.lower()]


@pytest.mark.parametrize("protocol", DIALECTS)
def test_no_host_is_asked_to_compress(protocol: str) -> None:
    asked = dispatch(good, DIALECTS[protocol]).heard_by_good
    assert asked
    assert all(b"accept-encoding: identity\r\n" in each.lower() for each in asked)


@pytest.mark.parametrize("protocol", DIALECTS)
def test_a_connection_is_not_kept_once_its_host_is_given_up(protocol: str) -> None:
    left = anyio.Event()

    async def until_left(stream: SocketStream, dialect: Dialect) -> None:
        try:
            await never_ends(stream, dialect)
        finally:
            left.set()

    async def main() -> None:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(Client(timeout_s=TIMEOUT_S))
            dialect = DIALECTS[protocol]
            engine = engine_at(client, "bad", await serve(stack, until_left, dialect), dialect)
            with pytest.raises(AnswerUnreadable):
                await engine.generate("Why?", SETTINGS, "k")
            with anyio.fail_after(PATIENCE_S):
                await left.wait()

    anyio.run(main)


@pytest.mark.parametrize("protocol", DIALECTS)
@pytest.mark.parametrize("said", [b"", head() + chunk(b" ")])
def test_silence_is_not_waited_out_even_where_nobody_watches_the_whole_answer(said: bytes, protocol: str) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            dialect = DIALECTS[protocol]
            port = await serve(stack, sending(lambda _: said), dialect)
            client = await stack.enter_async_context(Client(timeout_s=0.2))
            with pytest.raises(TimedOut), anyio.fail_after(PATIENCE_S):
                await engine_at(client, "bad", port, dialect).generate("Why?", SETTINGS, "k")

    anyio.run(main)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue may refuse, which is no silence")
def test_a_host_that_takes_no_connection_is_not_waited_for_as_long_as_one_that_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("outpace.engines.client.CONNECT_TIMEOUT_S", 0.2)

    async def main(port: int) -> None:
        with anyio.fail_after(PATIENCE_S / 2):
            async with Client(timeout_s=PATIENCE_S) as client:
                await engine_at(client, "bad", port, OLLAMA).generate("Why?", SETTINGS, "k")

    with ExitStack() as stack:
        full, *callers = (stack.enter_context(socket.socket()) for _ in range(4))
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        with pytest.raises(ConnectFailed):
            anyio.run(main, full.getsockname()[1])


def test_a_ping_that_is_never_answered_is_no_sign_of_life() -> None:
    class Silent:
        async def ping(self) -> None:
            await anyio.sleep_forever()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            looked = anyio.Event()
            health = Health({"bad": Silent()}, 0.01, tasks, lambda _: health["bad"].pauses < 2 or looked.set())
            health.rest("bad", down=True)
            with anyio.fail_after(PATIENCE_S):
                await looked.wait()
            tasks.cancel_scope.cancel()

    anyio.run(main)


def test_no_host_is_left_alone_for_as_long_as_it_likes() -> None:
    assert HostHealth().rest(down=False, asked_s=99999) == 60


def test_a_name_that_changes_between_check_and_connect_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> str:
        async with AsyncExitStack() as stack:
            port = await serve(stack, good, OLLAMA)
            (host,) = resolve([Host("named", f"http://localhost:{port}")])

            def elsewhere(*_: object, **__: object) -> None:
                raise AssertionError("the name was looked up again")

            monkeypatch.setattr(socket, "getaddrinfo", elsewhere)
            client = await stack.enter_async_context(Client(timeout_s=TIMEOUT_S))
            pinned = Host(host.name, host.url, tuple(each for each in host.addresses if "." in each))
            engine = engine_for(client, pinned, OLLAMA.identity, "m")
            return (await engine.generate("Why?", SETTINGS, "k")).text

    assert anyio.run(main).startswith(" word")
