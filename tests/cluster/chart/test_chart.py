"""The chart, as helm and the API server see it."""

import subprocess
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilothouse import run_operator, run_proxy
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


def secret_rights(text: str) -> dict[str | None, list[list[str] | None]]:
    """Names of Secrets that the operator may read, by namespace, None the whole cluster; but for the release's own."""
    rights: dict[str | None, list[list[str] | None]] = {}
    for document in documents(text):
        if document["kind"] in {"Role", "ClusterRole"}:
            for rule in document["rules"]:
                if "secrets" in rule.get("resources", []) and document["metadata"]["name"].endswith("-secrets"):
                    rights.setdefault(document["metadata"].get("namespace"), []).append(rule.get("resourceNames"))
    return rights


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), {None: [None]}),
        (("rbac.secrets.namespaces={a,b}",), {"a": [None], "b": [None]}),
        (("operator.watchNamespaces={a,b}",), {"a": [None], "b": [None]}),
        (("operator.watchNamespaces={a,b}", "rbac.secrets.namespaces={a}"), {"a": [None]}),
        (("rbac.secrets.namespaces={a}", "rbac.secrets.resourceNames={key}"), {"a": [["key"]]}),
    ],
)
def test_secrets_are_read_in_the_namespaces_that_are_named_and_no_others(
    control_plane: ControlPlane, flags: tuple[str, ...], expected: dict[str | None, list[list[str] | None]]
) -> None:
    text = rendered(control_plane, None, *(f"--set={flag}" for flag in flags))
    assert secret_rights(text) == expected
    cluster_wide = [
        rule
        for document in documents(text)
        if document["kind"] == "ClusterRole"
        for rule in document["rules"]
        if "secrets" in rule.get("resources", [])
    ]
    assert bool(cluster_wide) == (None in expected)
    listed = [flag for flag in operator(text)["args"] if flag.startswith("--secret-namespaces=")]
    assert listed == ([] if None in expected else [f"--secret-namespaces={','.join(map(str, expected))}"])


def test_a_right_where_nothing_is_served_is_refused(control_plane: ControlPlane) -> None:
    flags = ("--set=operator.watchNamespaces={a}", "--set=rbac.secrets.namespaces={a,b}")
    done = control_plane.helm("template", "x", str(CHART), *flags, check=False)
    assert "the namespace b, which operator.watchNamespaces does not" in done.stderr


def operator(text: str) -> dict[str, Any]:
    """The operator's container."""
    (container,) = [each for spec in pods(text) for each in spec["containers"] if each["name"] == "operator"]
    return dict(container)


def only(text: str, kind: str, suffix: str) -> dict[str, Any]:
    """The one object of a kind whose name ends so."""
    (found,) = [each for each in documents(text) if each["kind"] == kind and each["metadata"]["name"].endswith(suffix)]
    return found


CERT_MANAGER = (
    "--set=controlTLS.certManager.enabled=true",
    "--set=controlTLS.certManager.issuerRef.name=internal",
    "--set=controlTLS.certManager.issuerRef.kind=ClusterIssuer",
    "--set=controlTLS.certManager.duration=48h",
)


def test_cert_manager_issues_for_the_name_that_proxies_call_into_the_secret_that_the_operator_reads(
    control_plane: ControlPlane,
) -> None:
    text = rendered(control_plane, None, "--namespace=system", *CERT_MANAGER)
    certificate = only(text, "Certificate", "-operator")
    assert certificate["apiVersion"] == "cert-manager.io/v1"
    spec = certificate["spec"]
    (url,) = [
        argument.partition("=")[2]
        for each in pods(text)
        for argument in each["containers"][0]["args"]
        if argument.startswith("--control-url=")
    ]
    # The first of these is the one that the operator insists on.
    assert spec["dnsNames"][0] == urllib.parse.urlsplit(url).hostname
    assert spec["issuerRef"] == {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "internal"}
    assert (spec["duration"], spec["renewBefore"]) == ("48h", "720h")
    assert f"--certificate-secret={spec['secretName']}" in operator(text)["args"]
    rules = only(text, "Role", "-operator")["rules"]
    assert [rule["verbs"] for rule in rules if rule.get("resourceNames") == [spec["secretName"]]] == [["get"]]


def test_a_certificate_that_somebody_else_keeps_is_read_by_its_secret_s_name(control_plane: ControlPlane) -> None:
    text = rendered(control_plane, None, "--set=controlTLS.secretName=ours")
    assert "--certificate-secret=ours" in operator(text)["args"]
    assert "Certificate" not in {each["kind"] for each in documents(text)}


@pytest.mark.parametrize(
    "setting", ["controlTLS.certManager.enabled=true", "controlTLS.certManager.duration=90d", "controlTLS.secretNam=x"]
)
def test_a_certificate_that_nobody_could_issue_is_refused(control_plane: ControlPlane, setting: str) -> None:
    done = control_plane.helm("template", "x", str(CHART), f"--set={setting}", check=False)
    assert done.returncode
    assert "controlTLS" in done.stderr


