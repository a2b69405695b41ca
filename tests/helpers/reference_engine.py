"""A reference engine: an HTTP server without a model, whose truth is known exactly.

    python tests/helpers/reference_engine.py --port 0 --tokens-per-s 40 --slots 4 --delay-ms 11

It speaks as an Ollama does (its own protocol and OpenAI's) or as a vLLM does, and streams token by token; what it is
to be like, a ``Truth`` says. The times that it tells follow from that alone: work is reckoned in time that is given to
the model, not read off when a timer fires, so a busy machine makes an answer late but never changes what is told.
The standard library is all that it needs, and loopback is all that it listens on.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import selectors
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from reference.server import ReferenceEngine
from reference.truth import FAULTS, Truth, from_plain, to_plain


def _precise_loop() -> asyncio.AbstractEventLoop:
    """A loop whose timers are good to microseconds: epoll and poll round what they wait for up to milliseconds."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


async def _serve_until(truths: Sequence[Truth], port: int, tell: Callable[[list[str]], None], *, stdin: bool) -> None:
    engines = [ReferenceEngine(truth) for truth in truths]
    tell([await engine.listen(port) for engine in engines])
    over = asyncio.Event()
    if stdin:
        loop = asyncio.get_running_loop()

        def wait_for_end() -> None:
            while os.read(0, 1024):
                pass
            loop.call_soon_threadsafe(over.set)

        threading.Thread(target=wait_for_end, daemon=True).start()
    await over.wait()


@contextlib.contextmanager
def running(*truths: Truth, within: Sequence[str] = ()) -> Iterator[list[str]]:
    """Run an engine for each of ``truths``, all in one process of their own; gives their URLs.

    ``within`` is a command that runs the one behind it, such as one that enters another machine's network.
    """
    # As with -I, no variable and no package of the user counts; but -I would hide the folder beside this file, too.
    command = [*within, sys.executable, "-E", "-s", __file__, "--stdin"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(json.dumps([to_plain(truth) for truth in truths]).encode() + b"\n")
            child.stdin.flush()
            line = child.stdout.readline()
            if not line:
                raise RuntimeError("The reference engine did not start; what it said stands above.")
            yield json.loads(line)
        finally:
            child.stdin.close()  # the sign for it to end, which it also gets if this process is killed
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()


def _points(text: str) -> dict[int, float]:
    """Read ``2=1.7,4=2.6``."""
    try:
        return {int(in_work): float(gain) for in_work, _, gain in (part.partition("=") for part in text.split(","))}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 2=1.7,4=2.6") from None


def _options() -> argparse.Namespace:
    plain = asdict(Truth())
    parser = argparse.ArgumentParser(description="An engine without a model, to try outpace on; Ctrl-C ends it.")
    parser.add_argument("--port", type=int, default=0, help="where to listen on the loopback (0: any that is free)")
    for name, what in (
        ("tokens_per_s", "tokens a second of one request alone"),
        ("prompt_ms", "time until a prompt is read"),
        ("slots", "requests in work at once"),
        ("queue", "requests that may wait; more get status 503"),
        ("tokens", "tokens of an answer"),
        ("error_rate", "share of requests that fail"),
        ("errors_after", "so many requests do not fail at first"),
        ("seed", "which of them fail"),
        ("model", "the model's name"),
        ("version", "the engine's version"),
    ):
        value = plain[name]
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"{what} ({value})")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="way of a request, and way of an answer, in ms (0)")
    parser.add_argument(
        "--batching", type=_points, default={}, metavar="2=1.7,4=2.6", help="throughput of several to that of one"
    )
    parser.add_argument("--error", choices=FAULTS, default="fail", help="how those fail that do")
    parser.add_argument("--engine", choices=("ollama", "vllm"), default="ollama", help="which engine to be like")
    parser.add_argument("--no-metrics", dest="metrics", action="store_false", help="as a vLLM, tell no times")
    parser.add_argument("--stdin", action="store_true", help="read truths as a line of JSON, and end when stdin does")
    return parser.parse_args()


def main() -> None:
    """Run until Ctrl-C, or until stdin ends."""
    options = vars(_options())
    port, delay_ms, stdin = options.pop("port"), options.pop("delay_ms"), options.pop("stdin")
    try:
        if stdin:
            truths = [from_plain(each) for each in json.loads(_first_line())]
        else:
            truths = [Truth(delay_to_ms=delay_ms, delay_from_ms=delay_ms, **options)]
    except ValueError as error:
        sys.exit(f"reference engine: {error}")

    def tell(urls: list[str]) -> None:
        print(json.dumps(urls) if stdin else urls[0], flush=True)  # noqa: T201

    try:
        with asyncio.Runner(loop_factory=_precise_loop) as runner, contextlib.suppress(KeyboardInterrupt):
            runner.run(_serve_until(truths, port, tell, stdin=stdin))
    except OSError as error:
        sys.exit(f"reference engine: it cannot listen on port {port}: {error.strerror or error}")


def _first_line() -> bytes:
    """One line of stdin, byte by byte: a buffer would take in what ends it."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


if __name__ == "__main__":
    main()
