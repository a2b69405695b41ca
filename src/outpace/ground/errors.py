"""What went wrong, why, and what to do: one class a cause.

Every message is one paragraph that a person can act on. ``UsageError`` and its children are the user's to mend
before anything is measured; ``RequestFailed`` and its children are what became of one request, and tell the
coordinator what it may do next.
"""

from __future__ import annotations

LONGEST_REMARK = 300
"""Characters of what an error repeats of a document."""


def shortened(text: str, longest: int) -> str:
    """``text``, its end left out where it has more than ``longest`` characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def quoted(text: str) -> str:
    """What somebody wrote, quoted on one line for a message."""
    return repr(shortened(text, 80))


class OutpaceError(Exception):
    """Anything that outpace itself raises."""


class UsageError(OutpaceError):
    """What the user asked for cannot be done as it stands."""


class HostsError(UsageError):
    """``--hosts`` cannot be read, names a host twice, or names too few."""


class HostUnresolved(HostsError):
    """A host's name has no address."""


class HostNotPrivate(HostsError):
    """A host's address is public and ``--allow-public`` was not given."""


class PromptsError(UsageError):
    """The prompts file cannot be read, or holds no prompt."""


class ArrivalsError(UsageError):
    """``--arrivals`` cannot be read or has no end, or its trace cannot be read."""


class StrategyUnknown(UsageError):
    """No strategy has that name."""


class HostUnusable(UsageError):
    """A host did not answer in a way that lets it be measured, found before any round."""


class ModelMissing(HostUnusable):
    """A host does not have the model that was asked for."""


class EmbeddedUnavailable(UsageError):
    """The embedded engines cannot be started on this machine."""


class Unfinished(OutpaceError):
    """A strategy left prompts unanswered."""


class DocumentInvalid(UsageError):
    """A report or a recording cannot be read, or does not match its schema."""


def refused(text: str) -> DocumentInvalid:
    """The error that says ``text``, on one line and without what a terminal would obey, whatever a document held."""
    return DocumentInvalid("".join(each if each.isprintable() else repr(each)[1:-1] for each in text))


class RequestFailed(OutpaceError):
    """One attempt at one prompt on one host gave no answer.

    ``kind`` is the short name that reports use. ``host_down`` says whether the host should get no further prompt
    for now; ``again_here`` whether the very same request may be sent to the same host at once, ``never_here`` whether
    it is of no use there at any time.
    """

    kind = "failed"
    host_down = True
    again_here = False
    never_here = False


class ConnectFailed(RequestFailed):
    """No connection could be made: the host's machine refused it."""

    kind = "connect"


class PathLost(ConnectFailed):
    """The way to the host was lost: nothing came back from its machine, not even that what was sent has arrived."""

    kind = "path"


class NetworkDown(ConnectFailed):
    """No way leads out of this machine: its own network was down, which is no failure of the host."""

    kind = "own-network"


class CertificateRefused(ConnectFailed):
    """The host's certificate is not one that this machine trusts, or TLS did not come about."""

    kind = "certificate"


class CoordinatorShort(ConnectFailed):
    """The machine that outpace runs on has no means left for a connection, such as open files: no host's failure."""

    kind = "own"
    host_down = False


class ConnectionStale(RequestFailed):
    """A kept connection was closed before any byte of an answer: the engine never took the request."""

    kind = "stale"
    host_down = False
    again_here = True


class BodyCut(RequestFailed):
    """The connection ended inside the answer."""

    kind = "cut"


class TimedOut(RequestFailed):
    """The answer was not complete in the time allowed."""

    kind = "timeout"


class CalledOff(RequestFailed):
    """Another host answered the prompt first: what this one did for it is spent."""

    kind = "spent"
    host_down = False


class EngineBusy(RequestFailed):
    """The engine's queue is full (503, 429): it asks to be left alone for ``retry_after_s`` seconds."""

    kind = "busy"
    host_down = False

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class EngineFailed(RequestFailed):
    """The engine said that it failed: status 5xx, or an error inside a stream that began with status 200."""

    kind = "engine"


class RequestRefused(RequestFailed):
    """The engine will not do this request (4xx): sending it there again is of no use, other prompts may pass."""

    kind = "refused"
    host_down = False
    never_here = True

    def __init__(self, message: str, status: int | None = None, said: str = "") -> None:
        super().__init__(message)
        self.status, self.said = status, said


class ModelGone(RequestFailed):
    """The host does not have the model, or no longer has it loaded: every prompt would meet the same."""

    kind = "model"


class AnswerUnfinished(RequestFailed):
    """The engine ended an answer in good order without saying that it is done: this prompt is too long for it, mostly.

    Other prompts may pass.
    """

    kind = "unfinished"
    host_down = False
    never_here = True


class AnswerEmpty(RequestFailed):
    """The engine said that it was done without a word and without a token: nothing was generated."""

    kind = "empty"


class AnswerUnreadable(RequestFailed):
    """The answer is not what the protocol promises: no JSON where JSON is due, no end, or out of bounds."""

    kind = "unreadable"
