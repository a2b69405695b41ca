"""What hosts that mean harm do, and the kind of failure that each is told as."""

from __future__ import annotations

import gzip
import json

import anyio
from anyio.abc import SocketStream

from hostile import Dialect, Talk, chunk, head, saying, sending, without_end

DRIP_S = 0.2
BOMB = gzip.compress(b"\n" * (64 << 20), 9)
NESTED = b"[" * 100_000 + b"]" * 100_000
DIGITS = b"9" * 100_000
# Where the parser of JSON gives up depends on the stack below it: one of these it takes, and its writer does not.
JUST_TOO_DEEP = [b"[" * depth + b"]" * depth for depth in range(700, 1000)]


async def headers_of_megabytes(stream: SocketStream, _: Dialect) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await stream.send(b"x-more: " + b"y" * (64 << 10) + b"\r\n")


async def tiny_headers_without_end(stream: SocketStream, _: Dialect) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await stream.send(b"x: y\r\n" * 1000)


async def header_that_drips(stream: SocketStream, dialect: Dialect) -> None:
    for byte in head(length=len(dialect.answer())) * 1000:
        await stream.send(bytes([byte]))
        await anyio.sleep(DRIP_S)


async def informational_without_end(stream: SocketStream, _: Dialect) -> None:
    while True:
        await stream.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


async def trailers_without_end(stream: SocketStream, dialect: Dialect) -> None:
    await stream.send(head() + chunk(dialect.answer()) + b"0\r\n")
    while True:
        await stream.send(b"x-more: " + b"y" * (64 << 10) + b"\r\n")


async def chunk_size_without_end(stream: SocketStream, _: Dialect) -> None:
    await stream.send(head())
    while True:
        await stream.send(b"0" * (64 << 10))


async def hangs_up(stream: SocketStream, _: Dialect) -> None:
    await stream.aclose()


never_ends = without_end(lambda dialect: dialect.event(dialect.word) * 500)
body_that_drips = without_end(lambda _: b" ", pause_s=DRIP_S)
compressed_bomb = saying(lambda _: BOMB, "content-encoding: gzip")


def lengths(*values: object) -> Talk:
    """A good answer under a head with these content-lengths."""
    lines = "".join(f"content-length: {value}\r\n" for value in values)
    return sending(lambda dialect: f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + dialect.answer(), hang_up=True)


