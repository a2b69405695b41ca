"""HTTP to the hosts by way of httpx, and what each of its failures means.

Prompts go to the addresses that were checked and nowhere else: no proxy from the environment, no redirect followed,
no name resolved a second time.
"""

from __future__ import annotations

import errno
import json
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache, lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Self
from urllib.parse import urlsplit

import anyio
import httpx

from outpace.engines import descriptors
from outpace.engines.failures import clean, failure, of_this_machine, system_number, why
from outpace.engines.network import Network
from outpace.engines.path import path_failure
from outpace.ground.errors import (
    AnswerUnreadable,
    BodyCut,
    ConnectFailed,
    ConnectionStale,
    RequestFailed,
    RequestRefused,
    TimedOut,
)
from outpace.ground.hosts import Host

CONNECT_TIMEOUT_S = 10.0
# llama-server and uvicorn close a connection that was idle for 5 s; one that is about to be closed is not worth using.
KEEPALIVE_S = 4.0
HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "outpace", "connection": "keep-alive"}
LARGEST_REPLY = 4 << 20
LARGEST_ERROR = 64 << 10


class Client:
    """One connection pool for all hosts; an async context manager.

    ``timeout_s`` is the longest silence that is waited for, in seconds, and for a small request its whole time. A
    ``patient`` client waits for what a prompt is answered as long as its caller does: a host that has others to answer
    first is silent for longer. ``transport`` replaces the network (a replay answers from a recording).
    """

    def __init__(
        self, *, timeout_s: float, patient: bool = False, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._timeout_s = timeout_s
        connect_s = min(CONNECT_TIMEOUT_S, timeout_s)
        longest = {"connect": connect_s, "read": timeout_s, "write": timeout_s}
        self._reply_extensions: dict[str, Any] = {"timeout": longest}
        self._answer_extensions: dict[str, Any] = {"timeout": {**longest, "read": None if patient else timeout_s}}
        self._http = httpx.AsyncClient(
            transport=transport or network_transport(),
            trust_env=False,
            follow_redirects=False,
            # Cookies know no ports: one host's would go to another on the same machine.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def get(self, host: Host, path: str) -> Reply:
        """Fetch ``path`` below the host's base URL, whatever its status.

        Raises ``RequestFailed`` where no whole reply came.
        """
        try:
            with anyio.fail_after(self._timeout_s):  # one that drips is never silent
                return await self._get(host, path)
        except TimeoutError:
            raise TimedOut(f"{host.name} did not answer GET {path} whole within {self._timeout_s:g} s.") from None

    async def _get(self, host: Host, path: str) -> Reply:
        async with self._send(host, "GET", path, None) as response:
            body = bytearray()
            with _failures(host, answering=True):
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > LARGEST_REPLY:
                        raise AnswerUnreadable(f"{host.name} answered GET {path} with more than {LARGEST_REPLY} bytes.")
        return Reply(response.status_code, response.headers, bytes(body))

    async def post(
        self,
        host: Host,
        path: str,
        body: Mapping[str, Any],
        take: Callable[[bytes], None],
        heed: Callable[[Mapping[str, str]], None] = lambda _: None,
    ) -> bool:
        """Send ``body`` as JSON, ``heed`` the headers of the answer and ``take`` it in the pieces in which it arrives.

        Gives whether the end of the answer was marked, so that it was whole for sure. Raises ``RequestFailed``: the
        child that fits a status that is not 200, or an answer cut short; and whatever ``take`` raises.
        """
        async with self._send(host, "POST", path, body) as response:
            if response.status_code != 200:
                await _raise_for_status(host, response)
            heed(response.headers)
            with _failures(host, answering=True):
                async for piece in response.aiter_raw():
                    take(piece)
            return "transfer-encoding" in response.headers or "content-length" in response.headers

    @asynccontextmanager
    async def _send(
        self, host: Host, method: str, path: str, body: Mapping[str, Any] | None
    ) -> AsyncIterator[httpx.Response]:
        base, authority, server_name = _target(host)
        headers = {"host": authority, **HEADERS}
        if token := os.environ.get(host.token_variable):
            headers["authorization"] = f"Bearer {token}"
        extensions = self._answer_extensions if method == "POST" else self._reply_extensions
        if server_name:
            extensions = {**extensions, "sni_hostname": server_name}
        # Not by the client, which would read the URL, and join headers of its own to these, every time.
        request = httpx.Request(method, _url(base + path), headers=headers, json=body, extensions=extensions)
        with _failures(host, answering=False, sent=len(request.content)):
            response = await self._http.send(request, stream=True)
        try:
            yield response
        finally:
            await response.aclose()


def authority_of(host: Host) -> str:
    """How the transport sees a host: the address that connections go to, and the port unless the scheme implies it."""
    return httpx.URL(_target(host)[0]).netloc.decode()


@lru_cache(maxsize=4096)
def _url(url: str) -> httpx.URL:
    return httpx.URL(url)


@cache
def _target(host: Host) -> tuple[str, str, str | None]:
    """Base URL with the checked address in it, the authority that the host knows itself by, and its name for TLS."""
    parts = urlsplit(host.url)
    address = host.addresses[0]
    shown = f"[{address}]" if ":" in address else address
    port = f":{parts.port}" if parts.port else ""
    return (
        f"{parts.scheme}://{shown}{port}{parts.path}",
        parts.netloc,
        parts.hostname if parts.scheme == "https" else None,
    )


class Reply:
    """A whole reply to a small request."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def json(self) -> dict[str, Any]:
        """The body as a JSON object, empty where it is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def network_transport() -> httpx.AsyncBaseTransport:
    """The network itself: as many connections as are asked for, certificates trusted as the machine trusts them."""
    descriptors.allowed()
    return Network(_trust(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")), KEEPALIVE_S)


@cache
def _trust(*_places: str | None) -> ssl.SSLContext:
    """What the machine trusts, or what the ``_places`` hold that the user names; reading it takes long.

    Since Python 3.13 more is asked of a certificate than that it is trusted. Authorities of one's own often lack that,
    and other clients do not ask for it.
    """
    trusted = ssl.create_default_context()
    trusted.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return trusted


class _failures:  # noqa: N801 - reads as the statement that it is: with _failures(host, …)
    """Turn the HTTP library's exceptions into ``RequestFailed``; ``answering`` once the status has been received.

    ``sent`` is the size of what was to be sent before that, in bytes.
    """

    def __init__(self, host: Host, *, answering: bool, sent: int = 0) -> None:
        self._host, self._answering, self._sent = host, answering, sent

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, httpx.HTTPError):
            raise self._translated(error) from error

    def _translated(self, error: httpx.HTTPError) -> RequestFailed:
        if found := of_this_machine(self._host, error):
            return found
        connecting = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        number = errno.ETIMEDOUT if isinstance(error, httpx.ConnectTimeout) else system_number(error)
        if lost := path_failure(self._host, number, sent=None if connecting else self._sent):
            return lost
        name, said = self._host.name, why(error)
        if connecting:
            return ConnectFailed(f"{name} ({self._host.url}) takes no connection: {said}.")
        if isinstance(error, httpx.TimeoutException):
            return TimedOut(f"{name} was silent for longer than the timeout.")
        if self._answering:
            return BodyCut(f"{name} ended the connection inside its answer: {said}.")
        if isinstance(error, httpx.ReadError | httpx.WriteError | httpx.CloseError) or "disconnected" in said:
            return ConnectionStale(f"{name} closed the connection before it answered: {said}.")
        return AnswerUnreadable(f"{name} does not speak HTTP as it should: {said}.")


async def _raise_for_status(host: Host, response: httpx.Response) -> None:
    """Raise the ``RequestFailed`` that a status other than 200 stands for."""
    body = bytearray()
    with _failures(host, answering=True):
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > LARGEST_ERROR:
                break
    status = response.status_code
    if 300 <= status < 400:
        where = clean(response.headers.get("location", "elsewhere"))
        raise RequestRefused(f"{host.name} redirects to {where} (status {status}), which outpace does not follow.")
    raise failure(host, status, bytes(body), _retry_after_s(response))


def _retry_after_s(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() and len(value) < 6 else None
