"""The command line: outpace's options."""

from __future__ import annotations

from pathlib import Path

import pytest

from outpace.dispatch import RULES, STRATEGIES
from outpace.engines import PROTOCOLS
from outpace.judge.gate import DEFAULT_THRESHOLD, NOT_ENFORCED
from outpace.measure.stopping import LEAST_ROUNDS, MOST_ROUNDS, WITHIN
from outpace.simulation.fault_schedule import KINDS
from outpace.suite import arriving
from outpace.suite.command_line import DEFAULT_ROUNDS, DEFAULT_STRATEGIES
from outpace.workload import prompts


def add_options(parser: pytest.Parser) -> None:
    """Declare the options in a group of their own; raises ``pytest.UsageError`` where another plugin has taken one."""
    group = parser.getgroup("outpace", "outpace: do these machines outpace the fastest of them alone?")

    def add(name: str, **how: object) -> None:
        try:
            group.addoption(name, **how)
        except ValueError as error:
            raise pytest.UsageError(
                f"outpace's option {name} is taken by another pytest plugin ({error}). Switch that plugin off for "
                "this run (pytest -p no:PLUGIN; for pytest-timeout it is -p no:timeout)."
            ) from error

    generation = prompts.Generation()
    add(
        "--hosts",
        action="append",
        default=[],
        metavar="HOSTS",
        help="The machines: NAME=URL,NAME=URL,... (names optional; may be repeated), or embedded[:N][,rtt=22ms]"
        "[,slots=K] for N real engines that start on this machine, the others than the first behind a round trip of "
        "22 ms, each with K slots, or replay:FILE for a recording, or replay:FILE,add=desktop*3 for what it would be "
        "with three more such hosts (or whatever else outpace what-if takes). Default: embedded. A bearer token is "
        "read from OUTPACE_TOKEN_<NAME>.",
    )
    add(
        "--strategies",
        metavar="NAME,...",
        help=f"Dispatch strategies to measure, of {', '.join(STRATEGIES)}, or all; rules for what routers do "
        f"({', '.join(RULES)}); or your own, as mine.py:NAME or package.module:NAME. "
        f"Default: {','.join(DEFAULT_STRATEGIES)}; bench/test_regression.py replays all.",
    )
    add(
        "--limits",
        default="sweep",
        metavar="LIMIT",
        help="How many requests a host may have in flight, in the strategies behind the first three: sweep (what a "
        "sweep of its capacity found, 1 where there was none), adaptive (found while running), or a number. "
        "capacity-aware is adaptive always, and begins with what a sweep found unless this says adaptive. "
        "Default: %(default)s.",
    )
    add(
        "--capacity",
        type=Path,
        metavar="FILE",
        help="A capacity.json of an earlier sweep of these hosts (bench/test_capacity.py writes it).",
    )
    add(
        "--unknown-lengths",
        action="store_true",
        help="Do not let strategies expect a prompt to be answered at the length that it had earlier in the session.",
    )
    add(
        "--router",
        action="append",
        default=[],
        metavar="NAME=URL",
        help="A router in front of --hosts, which is measured as one more strategy: it gets all prompts at once, and "
        "spreads them by itself. May be repeated.",
    )
    add(
        "--rounds",
        metavar="N",
        help="Rounds a strategy, each paired with a baseline run; from 5 on the ratio has an interval. auto makes as "
        f"many as bring that interval within {100 * WITHIN:g} %% of the ratio, auto:2%% within 2 %%, from "
        f"{LEAST_ROUNDS} to {MOST_ROUNDS}, and says so where it cannot. "
        f"Default: {DEFAULT_ROUNDS}; in a replay as many as the recording holds.",
    )
    add(
        "--budget",
        metavar="TIME",
        help="In place of --rounds: as many rounds as fit into TIME (90s, 10min, 1.5h) with the sweeps, alike for all "
        "strategies, by how fast the warm-up finds the hosts. Where five do not fit it says what would.",
    )
    add(
        "--model",
        action="append",
        metavar="NAME",
        help="The model, on all hosts, or HOST=NAME,HOST=NAME where hosts call it differently. Default: the one that "
        "they have in common, if it is one, or the one of them that is loaded.",
    )
    add(
        "--protocol",
        metavar="NAME",
        help=f"The hosts' protocol, {' or '.join(PROTOCOLS)}, or an engine of your own as mine.py:NAME or "
        "package.module:NAME. Default: found from each engine's own answers.",
    )
    add(
        "--prompts",
        type=Path,
        metavar="FILE",
        help="The prompts: UTF-8 text with one a line, a .json list of strings, or .jsonl with a string or an object "
        'such as {"prompt": "…"} a line. Default: eight short ones.',
    )
    add(
        "--max-tokens",
        type=int,
        metavar="N",
        help=f"Tokens an answer may have at most. Default: {generation.max_tokens}.",
    )
    add(
        "--temperature",
        type=float,
        metavar="T",
        help="Sampling temperature; above 0 answers differ in length, and ratios with them. "
        f"Default: {generation.temperature:g}.",
    )
    add("--seed", type=int, metavar="N", help=f"Sampling seed. Default: {generation.seed}.")
    add(
        "--threshold",
        type=float,
        default=DEFAULT_THRESHOLD,
        metavar="RATIO",
        help="The gate: the overhead ratio must be below it. Default: %(default)s.",
    )
    add(
        "--least-gain",
        type=float,
        metavar="GAIN",
        help="Ask for a set gain above this, too: what the best single host takes, at its best, over what the set "
        "takes. 1 asks that the other hosts add something. Default: nothing is asked of it.",
    )
    add(
        "--gate",
        metavar="NAME,...",
        help="Strategies whose gate must pass; those of the others is shown only. "
        f"Default: every one measured but {', '.join(sorted(NOT_ENFORCED))}.",
    )
    arriving.add_options(add)
    add(
        "--pool",
        metavar="SCENARIO,...",
        help="Scenarios that bench/test_pool.py plays: TOML files, or names of shipped ones. Default: all that are "
        "shipped, unless hosts are measured.",
    )
    add("--baseline", metavar="HOST", help="Name of the host of the baseline. Default: the measured fastest.")
    add(
        "--report-dir",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="Where report-<strategy>.json is written, after every round. Default: %(default)s.",
    )
    add(
        "--timeout",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="What one attempt at one prompt may take once its host has answered what was sent there before it. A "
        "whole run may take that for each prompt, and twice for each host. "
        "Default: %(default)s.",
    )
    add(
        "--allow-public",
        action="store_true",
        help="Let prompts go to public addresses too. Without it only loopback, private, link-local, CGNAT and unique "
        "local addresses are spoken to.",
    )
    add(
        "--record",
        type=Path,
        metavar="FILE",
        help="Record the session of live or embedded hosts in FILE, to be replayed by --hosts=replay:FILE. Before the "
        "rounds each host's capacity is measured; no header is kept, so no token either.",
    )
    add(
        "--redact-text",
        action="store_true",
        help="Leave what was said out of the recording: lengths and timings stay, prompts and answers go.",
    )
    add(
        "--fault",
        action="append",
        default=[],
        metavar="HOST:KIND@START",
        help="Let a host fail in each of the strategy's runs, for example desktop:dies@2s or desktop:slow(10)@1s-5s; "
        f"may be repeated. The kinds are {', '.join(KINDS)}.",
    )
    add(
        "--recordings",
        type=Path,
        default=Path("bench/recordings"),
        metavar="DIR",
        help="Recordings that bench/test_regression.py replays and holds against the reports in DIR/<recording>/. "
        "Default: %(default)s.",
    )
    add("--accept", action="store_true", help="Keep the figures of those replays as the expected ones.")
    add(
        "--no-pages",
        action="store_true",
        help="Leave out report.html and RESULT.md; outpace report DIR builds them from the reports at any time.",
    )
    add(
        "--keep-answers",
        action="store_true",
        help="Keep each strategy's latest answers, concatenated in the order of the prompts, as "
        "answers-<strategy>.txt beside its report.",
    )
