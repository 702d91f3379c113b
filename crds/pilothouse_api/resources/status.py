"""What status holds in every kind."""

import enum
from typing import Annotated

from pydantic import Field

from pilothouse_api.resources.rules import Part, UniqueBy

Generation = Annotated[int, Field(ge=0, le=2**53, json_schema_extra={"format": "int64"})]
Count = Annotated[int, Field(ge=0, le=2**53, json_schema_extra={"format": "int64"})]
Timestamp = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]


class Truth(enum.StrEnum):
    """As the API conventions of Kubernetes spell it."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class ConditionEntry(Part):
    """One condition, as the API conventions of Kubernetes lay it out."""

    type: Annotated[str, Field(min_length=1, max_length=64, pattern="^[A-Za-z]([A-Za-z0-9_.]*[A-Za-z0-9])?$")] = Field(
        description="What the condition is about."
    )
    status: Truth = Field(description="Whether it holds.")
    reason: Annotated[str, Field(min_length=1, max_length=64, pattern="^[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?$")] = Field(
        description="Why, as one word of a closed set."
    )
    message: Annotated[str, Field(max_length=1024)] = Field(
        description="Why, for the reader: what happened, in which field, and what to do."
    )
    observed_generation: Generation | None = Field(
        default=None, description="The generation of the spec that it speaks of."
    )
    last_transition_time: Timestamp = Field(description="When `status` last changed.")


class Status(Part):
    """Written by the operator alone."""

    observed_generation: Generation | None = Field(
        default=None, description="The generation of the spec that this status speaks of."
    )
    conditions: Annotated[tuple[ConditionEntry, ...], Field(max_length=16), UniqueBy("type")] = Field(
        default=(), description="The verdicts on this resource; `Ready` sums them up."
    )


class Programmed(Part):
    """How far the proxies have come."""

    applied: Count = Field(description="Proxies that run this generation.")
    total: Count = Field(description="Proxies that should.")
    summary: Annotated[str, Field(max_length=24)] = Field(description="Both as `applied/total`.")
    laggards: Annotated[tuple[Annotated[str, Field(max_length=253)], ...], Field(max_length=5)] = Field(
        default=(), description="Names of at most five pods that do not run it yet."
    )
