"""`pilothouse validate` on directories."""

from pathlib import Path

import pytest

from pilothouse import validate

GOOD = """
apiVersion: pilothouse.dev/v1alpha1
kind: LLMProvider
metadata: {name: local}
spec: {openAI: {baseURL: "http://127.0.0.1:1/v1"}}
---
apiVersion: pilothouse.dev/v1alpha1
kind: ModelRoute
metadata: {name: chat}
spec: {models: [chat], targets: [{providerRef: {name: local}}]}
"""
KEYED = """
apiVersion: pilothouse.dev/v1alpha1
kind: LLMProvider
metadata: {name: local}
spec:
  openAI:
    baseURL: "http://127.0.0.1:1/v1"
    auth: {apiKey: {secretKeyRef: {name: keys, key: local}}}
"""


def check(root: Path, text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    (root / "manifests.yaml").write_text(text)
    status = validate.run([str(root)])
    return status, capsys.readouterr().out


def test_what_is_good_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path, GOOD, capsys) == (0, "2 resources, 0 errors, 0 notes\n")


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (GOOD.replace("name: local}}]", "name: other}}]"), "ProviderNotFound"),
        (GOOD.replace("models: [chat],", ""), "spec.models"),
        (GOOD.replace("models:", "retries: 3, models:"), "spec.retries: is not a known field"),
        (GOOD.replace("spec: {models", "spec: models"), "manifests.yaml:"),
        (GOOD + "---\n[1, 2]\n", "a manifest is a mapping"),
    ],
)
def test_what_is_wrong_fails_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str, says: str
) -> None:
    status, out = check(tmp_path, broken, capsys)
    assert status == 1
    assert says in out
    assert f"{tmp_path}/manifests.yaml:" in out


def test_an_absent_secret_is_only_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out = check(tmp_path, GOOD.replace(GOOD.partition("---")[0], KEYED), capsys)
    assert status == 0
    assert "note: LLMProvider default/local" in out


def test_a_malformed_secret_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = 'apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {local: "two\\nlines"}\n---'
    status, out = check(tmp_path, secret + KEYED, capsys)
    assert status == 1
    assert "Secret default/keys, key 'local'" in out
    assert "two" not in out


def test_variables_need_not_be_set_where_manifests_are_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = 'apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {local: "${UNSET_FOR_SURE}"}\n---'
    status, out = check(tmp_path, secret + KEYED, capsys)
    assert status == 0
    assert "not set here: UNSET_FOR_SURE" in out


def test_a_directory_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate.run([str(tmp_path / "absent")]) == 2
    assert "is not a directory" in capsys.readouterr().err
