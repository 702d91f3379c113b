import json

import pytest

from pilothouse_operator.sources.manifests import Malformed, Syntax, parse


def bodies(text: str, syntax: Syntax = Syntax.YAML) -> list[object]:
    return [document.body for document in parse(text, syntax)]


def fault(text: str, syntax: Syntax = Syntax.YAML) -> Malformed:
    with pytest.raises(Malformed) as caught:
        parse(text, syntax)
    return caught.value


def test_reads_several_documents_and_skips_empty_ones() -> None:
    documents = parse("---\n# nothing\n---\nkind: A\n---\n\nkind: B\n---\n", Syntax.YAML)
    assert [(document.line, document.body) for document in documents] == [(4, {"kind": "A"}), (7, {"kind": "B"})]


def test_reads_json() -> None:
    assert bodies('{\n\t"kind": "A"}', Syntax.JSON) == [{"kind": "A"}]


def test_unfolds_a_list() -> None:
    assert bodies("kind: List\nitems:\n- kind: A\n- kind: B\n") == [{"kind": "A"}, {"kind": "B"}]


def test_an_unquoted_date_stays_text_as_in_kubectl() -> None:
    assert bodies("apiVersion: 2024-10-21\n") == [{"apiVersion": "2024-10-21"}]


def test_anchors_and_merge_keys_work() -> None:
    text = "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n"
    assert bodies(text) == [{"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}]


def test_names_the_line_of_a_yaml_error() -> None:
    error = fault("kind: A\nspec:\n  models: [chat\nmore: 1\n")
    assert error.line == 4


def test_refuses_a_key_that_yaml_1_1_reads_as_a_boolean() -> None:
    error = fault("retry:\n  on: [x]\n")
    assert (error.line, error.message) == (2, "the key on is read as bool, not as text: put it in quotes")


def test_refuses_a_key_twice() -> None:
    error = fault("a: 1\nb: 2\na: 3\n")
    assert (error.line, error.message) == (3, "the key a appears twice")


def test_refuses_values_that_json_lacks() -> None:
    assert fault("a: 1\nb: !!binary aGVsbG8=\n").line == 2


def test_refuses_a_document_that_is_no_mapping() -> None:
    assert fault("kind: A\n---\n- a\n- b\n").line == 3


def test_names_the_line_of_a_json_error() -> None:
    assert fault('{\n"kind": \n}', Syntax.JSON).line == 3


def test_refuses_a_json_key_twice() -> None:
    assert fault('{"a": 1, "a": 2}', Syntax.JSON).message == "the key a appears twice"


def test_refuses_control_characters_with_their_line() -> None:
    assert fault("a: 1\nb: \x00\n").line == 2


def test_deep_nesting_is_a_fault_not_a_crash() -> None:
    assert fault("[" * 100_000, Syntax.JSON).line == 1


MANIFEST = json.dumps({"apiVersion": "v1", "kind": "A", "metadata": {"name": "x"}, "b": [1, 2]})


@pytest.mark.parametrize("cut", range(1, len(MANIFEST)))
def test_no_part_of_a_json_file_passes_for_the_whole(cut: int) -> None:
    fault(MANIFEST[:cut], Syntax.JSON)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("a:\n\tb: 1\n", "YAML takes no tabs"),
        ("a:\n  b: 1\n c: 2\n", "is the indentation right?"),
        ("a: b: c\n", "in quotes?"),
    ],
)
def test_frequent_slips_get_advice(text: str, advice: str) -> None:
    assert advice in fault(text).message
