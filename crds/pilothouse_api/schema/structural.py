"""A pydantic model's JSON schema → a structural schema, as CRDs demand it.

Rules: kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions, "Specifying a structural
schema". No `$ref`, no null types, no titles; objects without `additionalProperties: false`, since pruning does that.
"""

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_KEPT = (
    "description", "type", "format", "default", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum",
    "minItems", "maxItems", "minProperties", "maxProperties", "required",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations",
)  # fmt: skip
_NESTED = ("properties", "items", "additionalProperties")
_DROPPED = ("title", "$defs", "examples", "propertyNames")


def structural(model: type[BaseModel]) -> Schema:
    """The schema of `model` by the names of the manifest.

    Raises:
        ValueError: the types say something that a structural schema cannot; the message names the path.
    """
    written = model.model_json_schema(by_alias=True, mode="validation")
    return _converted(written, written.get("$defs", {}), model.__name__)


def _converted(schema: Schema, definitions: Schema, path: str) -> Schema:
    schema = _inlined(schema, definitions, path)
    unknown = set(schema) - {*_KEPT, *_NESTED, *_DROPPED}
    if unknown:
        raise ValueError(f"{path}: a structural schema has no {', '.join(sorted(unknown))}")
    result = {key: schema[key] for key in _KEPT if key in schema}
    if not isinstance(result.get("default", ""), str | int):
        # Defaults stand on leaves only: one on a list or an object would be owned by nobody after a server-side apply.
        del result["default"]
    if schema.get("properties") == {}:
        # The API server does not keep an empty table of properties. That none is allowed has to be said otherwise.
        result["maxProperties"] = 0
    elif "properties" in schema:
        result["properties"] = {
            name: _converted(field, definitions, f"{path}.{name}") for name, field in schema["properties"].items()
        }
    if "items" in schema:
        result["items"] = _converted(schema["items"], definitions, f"{path}[]")
    if isinstance(values := schema.get("additionalProperties"), dict):
        result["additionalProperties"] = _converted(values, definitions, f"{path}.*")
    return result


def _inlined(schema: Schema, definitions: Schema, path: str) -> Schema:
    """Without references and nulls; what stands beside a reference (the field's own description) wins."""
    schema = dict(schema)
    if "anyOf" in schema:
        members = [member for member in schema.pop("anyOf") if member != {"type": "null"}]
        if len(members) != 1:
            raise ValueError(f"{path}: a structural schema has no unions of types")
        schema = {**members[0], **{key: value for key, value in schema.items() if (key, value) != ("default", None)}}
    if "$ref" in schema:
        target = definitions[schema.pop("$ref").removeprefix("#/$defs/")]
        return _inlined({**target, **schema}, definitions, path)
    return schema
