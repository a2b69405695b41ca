"""outpace's strategies and LiteLLM's rules side by side, over two engines that start on this machine.

``python bench/side_by_side.py [--rounds 5] [--rtt 22ms] [--out reports/routers]`` measures them in one session, each
round beside a baseline run of its own, and writes OUT/README.md beside the reports.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from litellm_proxy import RULES, ProxyUnavailable, proxy, pytest_options

from outpace.engines.embedded import engine_version, running
from outpace.ground.errors import UsageError
from outpace.ground.hosts import parse_duration_ms
from outpace.report import document

BENCH = Path(__file__).parent
STRATEGIES = "sequential,serial-per-side,pull,earliest-finish,capacity-aware"
TITLE = "# Dispatch strategies and LiteLLM's rules, side by side"
ROUTER = "litellm-"

HOW_TO_READ = """\
- **ratio** is the time that a strategy takes over both engines / the time that the fastest engine alone takes for the
  same prompts: the median of the rounds, each beside a baseline run of its own. **interval** holds the
  true median in 95 % of repetitions; where two intervals overlap, neither strategy is the better one.
- **efficiency** is the dispatch efficiency: 1 is what the engines can do at best. **unanswered** counts prompts without
  an answer, **failed** attempts that outpace saw fail. A router's own retries are its business and are not seen.
- **shares** are the prompts that each engine answered, over all rounds. Which engine a router took it does not tell.
- outpace's strategies know the engines by name; a router gets all prompts at once and does with them what its rule
  says. That is what its users do to it, but a client that sends it one prompt at a time may see another picture.
- The router and outpace share the machine with the engines, which have a core each where the system allows it. What the
  router's work takes from the engines is in its ratio; on a machine with cores to spare it would be less.
