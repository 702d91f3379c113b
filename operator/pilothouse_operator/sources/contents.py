"""A document of a manifest file → what it declares: one of our kinds, a Secret or a Namespace. Pure."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.names import API_VERSION, GROUP
from pilothouse_api.secret import Secret
from pilothouse_operator.compile.world import Kind, ResourceKey
from pilothouse_operator.sources.manifests import Document

DEFAULT_NAMESPACE = "default"

# RFC 1123: a subdomain for objects, a label for namespaces.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_MEMBERS = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})
# `$${VAR}` stands for a literal `${VAR}`.
_VARIABLE = re.compile(r"\$?\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One of our resources; `problem` when only its name could be read."""

    key: ResourceKey
    spec: Mapping[str, Any]
    labels: Mapping[str, str]
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredSecret:
    """A Secret; a value that is not UTF-8 is None. `problems` say which values are missing or unreadable."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    values: Mapping[str, Secret | None]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredNamespace:
    """A Namespace: its labels decide who may use what."""

    name: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A manifest of a kind that is not read from directories; no fault."""

    kind: str


Content = Declared | DeclaredSecret | DeclaredNamespace | Foreign


class Unusable(Exception):
    """The document cannot be used at all; the others of its file can."""


def read(document: Document, environ: Mapping[str, str]) -> Content:
    """What `document` declares. `environ` fills in `${VAR}` in a Secret's stringData. Raises Unusable."""
    body = document.body
    api_version, kind = body.get("apiVersion"), body.get("kind")
    if not isinstance(api_version, str) or not isinstance(kind, str):
        raise Unusable("has no apiVersion and kind: it is not a Kubernetes manifest")
    if api_version.partition("/")[0] == GROUP:
        if api_version != API_VERSION or kind not in list(Kind):
            known = ", ".join(Kind)
            raise Unusable(f"{api_version} {kind} is not known; this version reads {API_VERSION} {known}")
        return _declared(Kind(kind), body)
    if (api_version, kind) == ("v1", "Secret"):
        return _secret(body, environ)
    if (api_version, kind) == ("v1", "Namespace"):
        name, _ = _names(body, kind)
        return DeclaredNamespace(name=name, labels=_labels(body, f"Namespace {name}"))
    return Foreign(kind=kind)


def _names(body: Mapping[str, Any], kind: str) -> tuple[str, str]:
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        raise Unusable(f"{kind} has no metadata; it needs metadata.name")
    name, namespace = metadata.get("name"), metadata.get("namespace") or DEFAULT_NAMESPACE
    if name is None:
        raise Unusable(f"{kind} has no metadata.name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Unusable(f"{kind}: metadata.name must be lower-case letters, digits, '-' and '.', at most 253")
    if not isinstance(namespace, str) or not _NAMESPACE.fullmatch(namespace):
        raise Unusable(f"{kind} {name}: metadata.namespace must be lower-case letters, digits and '-', at most 63")
    return name, namespace


def _labels(body: Mapping[str, Any], where: str) -> dict[str, str]:
    labels = body["metadata"].get("labels") or {}
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise Unusable(f"{where}: every value in metadata.labels must be text; put numbers and true/false in quotes")
    return labels


def _declared(kind: Kind, body: Mapping[str, Any]) -> Declared:
    name, namespace = _names(body, kind)
    key = ResourceKey(kind, namespace, name)
    try:
        labels = _labels(body, str(key))
    except Unusable as error:
        problem = Problem(reason=Reason.INVALID, message=str(error), field="metadata.labels")
        return Declared(key=key, spec={}, labels={}, problem=problem)
    spec = body.get("spec")
    unknown = next((member for member in body if member not in _MEMBERS), None)
    if unknown is not None:
        problem = Problem(reason=Reason.INVALID, message="is not a known field", field=unknown)
        return Declared(key=key, spec={}, labels=labels, problem=problem)
    if not isinstance(spec, dict):
        problem = Problem(reason=Reason.INVALID, message=f"{key} has no spec; see the examples", field="spec")
        return Declared(key=key, spec={}, labels=labels, problem=problem)
    return Declared(key=key, spec=spec, labels=labels)


def _secret(body: Mapping[str, Any], environ: Mapping[str, str]) -> DeclaredSecret:
    name, namespace = _names(body, "Secret")
    labels = _labels(body, f"Secret {namespace}/{name}")
    values: dict[str, Secret | None] = {}
    problems: list[str] = []
    for key, value in _entries(body, "data"):
        values[key] = _decoded(value)
        if values[key] is None:
            problems.append(f"data.{key} is not base64 of UTF-8 text; stringData takes plain text")
    # As in Kubernetes, stringData wins over data.
    for key, value in _entries(body, "stringData"):
        values.pop(key, None)
        missing = [m[1] for m in _VARIABLE.finditer(value) if not m[0].startswith("$$") and m[1] not in environ]
        if missing:
            names = ", ".join(sorted(set(missing)))
            problems.append(f"stringData.{key} needs the environment variable {names}, which is not set")
        else:
            values[key] = Secret(_VARIABLE.sub(lambda m: m[0][1:] if m[0].startswith("$$") else environ[m[1]], value))
    return DeclaredSecret(namespace=namespace, name=name, labels=labels, values=values, problems=tuple(problems))


def _entries(body: Mapping[str, Any], field: str) -> Iterator[tuple[str, str]]:
    entries = body.get(field) or {}
    if not isinstance(entries, dict) or not all(isinstance(value, str) for value in entries.values()):
        raise Unusable(f"Secret: every value in {field} must be text; put numbers and true/false in quotes")
    yield from entries.items()


def _decoded(value: str) -> Secret | None:
    try:
        return Secret(base64.b64decode("".join(value.split()), validate=True).decode())
    except (binascii.Error, UnicodeDecodeError):
        return None
