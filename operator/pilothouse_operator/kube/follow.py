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
    backoff = _FIRST_S
    while True:
        pause = 0.0
        try:
            listing = await api.list(
                following.kind,
                namespace=following.namespace,
                labels=following.labels,
                fields=following.fields,
                deadline_s=_LIST_DEADLINE_S,
            )
            backoff = _FIRST_S
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
            pause = rng.uniform(0, _FIRST_S)
        except (Forbidden, NotFound, Unauthorized) as error:
            yield error
            pause = _REFUSED_S * rng.uniform(1, 1.2)
        except KubeError as error:
            yield error
            asked = error.retry_after_s if isinstance(error, Unavailable) else 0.0
            pause = max(rng.uniform(0, backoff), asked)
            backoff = min(backoff * 2, following.patience_s)
        await asyncio.sleep(pause)
