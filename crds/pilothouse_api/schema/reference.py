"""The reference pages: every field, every condition, every reason. Markdown."""

from collections.abc import Iterator

from pilothouse_api.conditions import MEANINGS, OUTCOMES
from pilothouse_api.names import API_VERSION
from pilothouse_api.schema.documents import DEFINITIONS, Definition
from pilothouse_api.schema.structural import Schema, structural

_GENERATED = "<!-- Generated from the types by `make docs`: edit the descriptions there. -->\n"


def pages() -> dict[str, str]:
    """Markdown by file name."""
    kinds = {f"{definition.kind.lower()}.md": _kind(definition) for definition in DEFINITIONS}
    return {**kinds, "conditions.md": _conditions()}


def _kind(definition: Definition) -> str:
    schema = structural(definition.model)
    lines = [
        _GENERATED,
        f"# {definition.kind}",
        "",
        f"`apiVersion: {API_VERSION}`, namespaced, short name `{definition.short}`. {schema['description']}",
        "",
        "Examples are in `examples/manifests/`; conditions are explained in [conditions](conditions.md).",
    ]
    for part in ("spec", "status"):
        lines += ["", f"## {part}", "", "| field | type | | meaning |", "| --- | --- | --- | --- |"]
        lines += _rows(schema["properties"][part], part)
        if rules := list(_rules(schema["properties"][part], part)):
            lines += ["", "Rules:", "", *rules]
    return "\n".join(lines) + "\n"


def _rows(schema: Schema, path: str) -> Iterator[str]:
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        inner = f"{path}.{name}"
        note = "required" if name in required and path.startswith("spec") else _default(field)
        bounds = _bounds(field) if path.startswith("spec") else ""  # those of a status concern nobody who reads it
        meaning = f"{_meaning(field)} {bounds}".strip()
        yield f"| `{inner}` | {_type(field)} | {note} | {meaning} |"
        yield from _rows(field, inner)
        yield from _rows(field.get("items", {}), f"{inner}[]")


def _default(field: Schema) -> str:
    return f"default `{field['default']}`" if "default" in field else ""


def _type(field: Schema) -> str:
    match field["type"]:
        case "array":
            return f"list of {_type(field['items'])}"
        case "object" if "additionalProperties" in field:
            return f"map to {_type(field['additionalProperties'])}"
        case str(plain):
            return plain
    raise ValueError(f"no type: {field}")


def _meaning(field: Schema) -> str:
    items = field.get("items", field)
    parts = [field["description"]]
    if "enum" in items:
        parts.append("One of " + ", ".join(f"`{value}`" for value in items["enum"]) + ".")
    return " ".join(parts).replace("|", "\\|")


def _bounds(field: Schema) -> str:
    spans = (
        ("minimum", "maximum", ""),
        ("minItems", "maxItems", " entries"),
        ("minLength", "maxLength", " characters"),
        ("minProperties", "maxProperties", " entries"),
    )
    for low, high, unit in spans:
        if low in field and high in field:
            return f"Between {field[low]:,} and {field[high]:,}{unit}."
        if high in field:
            return f"At most {field[high]:,}{unit}."
    return ""


def _rules(schema: Schema, path: str) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield f"- `{path}`: {rule['message']}."
    for name, field in schema.get("properties", {}).items():
        yield from _rules(field, f"{path}.{name}")
    if "items" in schema:
        yield from _rules(schema["items"], f"{path}[]")


def _conditions() -> str:
    lines = [
        _GENERATED,
        "# Conditions",
        "",
        "Every resource says in `status.conditions` what became of it. Types and reasons are closed sets; messages "
        "name the field and what to do, and never hold a secret. Each condition carries `observedGeneration`.",
    ]
    for kind, meaning in MEANINGS.items():
        lines += ["", f"## {kind.value}", "", meaning]
        if kind in OUTCOMES:
            lines += ["", "| status | reason | meaning |", "| --- | --- | --- |"]
            lines += [
                f"| {status.value} | {reason.value} | {text} |" for (status, reason), text in OUTCOMES[kind].items()
            ]
    return "\n".join(lines) + "\n"
