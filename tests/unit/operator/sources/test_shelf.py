import pytest

from pilothouse_api.secret import Secret
from pilothouse_operator.compile import verdicts
from pilothouse_operator.compile.world import Kind, Resource, ResourceKey
from pilothouse_operator.sources.manifests import Syntax
from pilothouse_operator.sources.shelf import Shelf

CHAT = ResourceKey(Kind.ROUTE, "default", "chat")


def route(name: str = "chat", models: str = "[chat]") -> str:
    return (
        "apiVersion: pilothouse.dev/v1alpha1\nkind: ModelRoute\n"
        f"metadata: {{name: {name}}}\nspec:\n  models: {models}\n---\n"
    )


def shelf(**files: str) -> Shelf:
    filled = Shelf(environ={}, first_version=100)
    for name, text in files.items():
        filled.put(f"{name}.yaml", text, Syntax.YAML)
    filled.rebuild()
    return filled


def put(filled: Shelf, path: str, text: str) -> bool:
    filled.put(path, text, Syntax.YAML)
    return filled.rebuild()


def chat(filled: Shelf) -> Resource:
    return filled.world.resources[CHAT]


def test_what_files_declare_is_the_world() -> None:
    filled = shelf(a=route(), b=route("other"))
    assert [key.name for key in filled.world.resources] == ["chat", "other"]
    assert chat(filled).spec == {"models": ["chat"]}
    assert filled.location(CHAT) == "a.yaml:1"
    assert filled.problems == ()


def test_the_same_content_again_changes_nothing() -> None:
    filled = shelf(a=route())
    before = filled.world
    assert not put(filled, "a.yaml", "# a comment\n" + route())
    assert filled.world == before


def test_an_edit_moves_version_and_generation_but_not_the_uid() -> None:
    filled = shelf(a=route())
    before = chat(filled)
    assert put(filled, "a.yaml", route(models="[chat, gpt]"))
    after = chat(filled)
    assert int(after.resource_version) > int(before.resource_version)
    assert (after.generation, after.uid) == (before.generation + 1, before.uid)
    assert filled.world.seen["modelroutes"] == after.resource_version


def test_an_edit_of_labels_moves_only_the_version() -> None:
    filled = shelf(a=route())
    before = chat(filled)
    put(filled, "a.yaml", route().replace("{name: chat}", "{name: chat, labels: {x: y}}"))
    assert chat(filled).generation == before.generation
    assert chat(filled).resource_version != before.resource_version


def test_versions_of_other_kinds_stay() -> None:
    filled = shelf(a=route())
    before = filled.world.seen
    put(filled, "a.yaml", route(models="[gpt]"))
    assert filled.world.seen["llmproviders"] == before["llmproviders"]


def test_versions_begin_above_the_first() -> None:
    assert int(chat(shelf(a=route())).resource_version) > 100


def test_a_malformed_file_keeps_its_last_content_and_names_the_line() -> None:
    filled = shelf(a=route(), b=route("other"))
    before = filled.world
    assert not put(filled, "a.yaml", "apiVersion: x\n  bad: indent\n")
    assert filled.world == before
    assert [problem.field for problem in filled.problems] == ["a.yaml:2"]
    assert "what it last held stays in force" in filled.problems[0].message


def test_a_file_malformed_from_the_start_has_nothing_in_force() -> None:
    filled = shelf(a="{", b=route())
    assert list(filled.world.resources) == [CHAT]
    assert "nothing of it is in force" in filled.problems[0].message


def test_other_files_change_while_one_is_malformed() -> None:
    filled = shelf(a=route(), b=route("other"))
    filled.put("a.yaml", "{", Syntax.YAML)
    assert put(filled, "b.yaml", route("third"))
    assert {key.name for key in filled.world.resources} == {"chat", "third"}


def test_a_repaired_file_has_no_problem_any_more() -> None:
    filled = shelf(a=route())
    put(filled, "a.yaml", "{")
    assert put(filled, "a.yaml", route(models="[gpt]"))
    assert filled.problems == ()


def test_a_file_that_became_empty_keeps_its_content() -> None:
    filled = shelf(a=route())
    assert not put(filled, "a.yaml", "")
    assert "a.yaml: is empty" in filled.problems[0].message


def test_a_file_that_became_unreadable_keeps_its_content() -> None:
    filled = shelf(a=route())
    filled.fail("a.yaml", "cannot be read (Permission denied)")
    assert not filled.rebuild()
    assert filled.problems[0].field == "a.yaml"


def test_a_deleted_file_takes_its_resources_along() -> None:
    filled = shelf(a=route(), b=route("other"))
    before = filled.world.seen["modelroutes"]
    filled.drop("a.yaml")
    assert filled.rebuild()
    assert CHAT not in filled.world.resources
    assert int(filled.world.seen["modelroutes"]) > int(before)


def test_what_comes_back_is_another_object() -> None:
    filled = shelf(a=route())
    uid = chat(filled).uid
    filled.drop("a.yaml")
    filled.rebuild()
    put(filled, "a.yaml", route())
    assert chat(filled).uid != uid
    assert chat(filled).generation == 1


def test_of_two_declarations_the_first_by_path_counts() -> None:
    filled = shelf(b=route(models="[second]"), a=route("other") + route(models="[first]"))
    assert chat(filled).spec == {"models": ["first"]}
    assert [problem.field for problem in filled.problems] == ["b.yaml:1"]
    assert "a.yaml:7" in filled.problems[0].message