HARM: dict[str, tuple[Talk, str]] = {
    "a body that never ends": (never_ends, "unreadable"),
    "one line without an end": (
        without_end(lambda _: b"x" * (64 << 10), lambda dialect: dialect.before + b'{"a": "'),
        "unreadable",
    ),
    "empty lines without an end": (without_end(lambda _: b"\n" * (64 << 10)), "unreadable"),
    "a compressed bomb": (compressed_bomb, "unreadable"),
    "a bomb that is called deflated": (saying(lambda _: BOMB, "content-encoding: deflate"), "unreadable"),
    "a compressed bomb for an error": (saying(lambda _: BOMB, "content-encoding: gzip", status="500 No"), "engine"),
    "invalid UTF-8": (
        saying(lambda dialect: dialect.event(b'{"response": "\xff\xfe"}') + dialect.answer()),
        "unreadable",
    ),
    "two byte order marks": (saying(lambda dialect: b"\xef\xbb\xbf" * 2 + dialect.answer()), "unreadable"),
    "UTF-16": (saying(lambda dialect: dialect.answer().decode().encode("utf-16")), "unreadable"),
    "JSON nested 100,000 deep": (saying(lambda dialect: dialect.event(NESTED) + dialect.answer()), "unreadable"),
    "an integer of 100,000 digits": (
        saying(lambda dialect: dialect.event(b'{"x": ' + DIGITS + b"}") + dialect.answer()),
        "unreadable",
    ),
    "null where an object is due": (saying(lambda dialect: dialect.event(b"null") + dialect.answer()), "unreadable"),
    "a list where an object is due": (saying(lambda dialect: dialect.event(b"[{}]") + dialect.answer()), "unreadable"),
    "headers of megabytes": (headers_of_megabytes, "unreadable"),
    "tiny headers without an end": (tiny_headers_without_end, "unreadable"),
    "trailers without an end": (trailers_without_end, "cut"),
    "a header that drips": (header_that_drips, "timeout"),
    "a body that drips": (body_that_drips, "timeout"),
    "informational answers without an end": (informational_without_end, "unreadable"),
    "not a word": (sending(lambda _: b""), "timeout"),
    "a connection that is closed without a word": (hangs_up, "stale"),
    "something other than HTTP": (sending(lambda _: b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), "unreadable"),
    "another protocol at once": (
        sending(lambda _: b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
        "unreadable",
    ),
    "an error without an end": (without_end(lambda _: b"no " * 20_000, status="500 No"), "engine"),
    "an error that drips": (without_end(lambda _: b"no ", status="500 No", pause_s=DRIP_S), "timeout"),
    "an error nested 100,000 deep": (saying(lambda _: NESTED, status="500 No"), "engine"),
    "an error of a million lists": (
        saying(lambda _: b'{"error": [' + b"[]," * 1_000_000 + b"[]]}", status="500 No"),
        "engine",
    ),
    "busy for ever": (saying(lambda _: b"{}", "retry-after: 99999", status="503 Busy"), "busy"),
    "a redirect to a public host": (
        saying(lambda _: b"", "location: http://8.8.8.8/api/generate", status="307 Go"),
        "refused",
    ),
    "a redirect to nowhere": (saying(lambda _: b"", "location: http://[::/\t", status="301 Go"), "unreadable"),
    "chunk sizes that lie": (
        sending(lambda dialect: head() + b"fffffffffffffff\r\n" + dialect.answer()),
        "timeout",
    ),
    "chunk sizes beyond all numbers": (sending(lambda _: head() + b"f" * 50 + b"\r\n"), "cut"),
    "a chunk size without an end": (chunk_size_without_end, "cut"),
    "two lengths that contradict each other": (lengths(10, 11), "unreadable"),
    "a negative length": (lengths(-5), "unreadable"),
    "a length of 2^63": (lengths(2**63), "cut"),
    "a length shorter than the answer": (lengths(20), "cut"),
}

HARM_OLLAMA: dict[str, tuple[Talk, str]] = {
    "no word that it is done": (saying(lambda dialect: dialect.event(dialect.word)), "unfinished"),
    "no word at all": (saying(lambda dialect: dialect.event(dialect.last | {"eval_count": 0})), "empty"),
    "an end that is none": (saying(lambda dialect: dialect.answer({"done_reason": "aborted"})), "engine"),
    "an error in the stream, then all that is due": (
        saying(lambda dialect: dialect.event({"error": "no"}) + dialect.answer()),
        "engine",
    ),
    "a model that is only loaded": (saying(lambda dialect: dialect.answer({"done_reason": "load"})), "unreadable"),
}

HARM_OPENAI: dict[str, tuple[Talk, str]] = {
    "no word that it is done": (saying(lambda dialect: dialect.event(dialect.word)), "cut"),
    "comments without an end": (without_end(lambda _: b": ping\n" * 1000), "unreadable"),
    "comments that drip": (without_end(lambda _: b": ping\n\n", pause_s=DRIP_S), "timeout"),
    "an event without the empty line that ends it": (
        without_end(lambda _: (b'data: {"x": "' + b"x" * 500 + b'"}\n') * 100),
        "unreadable",
    ),
    "a [DONE] that never comes": (
        sending(lambda dialect: head() + chunk(dialect.answer().removesuffix(dialect.end))),
        "timeout",
    ),
    "a [DONE] at once": (saying(lambda dialect: dialect.end), "cut"),
    "an error, then [DONE]": (
        saying(lambda dialect: dialect.event({"error": {"message": "no", "code": 500}}) + dialect.end),
        "engine",
    ),
    "an error without words, then [DONE]": (
        saying(lambda dialect: dialect.event({"error": None}) + dialect.end),
        "cut",
    ),
    "an error of the client's, then [DONE]": (
        saying(lambda dialect: dialect.event({"error": {"message": "no", "code": 400}}) + dialect.end),
        "refused",
    ),
    "an error without a frame": (saying(lambda _: b'{"error": "no"}\n'), "engine"),
    **{
        f"{json.dumps(choices)} for choices": (
            saying(lambda dialect, choices=choices: dialect.event({"choices": choices}) + dialect.answer()),
            "unreadable",
        )
        for choices in (5, True, "x", {"0": {}}, [None], [[]])
    },
    "words for a delta": (saying(lambda dialect: dialect.event({"choices": [{"delta": "x"}]})), "cut"),
}
