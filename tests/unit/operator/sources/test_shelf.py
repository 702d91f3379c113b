from pilothouse_api.secret import Secret
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