def test_by_default_the_operator_is_nobody_to_any_cloud_and_does_not_ask_the_node_who_it_is(
    control_plane: ControlPlane,
) -> None:
    text = rendered(control_plane, None)
    assert "annotations" not in only(text, "ServiceAccount", "-operator")["metadata"]
    assert {"name": "AWS_EC2_METADATA_DISABLED", "value": "true"} in operator(text)["env"]
    assert not [argument for argument in operator(text)["args"] if argument.startswith("--identity")]
    asking = rendered(control_plane, None, "--set=identity.aws.instanceMetadata=true")
    assert "AWS_EC2_METADATA_DISABLED" not in {each["name"] for each in operator(asking)["env"]}


def test_clouds_know_the_operator_by_its_service_account_and_no_gateway_by_that(control_plane: ControlPlane) -> None:
    client = "0a1b2c3d-0000-4000-8000-0123456789ab"
    text = rendered(
        control_plane,
        None,
        "--set=identity.aws.roleArn=arn:aws:iam::111122223333:role/pilothouse",
        f"--set=identity.azure.clientId={client}",
        "--set=identity.gcp.serviceAccount=pilothouse@project.iam.gserviceaccount.com",
        "--set=operator.serviceAccount.annotations.team=platform",
        "--set=operator.podLabels.team=platform",
    )
    assert only(text, "ServiceAccount", "-operator")["metadata"]["annotations"] == {
        "eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/pilothouse",
        "azure.workload.identity/client-id": client,
        "iam.gke.io/gcp-service-account": "pilothouse@project.iam.gserviceaccount.com",
        "team": "platform",
    }
    assert "annotations" not in only(text, "ServiceAccount", "-gateway")["metadata"]
    labels = {
        suffix: only(text, "Deployment", suffix)["spec"]["template"]["metadata"]["labels"]
        for suffix in ("-operator", "-gateway")
    }
    assert labels["-operator"]["azure.workload.identity/use"] == "true"
    assert labels["-operator"]["team"] == "platform"
    assert "azure.workload.identity/use" not in labels["-gateway"]


def test_who_may_use_the_operators_identity_and_where_it_is_shown_are_flags_one_each(
    control_plane: ControlPlane,
) -> None:
    text = rendered(
        control_plane,
        None,
        "--set=identity.namespaces={team-a,*}",
        "--set=identity.endpoints={https://vault.example.com:8200,https://sts.example.com}",
    )
    assert [argument for argument in operator(text)["args"] if argument.startswith("--identity")] == [
        "--identity-namespace=team-a",
        "--identity-namespace=*",
        "--identity-endpoint=https://vault.example.com:8200",
        "--identity-endpoint=https://sts.example.com",
    ]


def test_a_token_for_vault_is_projected_for_its_audience_alone(control_plane: ControlPlane) -> None:
    text = rendered(control_plane, None, "--set=identity.vault.audience=https://vault.example.com")
    mounts = {mount["name"]: mount for mount in operator(text)["volumeMounts"]}
    assert mounts["vault-token"]["mountPath"] == "/var/run/secrets/pilothouse/vault"
    volumes = only(text, "Deployment", "-operator")["spec"]["template"]["spec"]["volumes"]
    assert [volume["projected"]["sources"] for volume in volumes if volume["name"] == "vault-token"] == [
        [
            {
                "serviceAccountToken": {
                    "audience": "https://vault.example.com",
                    "expirationSeconds": 3600,
                    "path": "token",
                }
            }
        ]
    ]


@pytest.mark.parametrize(
    "setting",
    [
        "identity.namespaces={Team}",
        "identity.endpoints={vault.example.com}",
        "identity.endpoints={https://user@vault.example.com}",
        "identity.endpoints={https://vault.example.com/v1}",
        "identity.aws.roleArn=pilothouse",
        "identity.azure.clientId=pilothouse",
        "identity.vault.expirationSeconds=60",
        "identity.vaults=x",
    ],
)
def test_an_identity_that_is_none_is_refused(control_plane: ControlPlane, setting: str) -> None:
    done = control_plane.helm("template", "x", str(CHART), f"--set={setting}", check=False)
    assert done.returncode
    assert "identity" in done.stderr


@every_values
def test_what_pods_write_is_written_to_memory(control_plane: ControlPlane, values: Path | None) -> None:
    """A proxy's last good configuration holds credentials; the operator's temporary file, a key."""
    for spec in pods(rendered(control_plane, values)):
        for container in spec["containers"]:
            if container["name"] in {"operator", "proxy"}:
                kinds = {volume["name"]: volume for volume in spec["volumes"]}
                written = [mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
                assert written
                assert {kinds[name]["emptyDir"]["medium"] for name in written} == {"Memory"}


@every_values
def test_an_operator_s_arguments_are_ones_that_it_takes(control_plane: ControlPlane, values: Path | None) -> None:
    settings = run_operator._settings(
        run_operator._parser().parse_args(operator(rendered(control_plane, values))["args"])
    )
    assert settings.service.endswith("-operator")


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
