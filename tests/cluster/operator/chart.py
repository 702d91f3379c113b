"""A release's ServiceAccount and rights exactly as the chart grants them, and a sign-in as that account."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.cluster.controlplane.plane import ControlPlane
from tests.cluster.fleet import CHART

_RIGHTS = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}


@dataclass(frozen=True, slots=True)
class Installed:
    """`kubeconfig` signs in as the operator; `arguments` are those that the chart starts it with, by flag."""

    kubeconfig: Path
    arguments: dict[str, str]


def install(plane: ControlPlane, namespace: str, folder: Path, *flags: str) -> Installed:
    """Applies the rights of a release in a namespace, with flags of helm; under a name that no other release has."""
    name = f"--set=fullnameOverride={namespace},rbac.aggregate=false"
    text = plane.helm(
        "template", "pilothouse", str(CHART), f"--namespace={namespace}", "--set=crds.enabled=false", name, *flags
    ).stdout
    documents = [each for each in yaml.safe_load_all(text) if each]
    rights = [each for each in documents if each["kind"] in _RIGHTS]
    plane.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(rights))
    token = plane.kubectl("create", "token", f"{namespace}-operator", f"--namespace={namespace}").stdout.strip()
    (operator,) = [
        each
        for each in documents
        if each["kind"] == "Deployment" and each["metadata"]["name"] == f"{namespace}-operator"
    ]
    given: list[str] = operator["spec"]["template"]["spec"]["containers"][0]["args"]
    return Installed(
        kubeconfig=plane.kubeconfig_for(token=token, path=folder / "operator.kubeconfig"),
        arguments=dict(argument.split("=", 1) for argument in given),
    )
