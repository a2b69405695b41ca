"""Fields that a request can do without: an engine that refuses one is asked without it, and a report says so."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from outpace.engines.noticed import Noticed
from outpace.ground.errors import RequestRefused

T = TypeVar("T")

MEANS = {
    "stream_options": "so it tells no tokens, and answers are counted in their place",
    "seed": "so its answers may differ from run to run",
    "cache_prompt": "so prompts may come out of its cache",
    "cache_salt": "so prompts may come out of its cache",
    "cache": "so it may answer from memory",
    "keep_alive": "so it may unload its model between runs",
    "ttl": "so it may unload its model between runs",
}
INVALID = (400, 422)
"""The statuses of a request whose fields an engine does not take."""


class Comfort:
    """What requests to one engine hold for comfort, as far as it was not ``refused``."""

    def __init__(self, noticed: Noticed) -> None:
        self._noticed = noticed
        self._answered = False
        self.refused: set[str] = set()

    async def ask(
        self, needed: Mapping[str, Any], comfort: Mapping[str, Any], post: Callable[[dict[str, Any]], Awaitable[T]]
    ) -> T:
        """Give what ``post`` gives for a body of what is ``needed`` and as much of the ``comfort`` as is taken.

        One that is refused by its name is left out; where no name is told, and the engine has not answered yet, all
        are. Raises ``RequestRefused`` as it came first where it is refused without them, too, and whatever ``post``
        raises.
        """
        left = {name: value for name, value in comfort.items() if name not in self.refused}
        first: RequestRefused | None = None
        while True:
            try:
                found = await post({**needed, **left})
                break
            except RequestRefused as error:
                first, named = first or error, [name for name in left if _names(error.said, name)]
                if error.status not in INVALID or not left or not (named or not self._answered):
                    raise first from None
                left = {name: value for name, value in left.items() if named and name not in named}
        self._answered = True
        for name in comfort.keys() - left.keys() - self.refused:
            self.refused.add(name)
            self._noticed.of_host(f"it refuses the field {name}, and is asked without it, {MEANS[name]}")
        return found


def _names(said: str, field: str) -> bool:
    return re.search(rf"(?<![a-z0-9_]){field}(?![a-z0-9_])", said, re.IGNORECASE) is not None
