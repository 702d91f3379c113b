"""`pilothouse validate DIR`: compiles a directory of manifests and says what is wrong with it, for CI."""

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import SystemRandom

from pilothouse.clock import SystemClock
from pilothouse_api.conditions import Condition, ConditionStatus, ConditionType, Reason
from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey
from pilothouse_api.snapshot.credentials import NoCredential
from pilothouse_api.snapshot.identity import Identity
from pilothouse_operator.compile import compiler, sign_ins
from pilothouse_operator.compile.world import (
    CredentialState,
    IdentityAccess,
    Inputs,
    Kind,
    ResourceKey,
    Verdict,
    World,
)
from pilothouse_operator.credentials.gather import Credentials
from pilothouse_operator.credentials.reading import Values
from pilothouse_operator.observe import Metrics
from pilothouse_operator.outside import Outside
from pilothouse_operator.reconciler import ISSUERS
from pilothouse_operator.sources.directory import Directory

_ABSENT = frozenset({Reason.SECRET_NOT_FOUND, Reason.SECRET_KEY_MISSING})
"""What a repository rightly lacks: its Secrets come from elsewhere."""

_UNASKED = frozenset({Reason.PENDING})
"""What only a store or a cloud could tell."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing to say. A note does not fail the run."""

    place: str
    message: str
    fatal: bool = True


class Assumed(Mapping[str, str]):
    """An environment in which every variable is set: where manifests are checked, their secrets need not be."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.assumed: set[str] = set()
        """Those that are not, but were asked for."""

    def __getitem__(self, name: str) -> str:
        if name not in self._environ:
            self.assumed.add(name)
            return f"ASSUMED_{name}".ljust(20, "0")
        return self._environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)


def run(argv: list[str]) -> int:
    """0: everything is accepted; 1: something is not; 2: there is no such directory."""
    parser = argparse.ArgumentParser(
        prog="pilothouse validate",
        description="Compile a directory of manifests and say what is wrong with it. Absent Secrets are only noted.",
    )
    parser.add_argument("directory", metavar="DIR", type=Path)
    root = parser.parse_args(argv).directory
    if not root.is_dir():
        print(f"pilothouse validate: {root} is not a directory", file=sys.stderr)
        return 2
    # What the directory's own log says is among the findings.
    logging.getLogger().addHandler(logging.NullHandler())
    environ = Assumed(os.environ)
    directory = Directory(root=root, environ=environ, clock=SystemClock())
    directory.load()
    world = directory.world
    if world is None:
        print(f"pilothouse validate: {root} could not be read", file=sys.stderr)
        return 2
    findings = sorted(_findings(directory, world))
    if environ.assumed:
        names = ", ".join(sorted(environ.assumed))
        findings.append(Finding(".", f"taken for granted, not set here: {names}", fatal=False))
    for finding in findings:
        print(f"{root / finding.place}: {'error' if finding.fatal else 'note'}: {finding.message}")
    errors = sum(finding.fatal for finding in findings)
    print(f"{len(world.resources)} resources, {errors} errors, {len(findings) - errors} notes")
    return 1 if errors else 0


def _findings(directory: Directory, world: World) -> Iterator[Finding]:
    yield from (Finding(".", problem.message) for problem in directory.callers.problems)
    for problem in directory.problems:
        place = problem.field or "."
        yield Finding(place, problem.message.removeprefix(f"{place}: "))
    wanted = sign_ins.sign_ins(world, IdentityAccess())
    # Neither is run: no store and no cloud is asked.
    beyond = Outside(clock=SystemClock(), rng=SystemRandom(), metrics=Metrics())
    values = Values(secrets=directory.secrets, stored=beyond.stored)
    credentials = Credentials(values=values, broker=beyond.broker, issuers=ISSUERS).gather(wanted)
    compiled = compiler.compile_world(
        Inputs(
            world=world,
            credentials=_assumed(credentials),
            identity=directory.callers.identity or Identity(),
            scopes=frozenset({GATEWAY_SCOPE}),
        )
    )
    for key, verdict in compiled.verdicts.items():
        place = directory.location(key) or "."
        yield from (Finding(place, f"{key}: {text}") for text in _refusals(verdict))
    for provider, state in credentials.items():
        if state.problem is not None and state.problem.reason not in _UNASKED:
            namespace, _, name = provider.partition("/")
            key = ResourceKey(Kind.PROVIDER, namespace, name)
            message = f"{key}: {state.problem.message}"
            yield Finding(directory.location(key) or ".", message, fatal=state.problem.reason not in _ABSENT)


def _assumed(credentials: Mapping[ProviderKey, CredentialState]) -> dict[ProviderKey, CredentialState]:
    """As if every provider could be signed in to: its routes are judged by themselves."""
    return {
        provider: state if state.credential is not None else replace(state, credential=NoCredential(), problem=None)
        for provider, state in credentials.items()
    }


def _refusals(verdict: Verdict) -> Iterator[str]:
    for condition in verdict.conditions:
        if condition.status is ConditionStatus.FALSE and condition.type in _JUDGED:
            yield _text(condition)


_JUDGED = (ConditionType.ACCEPTED, ConditionType.RESOLVED_REFS)


def _text(condition: Condition) -> str:
    return f"{condition.reason.value}: {condition.message}"
