import base64

import pytest

from pilothouse_api.secret import Secret
from pilothouse_operator.compile.world import Kind, ResourceKey
from pilothouse_operator.sources import contents
from pilothouse_operator.sources.contents import Content, Declared, DeclaredNamespace, DeclaredSecret, Foreign, Unusable
from pilothouse_operator.sources.manifests import Document


def read(body: dict[str, object], **environ: str) -> Content:
    return contents.read(Document(line=1, body=body), environ)


def secret(**fields: object) -> DeclaredSecret:
    content = read({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, **fields}, NAME="value")
    assert isinstance(content, DeclaredSecret)
    return content


def route(**fields: object) -> Declared:
    body = {"apiVersion": "pilothouse.dev/v1alpha1", "kind": "ModelRoute", "metadata": {"name": "chat"}, **fields}
    content = read(body)
    assert isinstance(content, Declared)
    return content


def test_a_resource_without_a_namespace_is_in_default() -> None:
    declared = route(spec={"models": ["chat"]})
    assert declared.key == ResourceKey(Kind.ROUTE, "default", "chat")
    assert declared.spec == {"models": ["chat"]}
    assert declared.problem is None


def test_a_resource_without_a_spec_keeps_its_name_and_says_so() -> None:
    declared = route()
    assert declared.problem is not None
    assert declared.problem.field == "spec"


def test_labels_that_are_no_text_are_a_problem_of_the_resource() -> None:
    declared = route(metadata={"name": "chat", "labels": {"a": True}}, spec={})
    assert declared.problem is not None
    assert declared.problem.field == "metadata.labels"


@pytest.mark.parametrize("name", [None, "", "Chat", "a b", "-a", 3, "a" * 254])
def test_a_manifest_without_a_proper_name_is_unusable(name: object) -> None:
    with pytest.raises(Unusable, match=r"metadata\.name"):
        route(metadata={"name": name}, spec={})


def test_an_unknown_version_of_our_group_names_what_is_known() -> None:
    with pytest.raises(Unusable, match=r"this version reads pilothouse\.dev/v1alpha1 LLMProvider"):
        read({"apiVersion": "pilothouse.dev/v9", "kind": "ModelRoute", "metadata": {"name": "x"}})


def test_other_kinds_are_left_alone() -> None:
    body: dict[str, object] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    assert read(body) == Foreign(kind="ConfigMap")


def test_what_is_no_manifest_says_so() -> None:
    with pytest.raises(Unusable, match="not a Kubernetes manifest"):
        read({"replicas": 1})


def test_reads_a_namespace_with_its_labels() -> None:
    body: dict[str, object] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"x": "y"}}}
    assert read(body) == DeclaredNamespace(name="a", labels={"x": "y"})


def test_a_secret_is_decoded_and_string_data_wins() -> None:
    content = secret(data={"a": base64.b64encode(b"one").decode(), "b": "b25l"}, stringData={"b": "two"})
    assert content.values == {"a": Secret("one"), "b": Secret("two")}
    assert content.problems == ()


def test_a_binary_value_is_none() -> None:
    assert secret(data={"a": base64.b64encode(b"\xff\xfe").decode()}).values == {"a": None}


def test_a_value_that_is_not_base64_is_none_and_a_problem() -> None:
    content = secret(data={"a": "not base64!"})
    assert content.values == {"a": None}
    assert content.problems == ("data.a is not base64 of UTF-8 text; stringData takes plain text",)


def test_variables_are_filled_in_from_the_environment() -> None:
    assert secret(stringData={"a": "x-${NAME}-y"}).values == {"a": Secret("x-value-y")}


def test_a_doubled_dollar_stands_for_itself() -> None:
    assert secret(stringData={"a": "$${NAME}"}).values == {"a": Secret("${NAME}")}


def test_variables_stay_as_they_are_outside_string_data() -> None:
    assert secret(data={"a": base64.b64encode(b"${NAME}").decode()}).values == {"a": Secret("${NAME}")}


def test_an_unset_variable_is_named_and_the_key_is_missing() -> None:
    content = secret(stringData={"a": "${MISSING}", "b": "x"})
    assert content.values == {"b": Secret("x")}
    assert content.problems == ("stringData.a needs the environment variable MISSING, which is not set",)


def test_numbers_in_a_secret_are_unusable() -> None:
    with pytest.raises(Unusable, match="put numbers and true/false in quotes"):
        secret(stringData={"a": 1})
