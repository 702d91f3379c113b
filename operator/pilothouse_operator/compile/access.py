"""Who may use a resource of another namespace."""

from collections.abc import Mapping

from pilothouse_api.resources.refs import Access, LabelOperator, LabelRequirement, LabelSelector, NamespacesFrom

Namespaces = Mapping[str, Mapping[str, str]]
"""Labels by namespace, as `labelled` makes them: sorted, with the name among the labels."""

NAME_LABEL = "kubernetes.io/metadata.name"
"""The API server sets it on every namespace; a directory of manifests has nobody who does."""


def labelled(namespaces: Mapping[str, Mapping[str, str]]) -> Namespaces:
    """Ready to be selected from: once a compilation, not once a selector."""
    return {name: {**namespaces[name], NAME_LABEL: name} for name in sorted(namespaces)}


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
    return user in namespaces and selects(access.selector, namespaces[user])


def granted(access: Access | None, *, owner: str, namespaces: Namespaces) -> tuple[str, ...] | None:
    """The further namespaces that may use a resource of `owner`, sorted; None = all."""
    if access is None or access.namespaces is NamespacesFrom.SAME:
        return ()
    if access.selector is None:
        return None
    selector = access.selector
    return tuple(name for name, labels in namespaces.items() if name != owner and selects(selector, labels))


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Kubernetes' meaning of a label selector: every requirement is met."""
    if not selector.match_labels.items() <= labels.items():
        return False
    return all(_meets(requirement, labels) for requirement in selector.match_expressions)


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
