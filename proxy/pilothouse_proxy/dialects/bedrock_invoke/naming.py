"""What the table of a family says of a model, by its name: an id, a profile, an ARN, or the manifest's `family`."""

from collections.abc import Mapping
from typing import TypeVar

from pilothouse_api.snapshot.providers import Model

T = TypeVar("T")


def fitting(model: Model, table: Mapping[str, T], otherwise: T) -> T:
    """The value of the longest key that the model's family or name holds."""
    for name in (model.family, model.upstream):
        fits = [] if name is None else [key for key in table if key in name.lower()]
        if fits:
            return table[max(fits, key=len)]
    return otherwise
