"""Readers of published traces: when requests came to a real service, and how long they and their answers were.

Mooncake's JSON Lines (https://github.com/kvcache-ai/Mooncake), the Azure LLM inference traces of 2023 and 2024
(https://github.com/Azure/AzurePublicDataset) and BurstGPT's CSV (https://github.com/HPMLL/BurstGPT). Which blocks of
prompts Mooncake's requests share (``hash_ids``) is not played: each prompt is its own.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from outpace.ground.errors import ArrivalsError, quoted

LARGEST_TOKENS = 10_000_000


@dataclass(frozen=True)
class TracedRequest:
    """One request of a trace: when it was due, in ms since the first, and its tokens."""

    due_ms: float
    prompt_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class _Form:
    """Under which names a form of trace has the time, as ``parse`` reads it in ms, and the tokens."""

    time: str
    parse: Callable[[Any], float]
    prompt_tokens: str
    output_tokens: str


MOONCAKE = _Form("timestamp", float, "input_length", "output_length")
AZURE = _Form("TIMESTAMP", lambda written: _calendar_ms(written), "ContextTokens", "GeneratedTokens")
BURST_GPT = _Form("Timestamp", lambda written: float(written) * 1000, "Request tokens", "Response tokens")


def read(path: Path) -> Iterator[TracedRequest]:
    """The requests of a trace in their order, read as they are asked for.

    A request without a token in it or in its answer failed when the trace was made, and is left out. Raises
    ``ArrivalsError`` where the file cannot be read, is in no known form, or goes back in time: with the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            first = lines.readline()
            lines.seek(0)
            if first.lstrip().startswith("{"):
                yield from _requests(path, MOONCAKE, _objects(path, lines))
            else:
                rows = csv.DictReader(lines)
                columns = rows.fieldnames or ()
                form = next((form for form in (AZURE, BURST_GPT) if form.time in columns), None)
                if form is None:
                    raise ArrivalsError(
                        f"The trace {path} begins with {quoted(first.strip())}, which is no form that outpace knows. "
                        "Known are JSON Lines as Mooncake's, "
                        '{"timestamp": 0, "input_length": 9, "output_length": 9}, and '
                        f"CSV with the columns {', '.join(_columns(AZURE))} or {', '.join(_columns(BURST_GPT))}."
                    )
                yield from _requests(path, form, ((rows.line_num, row) for row in rows))
    except OSError as error:
        raise ArrivalsError(f"The trace {path} cannot be read: {error.strerror or error}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ArrivalsError(f"The trace {path} is no text that can be read: {error}.") from error


def _columns(form: _Form) -> tuple[str, str, str]:
    return form.time, form.prompt_tokens, form.output_tokens


def _objects(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                found = None
            if not isinstance(found, dict):
                raise ArrivalsError(f"In the trace {path}, line {number} is {quoted(line.strip())}, no JSON object.")
            yield number, found


def _requests(path: Path, form: _Form, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[TracedRequest]:
    began_ms = latest_ms = None
    for number, row in rows:
        at = f"In the trace {path}, line {number}"
        try:
            now_ms = form.parse(row[form.time])
            prompt_tokens, output_tokens = _tokens(row[form.prompt_tokens]), _tokens(row[form.output_tokens])
        except KeyError as missing:
            raise ArrivalsError(f"{at} has no {missing.args[0]!r}.") from None
        except (TypeError, ValueError, OverflowError):
            written = ", ".join(f"{name}={row[name]}" for name in _columns(form))
            raise ArrivalsError(f"{at} says {quoted(written)}: a time and two numbers of tokens are due.") from None
        if began_ms is None:
            began_ms = now_ms
        if not now_ms >= (began_ms if latest_ms is None else latest_ms):  # nor is it no number at all
            raise ArrivalsError(f"{at} is earlier than the line before it; sort the file by its times.")
        latest_ms = now_ms
        if prompt_tokens and output_tokens:
            yield TracedRequest(now_ms - began_ms, prompt_tokens, output_tokens)


def _tokens(written: Any) -> int:
    tokens = int(written)
    if not 0 <= tokens <= LARGEST_TOKENS or tokens != float(written):
        raise ValueError(written)
    return tokens


def _calendar_ms(written: str) -> float:
    """Milliseconds of a moment such as ``2023-11-16 18:17:03.9799600``, taken for UTC where it says no zone."""
    moment = datetime.fromisoformat(written)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000
