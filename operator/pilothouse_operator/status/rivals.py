"""Other releases of Pilothouse that own the status of the same resources: whether they still live."""

import re
from collections.abc import Mapping
from typing import Any

from pilothouse_operator.kube import resources
from pilothouse_operator.kube.errors import KubeError, NotFound
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.ports import Clock

_MANAGER = re.compile(r"pilothouse/([^/]+)/([^/]+)")
_FRESH_S = 5.0
_DEADLINE_S = 5.0
# As long as a leader may be silent, and the pause of a rolling restart.
_DEAD_S = 15.0


class Rivals:
    """Judged by whether the record of their Lease changes, on our clock; unknown ones are taken for alive."""

    def __init__(self, *, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._records: dict[str, tuple[Mapping[str, Any] | None, float]] = {}
        self._verdicts: dict[str, tuple[bool, float]] = {}

    async def living(self, managers: frozenset[str]) -> str | None:
        """The first of these field managers that is a release of Pilothouse and lives."""
        for manager in sorted(managers):
            match = _MANAGER.fullmatch(manager)
            if match and await self._lives(manager, *match.groups()):
                return manager
        return None

    async def _lives(self, manager: str, namespace: str, release: str) -> bool:
        now = self._clock.monotonic()
        verdict, at = self._verdicts.get(manager, (True, float("-inf")))
        if now - at >= _FRESH_S:
            verdict = await self._look(manager, namespace, release, now)
            self._verdicts[manager] = (verdict, now)
        return verdict

    async def _look(self, manager: str, namespace: str, release: str, now: float) -> bool:
        name = resources.lease_name(release)
        try:
            lease = await self._api.get(resources.LEASES, namespace=namespace, name=name, deadline_s=_DEADLINE_S)
        except NotFound:
            return False
        except KubeError:
            # A lease that we may not read says nothing, so that its owner keeps what it has.
            return True
        record, since = self._records.get(manager, (None, now))
        if record != lease.get("spec"):
            record, since = lease.get("spec") or {}, now
            self._records[manager] = (record, since)
        return now - since < _DEAD_S