- No answer comes out of a prompt cache: outpace asks for that, and the proxies are configured to ask for it."""


def main() -> int:
    """Measure, tabulate, and return the status of the measurement."""
    options = _options()
    try:
        with ExitStack() as stack:
            engines = stack.enter_context(
                running(2, rtt_ms=parse_duration_ms(options.rtt, "--rtt"), slots=options.slots)
            )
            hosts = {engine.name: engine.url for engine in engines}
            routers: dict[str, str] = {}
            for rule in filter(None, options.rules.split(",")):
                sys.stderr.write(f"starting LiteLLM's proxy with {rule}\n")
                name = ROUTER + rule.removesuffix("-routing")
                routers[name] = stack.enter_context(proxy(list(hosts.values()), rule))
            names = [*options.strategies.split(","), *routers]
            paths = [options.out / f"report-{name}.json" for name in names]
            for path in paths:  # what an earlier run left must not pass for this one's
                path.unlink(missing_ok=True)
            status = subprocess.call(_command(options, pytest_options(hosts, routers)), cwd=BENCH.parent)
    except (ProxyUnavailable, UsageError) as error:
        sys.exit(str(error))
    found = [path for path in paths if path.is_file()]
    if not found:
        return status or 1
    ran = shlex.join(["python", "bench/side_by_side.py", *sys.argv[1:]])
    (options.out / "README.md").write_text(_page([document.read(path) for path in found], ran), encoding="utf-8")
    sys.stderr.write(f"wrote {options.out / 'README.md'}\n")
    return status


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="side_by_side.py", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds a strategy; from 5 on the ratio has an interval")
    parser.add_argument("--rtt", default="0ms", metavar="22ms", help="round trip put before the second engine")
    parser.add_argument("--slots", type=int, default=1, help="requests that an engine works on at once")
    parser.add_argument("--strategies", default=STRATEGIES, metavar="NAME,...", help="outpace's own (%(default)s)")
    parser.add_argument("--rules", default=",".join(RULES), metavar="NAME,...", help="LiteLLM's; may be empty")
    parser.add_argument("--out", type=Path, default=Path("reports/routers"), metavar="DIR", help="%(default)s")
    options = parser.parse_args()
    options.out = options.out.resolve()
    return options


def _command(options: argparse.Namespace, over: Sequence[str]) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", str(BENCH / "test_strategies.py"), *over),
        *(f"--strategies={options.strategies}", f"--rounds={options.rounds}", f"--report-dir={options.out}"),
        "--no-pages",
    ]


def _page(reports: Sequence[dict[str, Any]], command: str) -> str:
    """The page that tells what ``reports`` found, best ratio first."""
    ordered = sorted(reports, key=lambda report: report["summary"]["overhead_ratio"]["median"] or float("inf"))
    columns = ("strategy", "ratio", "interval", "speedup", "efficiency", "rounds", "unanswered", "failed", "shares")
    return "\n\n".join(
        [
            TITLE,
            _table(columns, [_row(report) for report in ordered]),
            "## The machine's own noise",
            _noise(reports),
            "## What was run",
            _what_was_run(reports, command),
            "## How to read it",
            HOW_TO_READ + "\n",
        ]
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] + ["---:"] * (len(columns) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(report: dict[str, Any]) -> list[str]:
    summary = report["summary"]
    ratio = summary["overhead_ratio"]
    runs = [each["run"] for each in report["rounds"]]
    # A kept connection that the engine had closed is replaced at once, before the engine has seen the request.
    failed = [each for run in runs for each in run["failed_attempts"] if not each["error"].startswith("stale:")]
    requests = [request for run in runs for request in run["requests"]]
    # An engine appears where it answered nothing too: that is the news about a rule that sends all to one.
    shares = {host: sum(request["host"] == host for request in requests) for run in runs for host in run["hosts"]}
    return [
        report["strategy"],
        _figure(ratio["median"]),
        "-" if ratio["low"] is None else f"{ratio['low']:.3f} to {ratio['high']:.3f}",
        _figure(summary["speedup"], "{:.2f}x"),
        _figure(summary["dispatch_efficiency"]),
        str(summary["rounds"]),
        str(sum(request["error"] is not None for request in requests)),
        str(len(failed)),
        ", ".join(f"{host} {count}" for host, count in shares.items()),
    ]


def _figure(value: float | None, form: str = "{:.3f}") -> str:
    return "-" if value is None else form.format(value)


def _noise(reports: Sequence[dict[str, Any]]) -> str:
    """How much the same run differs on this machine: what a difference between strategies has to exceed."""
    baselines = [each["baseline"]["makespan_ms"] for report in reports for each in report["rounds"]]
    said = [
        f"The same work, on the fastest engine alone, took {min(baselines) / 1000:.2f} s at best, "
        f"{median(baselines) / 1000:.2f} s in the median and {max(baselines) / 1000:.2f} s at worst of the "
        f"{len(baselines)} baseline runs: a spread of {max(baselines) / min(baselines) - 1:.0%}."
    ]
    itself = next(
        (report["summary"]["overhead_ratio"] for report in reports if report["strategy"] == "sequential"), None
    )
    if itself and itself["median"] is not None:
        within = "" if itself["low"] is None else f" ({itself['low']:.3f} to {itself['high']:.3f})"
        said.append(
            f"`sequential` is the baseline itself: its ratio, {itself['median']:.3f}{within}, would be 1 without noise."
        )
    return "\n".join(said)


def _what_was_run(reports: Sequence[dict[str, Any]], command: str) -> str:
    report, routed = reports[0], any(each["strategy"].startswith(ROUTER) for each in reports)
    host, work, machine = report["hosts"][0], report["workload"], report["machine"] or {}
    return "\n".join(
        [
            f"    {command}\n",
            f"- LiteLLM {version('litellm')}, one proxy a rule, its retries and cooldowns left as they are"
            if routed
            else "- no router",
            f"- two llama.cpp servers ({engine_version()}) with the model {host['model']}",
            f"- {work['prompts']} prompts, {work['max_tokens']} tokens an answer at most, temperature "
            f"{work['temperature']:g}, seed {work['seed']}",
            f"- {machine.get('system')} on {machine.get('architecture')}, {machine.get('cpus')} processors, Python "
            f"{machine.get('python')}, outpace {report['outpace']}, begun {report['created']}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
