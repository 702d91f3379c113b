"""Names, references to other objects, and who may use what."""

import enum
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from pilothouse_api.resources.rules import Atomic, Distinct, Part, Rule

LABEL = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DATA_KEY = "^[-._a-zA-Z0-9]+$"
MODEL = "^[!-)+-~]+$"
MODELS = "^[!-)+-~]*[*]?$"
VISIBLE = "^[!-~]+$"
SUBDOMAIN = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=SUBDOMAIN)]
NamespaceName = Annotated[str, Field(min_length=1, max_length=63, pattern=LABEL)]
SecretDataKey = Annotated[str, Field(min_length=1, max_length=253, pattern=DATA_KEY)]

# Printable ASCII without a blank; `*` is kept for prefixes.
ModelText = Annotated[str, Field(min_length=1, max_length=253, pattern=MODEL)]
ModelPattern = Annotated[str, Field(min_length=1, max_length=253, pattern=MODELS)]
UpstreamText = Annotated[str, Field(min_length=1, max_length=2048, pattern=VISIBLE)]


class ProviderRef(Part):
    """An LLMProvider."""

    name: ObjectName = Field(description="Name of the LLMProvider.")
    namespace: NamespaceName | None = Field(
        default=None,
        description="Namespace of the LLMProvider; the route's own if absent. The `access` of a provider elsewhere "
        "must permit this namespace.",
    )


class SecretKeyRef(Part):
    """One key of one Secret."""

    name: ObjectName = Field(description="Name of the Secret, in the namespace of this resource.")
    key: SecretDataKey = Field(description="Key in the Secret's data that holds the value.")


class ClusterSecret(Part):
    """A value kept in a Kubernetes Secret, and nowhere else: what signing in to other stores takes."""

    secret_key_ref: SecretKeyRef = Field(description="A key of a Secret in the same namespace.")


class NamespacesFrom(enum.StrEnum):
    """Which namespaces a grant covers."""

    SAME = "Same"
    ALL = "All"
    SELECTOR = "Selector"


class LabelOperator(enum.StrEnum):
    """As in every label selector of Kubernetes."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


LabelKey = Annotated[str, Field(min_length=1, max_length=317, pattern="^[-._a-zA-Z0-9/]+$")]
LabelValue = Annotated[str, Field(max_length=63, pattern="^([a-zA-Z0-9]([-._a-zA-Z0-9]*[a-zA-Z0-9])?)?$")]


class LabelRequirement(Part):
    """One requirement on a label."""

    key: LabelKey = Field(description="The label's key.")
    operator: LabelOperator = Field(description="How the label is compared with `values`.")
    values: Annotated[tuple[LabelValue, ...], Field(max_length=64), Distinct()] = Field(
        default=(), description="Values to compare with; only for In and NotIn, which need at least one."
    )

    rules = (
        Rule(
            cel="(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
            message="values are needed with In and NotIn, and not allowed with Exists and DoesNotExist",
            holds=lambda it: (it.operator in (LabelOperator.IN, LabelOperator.NOT_IN)) == bool(it.values),
        ),
    )


class LabelSelector(Part):
    """Selects namespaces by their labels; all requirements must be met."""

    match_labels: Annotated[Mapping[str, LabelValue], Field(max_length=16)] = Field(
        default_factory=dict, description="Labels that a namespace must have, with these values."
    )
    match_expressions: Annotated[tuple[LabelRequirement, ...], Field(max_length=16), Atomic()] = Field(
        default=(), description="Requirements on labels that a namespace must meet."
    )

    rules = (
        Rule(
            cel="(has(self.matchLabels) && self.matchLabels.size() > 0) || "
            "(has(self.matchExpressions) && self.matchExpressions.size() > 0)",
            message="an empty selector would select every namespace: say namespaces: All",
            holds=lambda it: bool(it.match_labels or it.match_expressions),
        ),
    )


class Access(Part):
    """Which namespaces may use this resource, besides its own."""

    namespaces: NamespacesFrom = Field(
        default=NamespacesFrom.SAME,
        description="`Same`: only this resource's namespace. `All`: every namespace. `Selector`: those that "
        "`selector` selects, and this resource's own.",
    )
    selector: LabelSelector | None = Field(
        default=None, description="Selects namespaces by label; only with `namespaces: Selector`."
    )

    rules = (
        Rule(
            cel="(self.namespaces == 'Selector') == has(self.selector)",
            message="selector is needed with namespaces: Selector, and not allowed otherwise",
            holds=lambda it: (it.namespaces is NamespacesFrom.SELECTOR) == (it.selector is not None),
        ),
    )
