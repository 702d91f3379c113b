"""Tells the operator at once which renewed credentials providers refuse, each one once."""

import asyncio
import logging
from random import Random

from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.stream import Refusal
from pilothouse_proxy.config.operator import NotReadable, Operator, Refused
from pilothouse_proxy.http.messages import HTTPError
from pilothouse_proxy.pipeline.renewals import Renewals

MIN_PAUSE_S = 0.2
MAX_PAUSE_S = 5.0
FINAL = frozenset({400, 401, 403, 404, 405, 413})
"""Answers that would be the same again. 404: an operator that is older than this proxy."""

logger = logging.getLogger(__name__)


class Refuser:
    """Speaks over the connection of the control stream that is open; without one, it waits."""

    def __init__(self, *, renewals: Renewals, rng: Random) -> None:
        self._renewals = renewals
        self._rng = rng

    async def run(self, operator: Operator) -> None:
        """For as long as the connection is wanted; cancelled at its end."""
        pause_s = MIN_PAUSE_S
        while True:
            refused = await self._renewals.untold()
            fingerprint = canonical.fingerprint(refused.credential)
            try:
                await operator.refuse(Refusal(provider=refused.provider, fingerprint=fingerprint))
            except (HTTPError, Refused, NotReadable) as error:
                if not isinstance(error, Refused) or error.status not in FINAL:
                    await asyncio.sleep(self._rng.uniform(0.5, 1.0) * pause_s)
                    pause_s = min(MAX_PAUSE_S, 2 * pause_s)
                    continue
                logger.warning("the operator did not take that a credential was refused: %s", error)
            pause_s = MIN_PAUSE_S
            self._renewals.told(refused)
