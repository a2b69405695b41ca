"""What a session knows of its hosts and prompts: guessed in the warm-up, learned from every run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median

from outpace.dispatch import HostKnowledge
from outpace.dispatch.expectation import work_of
from outpace.ground.records import RequestRecord, Run
from outpace.judge.capacity import Capacity
from outpace.judge.efficiency import HostSpeed, seen_speeds
from outpace.judge.impossible import HostSeen, most
from outpace.workload.prompts import Prompt


class Knowledge:
    """Speeds, capacities and lengths, as far as they are known.

    ``speeds`` are work a second with one request in flight, by host, as the warm-up showed it; ``capacities`` what
    concurrency does to hosts.
    """

    def __init__(self, capacities: Mapping[str, Capacity]) -> None:
        self.capacities = dict(capacities)
        self.speeds: dict[str, float] = {}
        self.first: dict[str, list[RequestRecord]] = {}
        """The first whole answers of each host, when no prompt had been answered before."""
        self._relative: defaultdict[str, list[float]] = defaultdict(list)
        self._tokens: dict[int, int] = {}

    def of_hosts(self, *, swept: bool) -> dict[str, HostKnowledge]:
        """What a coordinator may start from, by host; with what sweeps found only where ``swept``."""
        return {
            host: HostKnowledge(speed, self.capacities[host].limit, self._gain(host))
            if swept and host in self.capacities
            else HostKnowledge(speed)
            for host, speed in self.speeds.items()
        }

    def work(self, prompt: Prompt) -> float | None:
        """The work of ``prompt``, in output tokens, where it was answered before."""
        tokens = self._tokens.get(prompt.index)
        return None if tokens is None else work_of(prompt, tokens)

    def learn_lengths(self, run: Run) -> None:
        """Take note of how long the answers of ``run`` are."""
        self.learn_tokens({each.prompt: each.output_tokens for each in run.requests if each.output_tokens})

    def learn_tokens(self, tokens: Mapping[int, int]) -> None:
        """Take note of how many tokens prompts are answered by."""
        self._tokens.update(tokens)

    def learn_speeds(self, run: Run, baseline: Run, hosts: Mapping[str, HostSpeed]) -> None:
        """Take note of what a round shows of the hosts' speeds."""
        for host, speed in seen_speeds(run, baseline, hosts).items():
            self._relative[host].append(speed)

    def host_speeds(self, hosts: Sequence[str], trips_ms: Mapping[str, float]) -> dict[str, HostSpeed]:
        """What is known of ``hosts``, the fastest first, beside what a run shows itself."""
        fastest = self.speeds[hosts[0]]
        relative = {host: median(self._relative[host] or [self.speeds[host] / fastest]) for host in hosts}
        return {host: HostSpeed(relative[host], self._gain(host), trips_ms.get(host, 0.0)) for host in hosts}

    def seen(self, hosts: Sequence[str], trips_ms: Mapping[str, float], prompts: int) -> dict[str, HostSeen]:
        """What rounds on ``hosts``, the fastest first, are held against; ``trips_ms`` are the quickest to each.

        So many ``prompts`` are in each run.
        """
        return {
            host: HostSeen(
                known.speed,
                most(self.capacities[host], prompts) if host in self.capacities else None,
                trips_ms.get(host),
                self.first.get(host, ()),
            )
            for host, known in self.host_speeds(hosts, trips_ms).items()
        }

    def _gain(self, host: str) -> float:
        return max(1.0, self.capacities[host].gain) if host in self.capacities else 1.0
