"""Keeping up with a collection: list, watch from there, and again, for as long as somebody listens."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

from pilothouse_operator.kube.errors import Forbidden, Gone, KubeError, NotFound, Unauthorized, Unavailable
from pilothouse_operator.kube.requests import Api, Listing
from pilothouse_operator.kube.resources import ApiResource
from pilothouse_operator.kube.stream import Event, EventType

_FIRST_S = 0.25
# A stream that lasted for so long shows that all is well again.
_STEADY_S = 5.0
# What is refused is not asked for more often, however much depends on it.
_REFUSED_S = 30.0
_LIST_DEADLINE_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """What to follow. `patience_s`: the longest pause between two tries while the API server is away."""

    kind: ApiResource
    namespace: str | None = None
    labels: str = ""
    fields: str = ""
    patience_s: float = 10.0


async def follow(api: Api, following: Following, rng: random.Random) -> AsyncIterator[Listing | Event | KubeError]:
    """Endless: each listing is the whole truth, the events after it what changed; an error is told, then tried again.

    Every stream that ends, however, is followed by a listing: absence is a state, not an event that may be missed.
    """
    loop = asyncio.get_running_loop()
    backoff = _FIRST_S
    while True:
        began, asked = loop.time(), 0.0
        try:
            listing = await api.list(
                following.kind,
                namespace=following.namespace,
                labels=following.labels,
                fields=following.fields,
                deadline_s=_LIST_DEADLINE_S,
            )
            yield listing
            stream = api.watch(
                following.kind,
                version=listing.version,
                namespace=following.namespace,
                labels=following.labels,
                fields=following.fields,
            )
            async for event in stream:
                if event.type is not EventType.BOOKMARK:
                    yield event
        except Gone:
            pass  # no fault of anybody's: the listing that follows is the answer
        except (Forbidden, NotFound, Unauthorized) as error:
            yield error
            asked = _REFUSED_S * rng.uniform(1, 1.2)
        except KubeError as error:
            yield error
            asked = error.retry_after_s if isinstance(error, Unavailable) else 0.0
        # A listing alone is no recovery: a server that answers it and ends each watch at once would be asked for ever.
        backoff = _FIRST_S if loop.time() - began >= _STEADY_S else min(backoff * 2, following.patience_s)
        await asyncio.sleep(max(rng.uniform(0, backoff), asked))
