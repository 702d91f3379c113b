"""What every part of a manifest is made of, and rules that hold on both sides.

A `Rule` says one thing twice: in CEL for the API server, which refuses at apply, and in Python for a directory of
manifests, which no API server has seen. Both give the same message.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

VALIDATIONS = "x-kubernetes-validations"
LIST_TYPE = "x-kubernetes-list-type"
LIST_MAP_KEYS = "x-kubernetes-list-map-keys"
ERROR_TYPE = "pilothouse_rule"
"""pydantic's `type` of an error that a rule raised: its message is for the reader as it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`holds` gets the parsed value. None marks a transition rule: only the API server knows the former object."""

    cel: str
    message: str
    holds: Callable[[Any], bool] | None

    def check(self, value: Any) -> None:
        """Raises PydanticCustomError with the rule's message where it does not hold."""
        if self.holds is not None and not self.holds(value):
            raise refusal(self.message)


def refusal(message: str) -> PydanticCustomError:
    """An error whose message reaches the reader unchanged."""
    return PydanticCustomError(ERROR_TYPE, "{message}", {"message": message})


def _written(rules: Iterable[Rule]) -> list[dict[str, str]]:
    return [{"rule": rule.cel, "message": rule.message} for rule in rules]


class Part(BaseModel):
    """One object of a manifest: camelCase, immutable, unknown fields refused (`parse` decides what becomes of them)."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="forbid", hide_input_in_errors=True)
    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Adds the rules, where there are any: a validator that has nothing to check would still cost its call."""
        schema = handler(source)
        return core_schema.no_info_after_validator_function(cls._hold, schema) if cls.rules else schema

    def _hold(self) -> Self:
        for rule in self.rules:
            rule.check(self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Adds the rules to the schema of the object. pydantic asks twice, for it and for what wraps it."""
        written = handler.resolve_ref_schema(handler(schema))
        if cls.rules:
            written[VALIDATIONS] = _written(cls.rules)
        return written


class Checked:
    """Annotation that puts rules on one field."""

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Checks after the field's own bounds, as the API server does."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: Any) -> Any:
        for rule in self.rules:
            rule.check(value)
        return value

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Adds the rules to the schema of the field."""
        return {**handler(schema), VALIDATIONS: _written(self.rules)}


class UniqueBy:
    """Annotation of a list whose entries differ in the named fields (camelCase): a `map` list to the API server."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The uniqueness that the API server gives to `map` lists."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _key(self, entry: Part) -> Hashable:
        attributes = {field.alias or name: name for name, field in type(entry).model_fields.items()}
        return tuple(getattr(entry, attributes[key]) for key in self.keys)

    def _check(self, entries: tuple[Part, ...]) -> tuple[Part, ...]:
        _refuse_repeats([self._key(entry) for entry in entries], " and ".join(self.keys))
        return entries

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Says that the list is a map."""
        return {**handler(schema), LIST_TYPE: "map", LIST_MAP_KEYS: list(self.keys)}


class Distinct:
    """Annotation of a list of plain values without repeats: a `set` list to the API server."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The uniqueness that the API server gives to `set` lists."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, entries: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
        _refuse_repeats(entries, "value")
        return entries

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Says that the list is a set."""
        return {**handler(schema), LIST_TYPE: "set"}


class Atomic:
    """Annotation of a list that is replaced as a whole (its order means something, or no field is its key)."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Says that the list is atomic."""
        return {**handler(schema), LIST_TYPE: "atomic"}


def _refuse_repeats(keys: Iterable[Hashable], named: str) -> None:
    seen: set[Hashable] = set()
    for index, key in enumerate(keys):
        if key in seen:
            raise refusal(f"entry {index} repeats the {named} of an earlier one")
        seen.add(key)
