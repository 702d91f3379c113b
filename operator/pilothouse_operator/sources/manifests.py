"""Text of a manifest file → documents. Reads YAML as `kubectl` does: a manifest means the same in both places."""

import enum
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
_JSON_SCALARS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null"))


# libyaml's words for what is nearly always the same mistake.
_ADVICE = {
    "found character that cannot start any token": " (indent with spaces: YAML takes no tabs)",
    "did not find expected key": " (is the indentation right?)",
    "mapping values are not allowed in this context": " (is the indentation right, and text with ': ' in quotes?)",
}


class Syntax(enum.Enum):
    """How a file is written, by its extension."""

    YAML = "yaml"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One manifest. `line` (from 1) is where it begins; items of a `List` all begin where the list does."""

    line: int
    body: Mapping[str, Any]


class Malformed(Exception):
    """The file cannot be read as manifests. `line` from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


def parse(text: str, syntax: Syntax) -> tuple[Document, ...]:
    """All documents of one file, those of a `kind: List` unfolded; empty ones are left out. Raises Malformed."""
    try:
        documents = _json(text) if syntax is Syntax.JSON else _yaml(text)
        return tuple(item for document in documents for item in _unfold(document))
    except RecursionError:
        raise Malformed(1, "nested too deeply") from None


class _Loader(yaml.CSafeLoader):
    """YAML 1.1 without dates: an unquoted `2024-10-21` stays text, as in kubectl."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_TAG + "timestamp", _TAG + "value")]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _yaml(text: str) -> Iterator[Document]:
    try:
        loader = _Loader(text)
        try:
            while loader.check_node():
                node = loader.get_node()
                if node is not None:
                    _check(node)
                    yield from _document(node.start_mark.line + 1, loader.construct_document(node))
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "not YAML"
        raise Malformed(mark.line + 1 if mark else 1, problem + _ADVICE.get(problem, "")) from None
    except yaml.YAMLError as error:
        # A reader error: bytes that YAML forbids. It carries a position in the text, not a line.
        position = getattr(error, "position", None)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 1
        raise Malformed(line, f"not YAML: {getattr(error, 'reason', 'unreadable')}") from None


def _check(root: yaml.Node) -> None:
    """Refuses what kubectl would refuse or silently change: other keys than text, a key twice, values JSON lacks."""
    seen: set[int] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
            stack.extend(value for _, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            stack.extend(node.value)
        elif node.tag not in _JSON_SCALARS:
            raise Malformed(node.start_mark.line + 1, f"a value of type {node.tag} has no place in a manifest")


def _check_keys(node: yaml.MappingNode) -> None:
    names: set[str] = set()
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if key.tag == _TAG + "merge":
            continue
        if key.tag != _TAG + "str":
            shown = key.value if isinstance(key, yaml.ScalarNode) else "of several parts"
            kind = key.tag.removeprefix(_TAG)
            raise Malformed(line, f"the key {shown} is read as {kind}, not as text: put it in quotes")
        if key.value in names:
            raise Malformed(line, f"the key {key.value} appears twice")
        names.add(key.value)


def _json(text: str) -> Iterator[Document]:
    if not text.strip():
        return
    try:
        body = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Malformed(error.lineno, error.msg) from None
    except ValueError as error:
        raise Malformed(1, str(error)) from None
    yield from _document(1, body)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {key} appears twice")
        result[key] = value
    return result


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON value")


def _document(line: int, body: object) -> Iterator[Document]:
    if body is None:
        return
    if not isinstance(body, dict):
        raise Malformed(line, "a manifest is a mapping with apiVersion, kind and metadata")
    yield Document(line=line, body=body)


def _unfold(document: Document) -> Iterator[Document]:
    """`kubectl get -o yaml` writes several objects as one `List`."""
    if document.body.get("kind") != "List":
        yield document
        return
    items = document.body.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Malformed(document.line, "the items of a List are a sequence of manifests")
    for item in items:
        yield Document(line=document.line, body=item)
