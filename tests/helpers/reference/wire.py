"""As much of HTTP/1.1 as a reference engine needs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LARGEST_BODY = 16 << 20
PHRASES = {200: "OK", 400: "Bad Request", 404: "Not Found", 500: "Internal Server Error", 503: "Service Unavailable"}


@dataclass(frozen=True)
class Asked:
    """One request, whole, as it came at ``read_s``."""

    method: str
    path: str
    body: bytes
    closes: bool
    read_s: float


async def read_request(reader: asyncio.StreamReader) -> Asked | None:
    """The next request; None where the client has gone, and one without a method where it cannot be read."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, target, version = first.split(" ")
        size = int(headers.get("content-length", 0))
        if not 0 <= size <= LARGEST_BODY or "transfer-encoding" in headers:
            raise ValueError
        body = await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except (ValueError, asyncio.LimitOverrunError):
        return Asked("", "", b"", True, asyncio.get_running_loop().time())
    closes = headers.get("connection", "").lower() == "close" or version == "HTTP/1.0"
    return Asked(method, target.partition("?")[0], body, closes, asyncio.get_running_loop().time())


def to_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; an empty one where it holds none."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def to_json(said: Any) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode()


def head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {PHRASES[status]}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def message(status: int, body: bytes, headers: Mapping[str, str]) -> bytes:
    kind = "application/json" if body[:1] == b"{" else "text/plain"
    return head(status, {"content-type": kind, "content-length": str(len(body)), **headers}) + body


def chunk(piece: bytes) -> bytes:
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n" if piece else b""
