"""The chart, as helm and the API server see it."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilothouse import run_proxy
from tests.cluster.controlplane.plane import ControlPlane

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "pilothouse"
VALUES = sorted((ROOT / "examples" / "helm").glob("values-*.yaml"))
Kubectl = Callable[..., subprocess.CompletedProcess[str]]


def values_id(path: Path | None) -> str:
    return path.stem if path else "defaults"


every_values = pytest.mark.parametrize("values", [None, *VALUES], ids=values_id)


def rendered(plane: ControlPlane, values: Path | None, *more: str) -> str:
    files = [f"--values={values}"] if values else []
    return plane.helm("template", "pilothouse", str(CHART), *files, *more).stdout


def documents(text: str) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(text) if document]


def pods(text: str) -> Iterator[dict[str, Any]]:
    """Pod specs of everything that makes pods."""
    for document in documents(text):
        if document["kind"] == "Deployment":
            yield document["spec"]["template"]["spec"]
        elif document["kind"] == "Pod":
            yield document["spec"]


@every_values
def test_helm_lints_it_strictly(control_plane: ControlPlane, values: Path | None) -> None:
    files = [f"--values={values}"] if values else []
    assert "0 chart(s) failed" in control_plane.helm("lint", "--strict", str(CHART), *files).stdout


@every_values
def test_the_api_server_accepts_every_object_of_a_render(
    control_plane: ControlPlane, namespace: str, values: Path | None
) -> None:
    for team in ("team-a", "team-b"):
        control_plane.kubectl("create", "namespace", team, check=False)
    text = rendered(control_plane, values, f"--namespace={namespace}")
    done = control_plane.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text
    )
    assert len(done.stdout.splitlines()) == len(documents(text))


@every_values
def test_pods_pass_the_restricted_pod_security_standard(
    control_plane: ControlPlane, namespace: str, values: Path | None
) -> None:
    control_plane.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    for spec in pods(rendered(control_plane, values)):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "pod-", "namespace": namespace}}
        pod["spec"] = {
            key: value for key, value in spec.items() if key not in {"serviceAccountName", "priorityClassName"}
        }
        control_plane.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))


def test_a_gateway_waits_for_the_ca_of_its_operator(control_plane: ControlPlane) -> None:
    gateway = [spec for spec in pods(rendered(control_plane, None)) if spec["containers"][0]["name"] == "proxy"]
    assert [volume["configMap"] for volume in gateway[0]["volumes"] if "configMap" in volume] == [
        {"name": "pilothouse-ca"}
    ]


@every_values
def test_a_gateway_s_arguments_are_ones_that_the_proxy_takes(control_plane: ControlPlane, values: Path | None) -> None:
    for spec in pods(rendered(control_plane, values)):
        for container in spec["containers"]:
            if container["name"] == "proxy":
                options = run_proxy._parser({}).parse_args(container["args"])
                assert options.max_body_size >= 25 << 20


def test_a_gateway_with_a_certificate_serves_over_tls_and_is_probed_without(control_plane: ControlPlane) -> None:
    flags = ("--set=gateway.tls.secretName=main", "--set=gateway.tls.sniSecretNames={one,two}")
    text = rendered(control_plane, None, *flags)
    (spec,) = [spec for spec in pods(text) if spec["containers"][0]["name"] == "proxy"]
    (container,) = spec["containers"]
    assert {"--tls-cert=/var/run/pilothouse/tls/tls.crt", "--tls-sni-dir=/var/run/pilothouse/sni"} < {
        *container["args"]
    }
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    secrets = {volume["name"]: volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
    assert {secret: mounts[name] for name, secret in secrets.items()} == {
        "main": "/var/run/pilothouse/tls",
        "one": "/var/run/pilothouse/sni/one",
        "two": "/var/run/pilothouse/sni/two",
    }
    assert {container[probe]["httpGet"]["port"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")} == {
        "admin"
    }
    (service,) = [
        each for each in documents(text) if each["kind"] == "Service" and each["metadata"]["name"].endswith("gateway")
    ]
    assert service["spec"]["ports"] == [{"name": "https", "port": 443, "targetPort": "https", "appProtocol": "https"}]


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("gateway.limits.maxBodySize=25MB", "maxBodySize"),
        ("gateway.limits.headerTimeout=10", "headerTimeout"),
        ("gateway.limits.maxConnections=0", "maxConnections"),
        ("gateway.limits.maxBodies=1", "maxBodies"),
        ("gateway.tls.sniSecretNames={a}", "sniSecretNames"),
    ],
)
def test_a_limit_that_is_none_is_refused(control_plane: ControlPlane, setting: str, complaint: str) -> None:
    done = control_plane.helm("template", "x", str(CHART), f"--set={setting}", check=False)
    assert done.returncode
    assert complaint in done.stderr


@pytest.mark.parametrize("values", VALUES, ids=values_id)
def test_a_misspelt_value_is_refused(control_plane: ControlPlane, values: Path) -> None:
    done = control_plane.helm("template", "x", str(CHART), f"--values={values}", "--set=gateway.replica=3", check=False)
    assert done.returncode
    assert "'replica' not allowed" in done.stderr


@every_values
def test_no_rule_is_a_wildcard_or_lets_the_operator_raise_its_rights(
    control_plane: ControlPlane, values: Path | None
) -> None:
    roles = [each for each in documents(rendered(control_plane, values)) if each["kind"] in {"Role", "ClusterRole"}]
    assert roles
    for role in roles:
        for rule in role["rules"]:
            assert "*" not in rule["verbs"] + rule.get("resources", []) + rule.get("apiGroups", [])
            assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"])
            assert not {"roles", "clusterroles", "rolebindings", "clusterrolebindings"} & set(rule.get("resources", []))


def test_the_operator_may_not_write_what_users_wrote(control_plane: ControlPlane) -> None:
    operator = [
        each
        for each in documents(rendered(control_plane, None))
        if each["kind"] == "ClusterRole" and each["metadata"]["name"].endswith("-operator")
    ]
    ours = [rule for role in operator for rule in role["rules"] if "pilothouse.dev" in rule.get("apiGroups", [])]
    writing = [rule for rule in ours if set(rule["verbs"]) - {"get", "list", "watch"}]
    assert writing
    for rule in writing:
        assert rule["verbs"] == ["get", "patch"]
        assert all(resource.endswith("/status") for resource in rule["resources"])


def test_named_secrets_are_all_that_a_restricted_operator_may_read(control_plane: ControlPlane) -> None:
    text = rendered(control_plane, ROOT / "examples" / "helm" / "values-restricted.yaml")
    grants = {
        (document["kind"], document["metadata"].get("namespace")): rule.get("resourceNames")
        for document in documents(text)
        if document["kind"] in {"Role", "ClusterRole"} and document["metadata"]["name"].endswith("-secrets")
        for rule in document["rules"]
    }
    # team-a also has API keys, which are found by label: no names can bind that.
    assert grants == {("Role", "team-a"): None, ("Role", "team-b"): ["bedrock-access-key", "azure-openai"]}


def test_definitions_stay_when_the_release_goes_unless_told_otherwise(control_plane: ControlPlane) -> None:
    def kept(*flags: str) -> set[str | None]:
        return {
            document["metadata"].get("annotations", {}).get("helm.sh/resource-policy")
            for document in documents(rendered(control_plane, None, *flags))
            if document["kind"] == "CustomResourceDefinition"
        }

    assert kept() == {"keep"}
    assert kept("--set=crds.keep=false") == {None}
    assert kept("--set=crds.enabled=false") == set()


def test_names_fit_whatever_the_release_is_called(control_plane: ControlPlane) -> None:
    long = "r" * 53
    text = control_plane.helm("template", long, str(CHART), "--set=fullnameOverride=" + "n" * 63).stdout
    assert all(len(document["metadata"]["name"]) <= 63 for document in documents(text))


def test_install_upgrade_roll_back_and_uninstall(control_plane: ControlPlane, namespace: str) -> None:
    install = ("--namespace", namespace, "--set", "crds.enabled=false")
    control_plane.helm("install", "trial", str(CHART), *install)
    control_plane.helm("upgrade", "trial", str(CHART), *install, "--set", "gateway.replicas=3")
    gateway = control_plane.get("deployment", "trial-pilothouse-gateway", "-n", namespace)
    assert gateway["spec"]["replicas"] == 3
    control_plane.helm("rollback", "trial", "1", "--namespace", namespace)
    gateway = control_plane.get("deployment", "trial-pilothouse-gateway", "-n", namespace)
    assert gateway["spec"]["replicas"] == 2
    control_plane.helm("uninstall", "trial", "--namespace", namespace)
    left = control_plane.get("deployments,services,serviceaccounts,roles,rolebindings", "-n", namespace)
    assert [item["metadata"]["name"] for item in left["items"] if item["metadata"]["name"] != "default"] == []
