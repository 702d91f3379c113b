"""What the compiler makes of manifests, as written down; and what holds for all of it."""

import dataclasses
import random
from pathlib import Path

import pytest
import yaml

from pilothouse_api.conditions import ConditionStatus, ConditionType, Reason
from pilothouse_api.snapshot import canonical
from pilothouse_operator.compile.compiler import compile_world
from pilothouse_operator.compile.world import Inputs, World
from tests.goldens import Goldens
from tests.worlds import SECRET_MARK, inputs_of, shown, shown_verdict

FOLDER = Path(__file__).parent
CASES = sorted(path.name.removesuffix(".in.yaml") for path in FOLDER.glob("*.in.yaml"))


def inputs(case: str) -> Inputs:
    return inputs_of((FOLDER / f"{case}.in.yaml").read_text())


def shuffled(given: Inputs) -> Inputs:
    keys = list(given.world.resources)
    random.Random(7).shuffle(keys)
    namespaces = dict(reversed(given.world.namespaces.items()))
    world = World(resources={key: given.world.resources[key] for key in keys}, namespaces=namespaces)
    credentials = dict(reversed(given.credentials.items()))
    return dataclasses.replace(given, world=world, credentials=credentials)


@pytest.mark.parametrize("case", CASES)
def test_manifests_compile_to_what_is_written_down(case: str, goldens: Goldens) -> None:
    text = yaml.safe_dump(shown(compile_world(inputs(case))), sort_keys=False, width=120, allow_unicode=True)
    goldens.check(f"{case}.out.yaml", text)


def test_no_golden_file_is_stale_and_none_is_missing(goldens: Goldens) -> None:
    assert len(CASES) >= 30
    goldens.check_complete("*.out.yaml", {f"{case}.out.yaml" for case in CASES})


@pytest.mark.parametrize("case", CASES)
def test_the_order_of_resources_changes_no_byte(case: str) -> None:
    one, other = compile_world(inputs(case)), compile_world(shuffled(inputs(case)))
    assert {scope: canonical.encode(it) for scope, it in one.snapshots.items()} == {
        scope: canonical.encode(it) for scope, it in other.snapshots.items()
    }
    assert one.verdicts == other.verdicts


@pytest.mark.parametrize("case", CASES)
def test_every_snapshot_survives_its_own_encoding(case: str) -> None:
    for snapshot in compile_world(inputs(case)).snapshots.values():
        assert canonical.decode(canonical.encode(snapshot)) == snapshot


@pytest.mark.parametrize("case", CASES)
def test_conditions_are_of_the_closed_sets_and_hold_no_secret(case: str) -> None:
    compiled = compile_world(inputs(case))
    for verdict in compiled.verdicts.values():
        assert SECRET_MARK not in repr(shown_verdict(verdict))
        for condition in verdict.conditions:
            assert isinstance(condition.type, ConditionType)
            assert isinstance(condition.status, ConditionStatus)
            assert isinstance(condition.reason, Reason)
            assert 0 < len(condition.message) <= 1024


@pytest.mark.parametrize("case", CASES)
def test_every_resource_gets_a_verdict_and_every_scope_a_snapshot(case: str) -> None:
    given = inputs(case)
    compiled = compile_world(given)
    assert compiled.verdicts.keys() == given.world.resources.keys()
    assert compiled.snapshots.keys() == given.scopes


@pytest.mark.parametrize("case", CASES)
def test_every_target_has_its_provider_and_credential_in_the_snapshot(case: str) -> None:
    compiled = compile_world(inputs(case))
    for scope, snapshot in compiled.snapshots.items():
        used = {target.provider for route in snapshot.routes.values() for target in route.targets}
        used |= {key for key, provider in snapshot.providers.items() if provider.native is not None}
        assert snapshot.providers.keys() == used
        assert snapshot.credentials.keys() == used - compiled.renewed[scope]
