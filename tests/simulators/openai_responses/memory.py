"""Responses that are stored, for `previous_response_id`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from tests.simulators.openai_chat.errors import BadRequest

_KEPT: Final = 256


class Memory:
    """The last conversations by the id of their last response."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()

    def before(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The items that a request goes on from. Raises BadRequest."""
        previous = body.get("previous_response_id")
        if previous is None:
            return []
        if previous not in self._kept:
            raise BadRequest(
                f"Previous response with id '{previous}' not found.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        return self._kept[previous]

    def keep(self, response: Mapping[str, Any], items: list[dict[str, Any]]) -> None:
        if response["store"]:
            self._kept[response["id"]] = [*items, *response["output"]]
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
