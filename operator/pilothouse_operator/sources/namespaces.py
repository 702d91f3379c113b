"""Labels of Namespaces: `access` by selector rests on them."""

import asyncio
import logging
import random
from collections.abc import Mapping

from pilothouse_operator.kube import follow, resources
from pilothouse_operator.kube.errors import Forbidden, KubeError
from pilothouse_operator.kube.requests import Api, Listing
from pilothouse_operator.kube.stream import EventType
from pilothouse_operator.ports import Changed
from pilothouse_operator.sources.ledger import Item, Ledger, Move, Sight

_log = logging.getLogger(__name__)

_PATIENCE_S = 2.0


class Namespaces:
    """All Namespaces, or those named. Without the right to see them, none: selectors then fit nobody."""

    def __init__(self, *, api: Api, names: tuple[str, ...], rng: random.Random) -> None:
        self._api = api
        self._rng = rng
        self._ledgers = {name: Ledger(read=_labels, same=_equal) for name in names or ("",)}
        self._answered: set[str] = set()

    @property
    def answered(self) -> bool:
        """Whether each was read once, or refused."""
        return len(self._answered) == len(self._ledgers)

    @property
    def labels(self) -> Mapping[str, Mapping[str, str]]:
        """By name of the Namespace."""
        return {
            name: labels for ledger in self._ledgers.values() for (_, name), labels in sorted(ledger.values().items())
        }

    async def run(self, changed: Changed) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name in self._ledgers:
                group.create_task(self._follow(name, changed))

    async def _follow(self, name: str, changed: Changed) -> None:
        fields = f"metadata.name={name}" if name else ""
        following = follow.Following(kind=resources.NAMESPACES, fields=fields, patience_s=_PATIENCE_S)
        ledger = self._ledgers[name]
        async for news in follow.follow(self._api, following, self._rng):
            if isinstance(news, KubeError):
                if not isinstance(news, Forbidden):
                    continue
                if name not in self._answered:
                    _log.warning("labels of namespaces are not seen, `access` by selector fits nobody: %s", news)
                move = Move.CONTENT
            elif isinstance(news, Listing):
                move = ledger.take(news.items, int(news.version))
            else:
                move = ledger.see(news.object, Sight.ABSENT if news.type is EventType.DELETED else Sight.PRESENT)
            if name not in self._answered or move is Move.CONTENT:
                self._answered.add(name)
                changed()


def _labels(item: Item) -> dict[str, str]:
    return dict(item["metadata"].get("labels") or {})


def _equal(before: dict[str, str], after: dict[str, str]) -> bool:
    return before == after
