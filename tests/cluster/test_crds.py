"""The CRDs on a real API server: what it stores, what it admits, what it says when it refuses."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilothouse_api.names import API_VERSION
from pilothouse_api.schema.documents import DEFINITIONS, documents
from tests.cluster.controlplane.plane import ControlPlane
from tests.cluster.judge import Judge
from tests.unit.api.rule_cases import CASES, SMALLEST, Case, Spec, merged

pytestmark = pytest.mark.cluster

Kubectl = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples" / "manifests").glob("*.yaml"))
KINDS = {definition.plural: definition.kind for definition in DEFINITIONS}
DOCUMENTS = documents()


def manifest(plural: str, spec: Spec, name: str = "case") -> str:
    return json.dumps({"apiVersion": API_VERSION, "kind": KINDS[plural], "metadata": {"name": name}, "spec": spec})


def create(kubectl: Kubectl, namespace: str, text: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    return kubectl("create", "--validate=strict", f"--namespace={namespace}", "-f", "-", stdin=text, check=check)


def differences(wanted: Any, found: Any, path: str = "") -> list[str]:
    """Where `found` lacks or changes what `wanted` says; what the server adds on its own is its business."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [line for key, value in wanted.items() for line in differences(value, found.get(key), f"{path}.{key}")]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return [line for index, (one, other) in pairs for line in differences(one, other, f"{path}[{index}]")]
    return [] if wanted == found else [f"{path}: {wanted!r} became {found!r}"]


@pytest.mark.parametrize("plural", DOCUMENTS)
def test_the_server_keeps_a_definition_as_it_is_written(kubectl: Kubectl, plural: str) -> None:
    stored = json.loads(kubectl("get", "crd", DOCUMENTS[plural]["metadata"]["name"], "-o", "json").stdout)
    assert differences(DOCUMENTS[plural]["spec"], stored["spec"]) == []
    # Nothing of the schema may be added either: a default that the server fills in would be a drift nobody sees.
    assert stored["spec"]["versions"][0]["schema"] == DOCUMENTS[plural]["spec"]["versions"][0]["schema"]