def test_the_second_takes_over_when_the_first_goes() -> None:
    filled = shelf(a=route(models="[first]"), b=route(models="[second]"))
    filled.drop("a.yaml")
    assert filled.rebuild()
    assert chat(filled).spec == {"models": ["second"]}
    assert filled.problems == ()


def test_creation_times_follow_path_and_position() -> None:
    filled = shelf(b=route("b"), a=route("z") + route("y"))
    by_age = sorted(filled.world.resources.values(), key=lambda resource: resource.created)
    assert [resource.key.name for resource in by_age] == ["z", "y", "b"]


def test_a_bad_document_leaves_the_others_of_its_file() -> None:
    filled = shelf(a="apiVersion: pilothouse.dev/v1alpha1\nkind: Nonsense\n---\n" + route())
    assert list(filled.world.resources) == [CHAT]
    assert filled.problems[0].field == "a.yaml:1"


def test_a_change_in_a_secret_alone_is_a_change() -> None:
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: one}\n"
    filled = shelf(a=text)
    assert put(filled, "a.yaml", text.replace("one", "two"))
    assert filled.secrets["default", "s"].values == {"a": Secret("two")}


def test_problems_of_a_secret_name_it_but_no_value() -> None:
    filled = shelf(a="apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: 'hidden ${NOT_SET}'}\n")
    assert filled.problems[0].message.startswith("a.yaml:1: Secret default/s: stringData.a needs")
    assert "hidden" not in filled.problems[0].message


def test_labels_of_namespaces_are_in_the_world() -> None:
    filled = shelf(a="apiVersion: v1\nkind: Namespace\nmetadata: {name: n, labels: {env: dev}}\n")
    assert filled.world.namespaces == {"n": {"env": "dev"}}


GOOD = (
    "apiVersion: pilothouse.dev/v1alpha1\nkind: ModelRoute\nmetadata: {name: chat}\nspec:\n  models: [chat]\n"
    "  targets:\n    - providerRef: {name: bedrock}\n      weight: 50\n---\n"
)
REFUSED = {
    "an unknown field": (GOOD.replace("weight", "wieght"), "spec.targets[0].wieght: is not a known field"),
    "an unknown field beside the spec": (GOOD.replace("\nspec:", "\nspce: {}\nspec:"), "spce: is not a known field"),
    "a wrong type": (GOOD.replace("50", "fifty"), "spec.targets[0].weight: must be a whole number"),
    "no spec": (GOOD.partition("spec:")[0], "has no spec"),
    "a rule of the object": (GOOD.replace("50", "0"), "at least one target needs a weight above 0"),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_an_edit_that_would_be_refused_at_apply_leaves_what_was_in_force(text: str, reason: str) -> None:
    filled = shelf(a=GOOD)
    before = filled.world
    assert not put(filled, "a.yaml", text)
    assert filled.world == before
    (problem,) = filled.problems
    assert problem.field == "a.yaml:1"
    assert reason in problem.message
    assert problem.message.endswith("; what it last held stays in force")


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_from_the_start_carries_its_problem(text: str, reason: str) -> None:
    problem = chat(shelf(a=text)).problem
    assert problem is not None
    assert reason in verdicts.text(problem)


def test_the_other_documents_of_a_file_change_beside_a_refused_one() -> None:
    filled = shelf(a=GOOD + route("other"))
    put(filled, "a.yaml", GOOD.replace("50", "fifty") + route("other", models="[new]"))
    assert chat(filled).problem is None
    assert filled.world.resources[ResourceKey(Kind.ROUTE, "default", "other")].spec == {"models": ["new"]}


def test_a_mended_document_is_in_force_again() -> None:
    filled = shelf(a=GOOD)
    put(filled, "a.yaml", GOOD.replace("50", "fifty"))
    assert put(filled, "a.yaml", GOOD.replace("50", "60"))
    assert chat(filled).spec["targets"][0]["weight"] == 60
    assert filled.problems == ()


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("ModelRoute", "ModelRout"),
        GOOD.replace("v1alpha1", "v1beta1"),
        GOOD.replace("{name: chat}", "{}"),
        GOOD.replace("name: chat", "name: Chat_1"),
    ],
)
def test_a_document_that_cannot_be_named_may_be_what_its_file_lacks_now(text: str) -> None:
    filled = shelf(a=GOOD)
    before = filled.world
    assert not put(filled, "a.yaml", text)
    assert filled.world == before
    assert filled.problems[0].message.endswith("; ModelRoute default/chat, which the file held before, stays in force")


def test_what_a_file_lacks_beside_a_bad_document_goes_once_that_is_mended() -> None:
    filled = shelf(a=GOOD)
    put(filled, "a.yaml", GOOD.replace("ModelRoute", "ModelRout"))
    put(filled, "a.yaml", route("other"))
    assert [key.name for key in filled.world.resources] == ["other"]


@pytest.mark.parametrize("directory", ["./", "sub/"])
def test_a_directory_that_cannot_be_listed_keeps_what_its_files_held(directory: str) -> None:
    filled = shelf(**{"sub/a": GOOD})
    filled.fail(directory, "cannot be listed (No such file or directory)")
    assert not filled.rebuild()
    assert filled.problems[0].message.endswith("what it last held stays in force")


def test_a_directory_that_held_nothing_says_so() -> None:
    filled = shelf(a=GOOD)
    filled.fail("sub/", "cannot be listed (Permission denied)")
    filled.rebuild()
    assert filled.problems[0].message.endswith("nothing of it is in force")


def test_kinds_of_others_are_not_what_a_file_lacks() -> None:
    filled = shelf(a="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n")
    put(filled, "a.yaml", "kind: Nonsense\n")
    assert "stays in force" not in filled.problems[0].message
