"""The CustomResourceDefinitions."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from pilothouse_api.names import API_VERSION, GROUP
from pilothouse_api.resources.provider import LLMProvider
from pilothouse_api.resources.quota import UsageQuota
from pilothouse_api.resources.route import ModelRoute
from pilothouse_api.schema.structural import Schema, structural


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What `kubectl get` shows; `wide` ones only with `-o wide`."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One kind."""

    model: type[BaseModel]
    plural: str
    short: str
    columns: tuple[Column, ...]

    @property
    def kind(self) -> str:
        """As in manifests."""
        return self.model.__name__


def _of_condition(name: str, condition: str, field: str, *, priority: int = 0) -> Column:
    return Column(name=name, path=f'.status.conditions[?(@.type=="{condition}")].{field}', priority=priority)


_AGE = Column(name="Age", path=".metadata.creationTimestamp", type="date")
_READY = _of_condition("Ready", "Ready", "status")

DEFINITIONS = (
    Definition(
        model=LLMProvider,
        plural="llmproviders",
        short="llmp",
        columns=(
            Column(name="Provider", path=".status.kind"),
            _READY,
            _of_condition("Reason", "Ready", "reason"),
            Column(name="Models", path=".status.models", type="integer", priority=1),
            Column(name="Credential", path=".status.credential.kind", priority=1),
            # A column of type date would say how long ago it was, of a time to come.
            Column(name="Expires", path=".status.credential.expiresAt", priority=1),
            _AGE,
        ),
    ),
    Definition(
        model=ModelRoute,
        plural="modelroutes",
        short="mroute",
        columns=(
            Column(name="Models", path=".spec.models"),
            Column(name="Programmed", path=".status.programmed.summary"),
            _READY,
            _of_condition("Reason", "Ready", "reason", priority=1),
            Column(name="Targets", path=".status.targets.summary", priority=1),
            _AGE,
        ),
    ),
    Definition(
        model=UsageQuota,
        plural="usagequotas",
        short="uquota",
        columns=(
            Column(name="Per", path=".spec.per"),
            Column(name="Used", path=".status.used"),
            Column(name="Resets", path=".status.resetsAt"),
            _of_condition("Exceeded", "Exceeded", "status"),
            _READY,
            _AGE,
        ),
    ),
)


def documents() -> dict[str, dict[str, Any]]:
    """Every CRD by the plural of its kind, ready to be written as YAML."""
    return {definition.plural: _document(definition) for definition in DEFINITIONS}


def _document(definition: Definition) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{definition.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": definition.kind,
                "listKind": f"{definition.kind}List",
                "plural": definition.plural,
                "singular": definition.kind.lower(),
                "shortNames": [definition.short],
                "categories": ["pilothouse"],
            },
            "versions": [
                {
                    "name": API_VERSION.removeprefix(f"{GROUP}/"),
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in definition.columns],
                    "schema": {"openAPIV3Schema": _whole(definition)},
                }
            ],
        },
    }


def _column(column: Column) -> dict[str, Any]:
    written: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    return written | ({"priority": column.priority} if column.priority else {})


def _whole(definition: Definition) -> Schema:
    schema = structural(definition.model)
    described = {
        "apiVersion": {"type": "string", "description": "Version of this kind's schema."},
        "kind": {"type": "string", "description": f"`{definition.kind}`."},
        "metadata": {"type": "object"},
    }
    schema["properties"] = described | schema["properties"]
    return schema