@pytest.mark.parametrize("plural", DOCUMENTS)
def test_the_server_finds_no_fault_with_a_schema(kubectl: Kubectl, plural: str) -> None:
    stored = json.loads(kubectl("get", "crd", DOCUMENTS[plural]["metadata"]["name"], "-o", "json").stdout)
    conditions = {condition["type"]: condition["status"] for condition in stored["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_created_with_strict_validation(kubectl: Kubectl, namespace: str, path: Path) -> None:
    create(kubectl, namespace, path.read_text())
    for document in yaml.safe_load_all(path.read_text()):
        if document["apiVersion"] == API_VERSION:
            got = kubectl(
                "get", document["kind"], document["metadata"]["name"], f"--namespace={namespace}", "-o", "json"
            )
            assert differences(document["spec"], json.loads(got.stdout)["spec"]) == []


def test_strict_validation_names_an_unknown_field(kubectl: Kubectl, namespace: str) -> None:
    spec = merged(SMALLEST["modelroutes"], {"timeout": {"total": "1s"}})
    refused = create(kubectl, namespace, manifest("modelroutes", spec), check=False)
    assert refused.returncode != 0
    assert 'unknown field "spec.timeout"' in refused.stderr


@pytest.fixture(scope="module")
def judge(control_plane: ControlPlane) -> Iterator[Judge]:
    with Judge(control_plane, KINDS) as asked:
        yield asked


def refusal(judge: Judge, case: Case, spec: Spec) -> str:
    smallest = SMALLEST[case.plural]
    wanted = merged(smallest, spec)
    if case.former is None:
        return judge.created(case.plural, wanted)
    return judge.replaced(case.plural, merged(smallest, case.former), wanted)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_rule_admits_what_keeps_it(judge: Judge, case: Case) -> None:
    assert refusal(judge, case, case.good) == ""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_rule_refuses_what_breaks_it_and_says_why(judge: Judge, case: Case) -> None:
    assert case.message in refusal(judge, case, case.bad)


@pytest.mark.parametrize(
    ("plural", "patch", "said"),
    [
        ("llmproviders", {"models": [{"name": "a"}, {"name": "a"}]}, "Duplicate value"),
        ("modelroutes", {"models": ["a", "a"]}, "Duplicate value"),
        ("modelroutes", {"models": ["a*b"]}, "should match"),
        ("modelroutes", {"models": []}, "should have at least 1 items"),
        ("modelroutes", {"timeouts": {"total": "soon"}}, "should match"),
        ("modelroutes", {"retry": {"backoff": {"base": "soon"}}}, "should match"),
        ("llmproviders", {"openAI": {"baseURL": "vllm:8000"}}, "should match"),
        ("llmproviders", {"bedrock": {"region": "x", "auth": {"default": {}}}}, "should match"),
        ("llmproviders", {"secretStores": {"aws": {"assumeRole": [{"roleArn": "arn:aws:iam::1:user/x"}]}}}, "match"),
        ("llmproviders", {"openAI": {"auth": {"apiKey": {"vault": {"path": "../sys", "key": "k"}}}}}, "should match"),
        ("usagequotas", {"limits": [{"resource": "Requests", "amount": 1, "window": "d"}]}, "should match"),
        ("modelroutes", {"retry": {"onFailures": ["Bad"]}}, "Unsupported value"),
        ("usagequotas", {"limits": [{"resource": "Requests", "amount": 0, "window": "1m"}]}, "equal to 1"),
    ],
)  # fmt: skip
def test_the_schema_itself_refuses_with_a_clear_reason(judge: Judge, plural: str, patch: Spec, said: str) -> None:
    refused = judge.created(plural, merged(SMALLEST[plural], patch))
    assert said in refused
    assert "conversion error" not in refused


def test_kubectl_shows_the_columns_of_every_kind(kubectl: Kubectl, namespace: str) -> None:
    for plural, spec in SMALLEST.items():
        create(kubectl, namespace, manifest(plural, spec))
    headers = {
        plural: kubectl("get", plural, f"--namespace={namespace}").stdout.splitlines()[0].split() for plural in SMALLEST
    }
    assert headers == {
        "llmproviders": ["NAME", "PROVIDER", "READY", "REASON", "AGE"],
        "modelroutes": ["NAME", "MODELS", "PROGRAMMED", "READY", "AGE"],
        "usagequotas": ["NAME", "PER", "USED", "RESETS", "EXCEEDED", "READY", "AGE"],
    }
    listed = kubectl("get", "pilothouse", f"--namespace={namespace}", "-o", "name").stdout.split()
    assert len(listed) == len(SMALLEST)


def test_the_server_fills_in_the_defaults_that_the_parser_has(kubectl: Kubectl, namespace: str) -> None:
    spec = merged(SMALLEST["modelroutes"], {"retry": {"backoff": {}}, "timeouts": {}, "access": {}})
    create(kubectl, namespace, manifest("modelroutes", spec))
    got = json.loads(kubectl("get", "modelroutes", "case", f"--namespace={namespace}", "-o", "json").stdout)["spec"]
    assert got["targets"] == [{"providerRef": {"name": "vllm"}, "weight": 1, "priority": 0}]
    assert got["retry"] == {"attempts": 2, "backoff": {"base": "100ms", "max": "2s"}, "budgetPercent": 20}
    assert got["timeouts"] == {"firstToken": "2m", "idle": "1m", "total": "10m"}
    assert got["access"] == {"namespaces": "Same"}


def unsaid(schema: dict[str, Any], value: Any, path: str = "status") -> list[str]:
    """Where a field of the schema is left out."""
    if schema["type"] == "array":
        return [gap for item in value for gap in unsaid(schema["items"], item, path)]
    if schema["type"] != "object":
        return []
    properties = schema.get("properties", {})
    gaps = [f"{path}.{name}" for name in properties if name not in value]
    return gaps + [
        gap for name in value if name in properties for gap in unsaid(properties[name], value[name], f"{path}.{name}")
    ]


def test_a_status_of_every_field_survives_the_schema(kubectl: Kubectl, namespace: str) -> None:
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Ready",
        "message": "it works",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-11-23T18:00:00Z",
    }
    programmed = {"applied": 3, "total": 4, "summary": "3/4", "laggards": ["gateway-0"]}
    limit = {
        "resource": "Requests", "window": "1m", "amount": 10, "used": 8, "remaining": 2, "usedPercent": 80,
        "counters": 3, "exceeded": 0, "resetsAt": "2026-11-23T18:01:00Z", "top": [{"name": "ns/app", "used": 8}],
    }  # fmt: skip
    credential = {
        "kind": "default", "expiresAt": "2026-11-23T19:00:00Z", "renewedAt": "2026-11-23T18:00:00Z", "note": "wide",
    }  # fmt: skip
    statuses: dict[str, dict[str, Any]] = {
        "llmproviders": {
            "kind": "bedrock", "models": 2, "credential": credential,
            "discovery": {
                "lastSucceeded": "2026-11-23T18:00:00Z", "found": 9, "served": 6, "excluded": 2, "unusable": 1,
                "quotas": [{"model": "eu.claude", "requestsPerMinute": 50, "tokensPerMinute": 200_000}],
            },
            "unknown": [{"dialect": "bedrock.converse", "what": "video"}],
        },
        "modelroutes": {"targets": {"usable": 1, "total": 2, "summary": "1/2"}, "programmed": programmed},
        "usagequotas": {
            "used": "80%", "resetsAt": "2026-11-23T18:01:00Z", "limits": [limit], "programmed": programmed,
        },
    }  # fmt: skip
    for plural, status in statuses.items():
        create(kubectl, namespace, manifest(plural, SMALLEST[plural]))
        whole = {"observedGeneration": 1, "conditions": [condition], **status}
        (version,) = DOCUMENTS[plural]["spec"]["versions"]
        assert unsaid(version["schema"]["openAPIV3Schema"]["properties"]["status"], whole) == []
        patch = json.dumps({"status": whole})
        at = ("case", f"--namespace={namespace}")
        kubectl("patch", plural, *at, "--subresource=status", "--type=merge", "--patch", patch)
        assert json.loads(kubectl("get", plural, *at, "-o", "json").stdout)["status"] == whole
