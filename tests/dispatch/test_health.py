"""Who stands and who rests, while hosts go down and come back."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.dispatch.health import Health
from outpace.ground.errors import ConnectFailed
from virtual import run_virtually

HOSTS = ("a", "b", "c", "d", "e")


class Pinged:
    """An engine that answers pings from ``from_s`` on, or never."""

    def __init__(self, from_s: float = 0.0) -> None:
        self.from_s, self.pinged_s = from_s, []

    async def ping(self) -> None:
        """Answer, or do not."""
        self.pinged_s.append(anyio.current_time())
        if anyio.current_time() < self.from_s:
            raise ConnectFailed("not there")


@given(st.lists(st.tuples(st.sampled_from(HOSTS), st.booleans(), st.floats(0.0, 3.0)), max_size=20))
def test_those_who_stand_are_those_who_do_not_rest_in_the_order_of_all(events):
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            health = Health({host: Pinged() for host in HOSTS}, 1.0, tasks, lambda _host: check())

            def check() -> None:
                assert list(health.standing) == [host for host in HOSTS if not health[host].resting]
                assert health.resting == {host for host in HOSTS if health[host].resting}

            for host, down, pause_s in events:
                health.rest(host, down=down)
                await anyio.sleep(pause_s)
            await anyio.sleep(60)
            assert list(health.standing) == list(HOSTS)
            tasks.cancel_scope.cancel()

    run_virtually(main)


def test_one_that_is_down_is_asked_after_each_pause_until_it_answers():
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            engines = {"a": Pinged(5.0), "b": Pinged()}
            health = Health(engines, 1.0, tasks, lambda _host: None)
            health.rest("a", down=True)
            health.rest("b", down=False)
            await anyio.sleep(60)
            assert engines["a"].pinged_s == pytest.approx([0.25, 0.75, 1.75, 3.75, 7.75])
            assert engines["b"].pinged_s == []
            tasks.cancel_scope.cancel()

    run_virtually(main)
