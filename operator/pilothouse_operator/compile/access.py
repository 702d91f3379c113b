"""Who may use a resource of another namespace."""

from collections.abc import Mapping

from pilothouse_api.resources.refs import Access, LabelOperator, LabelRequirement, LabelSelector, NamespacesFrom

Namespaces = Mapping[str, Mapping[str, str]]
"""Labels by namespace."""

NAME_LABEL = "kubernetes.io/metadata.name"
"""The API server sets it on every namespace; a directory of manifests has nobody who does."""


def permits(access: Access | None, *, owner: str, user: str, namespaces: Namespaces) -> bool:
    """Whether namespace `user` may use a resource of namespace `owner`.

    A selector never covers a namespace that the world does not hold: its labels are unknown.
    """
    if user == owner:
        return True
    if access is None or access.namespaces is NamespacesFrom.SAME:
        return False
    if access.selector is None:
        return True
    return user in namespaces and selects(access.selector, user, namespaces[user])


def granted(access: Access | None, *, owner: str, namespaces: Namespaces) -> tuple[str, ...] | None:
    """The further namespaces that may use a resource of `owner`, sorted; None = all."""
    if access is None or access.namespaces is NamespacesFrom.SAME:
        return ()
    if access.selector is None:
        return None
    selector = access.selector
    return tuple(
        sorted(name for name, labels in namespaces.items() if name != owner and selects(selector, name, labels))
    )


def selects(selector: LabelSelector, name: str, labels: Mapping[str, str]) -> bool:
    """Kubernetes' meaning of a label selector: every requirement is met."""
    known = {**labels, NAME_LABEL: name}
    return all(known.get(key) == value for key, value in selector.match_labels.items()) and all(
        _meets(requirement, known) for requirement in selector.match_expressions
    )


def _meets(requirement: LabelRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case LabelOperator.IN:
            return value in requirement.values
        case LabelOperator.NOT_IN:
            # A namespace without the label counts as "not in", as everywhere in Kubernetes.
            return value not in requirement.values
        case LabelOperator.EXISTS:
            return value is not None
        case LabelOperator.DOES_NOT_EXIST:
            return value is None
