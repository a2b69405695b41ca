"""What failures mean, wherever they were told: by a status, inside a stream, by the operating system, or by TLS."""

from __future__ import annotations

import errno
import json
import os
import re
import ssl
import unicodedata
from typing import Any
from urllib.parse import urlsplit

from outpace.ground.errors import (
    CertificateRefused,
    CoordinatorShort,
    EngineBusy,
    EngineFailed,
    ModelGone,
    RequestFailed,
    RequestRefused,
    shortened,
)
from outpace.ground.hosts import Host

BUSY = frozenset((429, 503))
"""Statuses of a host that has as much to do as it admits."""
_NO_MODEL = re.compile(
    r"model\b.{0,80}\b(not found|not loaded|does not exist|unloaded|has crashed)|no models? (is |are )?loaded"
    r"|model_not_found|failed to load model",
    re.IGNORECASE,
)
"""How engines say with a status other than 404 that they do not have a model, or have lost it."""
_OWN = frozenset((errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM))
"""What the operating system calls it when this machine itself has no more to give."""


def failure(host: Host, status: int, body: bytes, retry_after_s: float | None = None) -> RequestFailed:
    """What an error with ``status`` means for a request, wherever it was told; ``body`` is what the engine says."""
    said = error_text(body)
    if status in BUSY:
        return EngineBusy(f"{host.name} is busy (status {status}): {said}", retry_after_s)
    if status >= 500 or status < 400:
        return EngineFailed(f"{host.name} failed (status {status}): {said}")
    if status in (401, 403):
        return RequestRefused(f"{host.name} {unauthorized(host, status, said)}")
    if status == 404 or _NO_MODEL.search(said):
        return ModelGone(f"{host.name} does not have the model, or no longer (status {status}): {said}")
    told = body.decode("utf-8", "replace")
    return RequestRefused(f"{host.name} refused the request (status {status}): {said}", status, told)


def unauthorized(host: Host, status: int, said: str) -> str:
    """What a 401 or a 403 means, and what to do: a token is missing, or the engine does not know the name it is called.

    An Ollama on loopback sends a 403 without a word to whoever calls it by a name not its own, as a tunnel does.
    """
    told = f"(status {status}): {said}" if said else f"(status {status})."
    token = f"it into the environment variable {host.token_variable}."
    if status == 401:
        return f"wants a token {told} Put {token}"
    if said:
        return f"forbids the request {told} If it wants a token, put {token}"
    return (
        f"does not accept the name {urlsplit(host.url).netloc} in the Host header (status 403 without a word), as an "
        "Ollama on loopback does behind a tunnel. Let what stands in front of it rewrite that header to localhost, or "
        "let the engine listen on an address of the mesh (OLLAMA_HOST) and name that address in --hosts. If it is a "
        f"token that is wanted, put {token}"
    )


def of_this_machine(host: Host, error: BaseException) -> RequestFailed | None:
    """What failed before a host could do anything: this machine has no means left, or does not trust what it shows."""
    root = _root(error)
    no_ipv6 = isinstance(root, OSError) and root.errno == errno.EADDRNOTAVAIL and ":" in host.addresses[0]
    if isinstance(root, OSError) and root.errno in _OWN and not no_ipv6:
        return CoordinatorShort(
            f"This machine, not {host.name}, has no means left for a connection to it: {why(error)}. Allow more open "
            "files or ports here (ulimit -n), or have fewer requests at once."
        )
    if isinstance(root, ssl.SSLError):
        return CertificateRefused(f"{host.name} ({host.url}) {_about_tls(root)}")
    return None


def _root(error: BaseException) -> BaseException:
    """What ``error`` came from in the end; of attempts at several addresses, the first."""
    root = error
    while True:
        if isinstance(root, BaseExceptionGroup):
            root = root.exceptions[0]
        elif (deeper := root.__cause__ or root.__context__) is not None:
            root = deeper
        else:
            return root


def _about_tls(error: ssl.SSLError) -> str:
    """What is wrong with a host's TLS, and what to do."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"speaks no TLS that this machine understands ({clean(str(error.reason))}). Is it http:// there?"
    why = clean(error.verify_message)
    return (
        f"shows a certificate that this machine does not trust: {why}. If an authority of your own has signed it, name "
        "the file with that authority's certificate by the environment variable SSL_CERT_FILE; if it is for another "
        "name, write that name in --hosts."
    )


def system_number(error: BaseException) -> int | None:
    """The operating system's number for what is at the root of ``error``."""
    root = _root(error)
    return root.errno if isinstance(root, OSError) and root.errno and root.errno > 0 else None


def why(error: BaseException) -> str:
    """The reason at the root of ``error``, in the operating system's words where it has any."""
    if (number := system_number(error)) is not None:
        return os.strerror(number)
    return clean(str(error)).rstrip(".") or type(error).__name__


def error_text(body: bytes) -> str:
    """What an engine says went wrong, out of any of the forms that engines use, fit for one line."""
    try:
        found: Any = json.loads(body)
        for key in ("error", "message", "detail"):
            if isinstance(found, dict) and key in found:
                found = found[key]
        said = found if isinstance(found, str) else json.dumps(found)
    except (ValueError, RecursionError):
        said = body.decode("utf-8", "replace")
    return clean(said)


def clean(text: str, longest: int = 300) -> str:
    """``text`` on one line, without control or direction-changing characters, cut to ``longest`` characters."""
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text[: longest * 4])
    kept = " ".join(kept.split())
    return shortened(kept, longest)
