"""The files of a directory → one World with its Secrets. Pure: what is in a file comes in as text.

A file that cannot be read keeps the last content that could. Versions move only when content does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pilothouse_api.conditions import Problem, Reason
from pilothouse_operator.compile.world import Kind, Resource, ResourceKey, World
from pilothouse_operator.sources import contents
from pilothouse_operator.sources.contents import Content, Declared, DeclaredNamespace, DeclaredSecret
from pilothouse_operator.sources.manifests import Document, Malformed, Syntax, parse

_FIRST_CREATION = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _File:
    documents: tuple[Document, ...] = ()
    fault: Problem | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """`rank` counts documents by path, then by position."""

    path: str
    line: int
    rank: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(slots=True)
class _Found:
    """One reading of all files: the first declaration of each name counts."""

    resources: dict[ResourceKey, tuple[Declared, _Place]] = field(default_factory=dict)
    secrets: dict[tuple[str, str], tuple[DeclaredSecret, _Place]] = field(default_factory=dict)
    namespaces: dict[str, tuple[DeclaredNamespace, _Place]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class Shelf:
    """Holds the files by path. `put`, `fail` and `drop` take in changes; `rebuild` makes them visible, all at once."""

    def __init__(self, *, environ: Mapping[str, str], first_version: int) -> None:
        """`first_version` must exceed those of earlier runs: a proxy takes a lower one for a replica that lags."""
        self._environ = environ
        self._version = first_version
        self._files: dict[str, _File] = {}
        self._places: Mapping[ResourceKey, _Place] = {}
        self._uids: dict[ResourceKey, int] = {}
        self._seen = {kind.plural: str(first_version) for kind in Kind}
        self.world = World(resources={}, namespaces={}, seen=dict(self._seen))
        self.secrets: Mapping[tuple[str, str], DeclaredSecret] = {}
        self.problems: tuple[Problem, ...] = ()

    def put(self, path: str, text: str, syntax: Syntax) -> None:
        """New content of a file, kept only if it can be read; one that has become empty is taken for half-written."""
        file = self._files.setdefault(path, _File())
        try:
            documents = parse(text, syntax)
        except Malformed as error:
            message = f"{path}:{error.line}: {error.message}; {_kept(file)}"
            file.fault = Problem(reason=Reason.INVALID, message=message, field=f"{path}:{error.line}")
            return
        if file.documents and not text.strip():
            self.fail(path, "is empty (to remove what it declared, delete it)")
            return
        file.documents, file.fault = documents, None

    def fail(self, path: str, reason: str) -> None:
        """A file, or a directory, that could not be read."""
        file = self._files.setdefault(path, _File())
        file.fault = Problem(reason=Reason.INVALID, message=f"{path}: {reason}; {_kept(file)}", field=path)

    def drop(self, path: str) -> None:
        """A file that is gone, and what it declared with it."""
        self._files.pop(path, None)

    def location(self, key: ResourceKey) -> str | None:
        """`file:line` of the declaration that counts."""
        place = self._places.get(key)
        return str(place) if place else None

    def rebuild(self) -> bool:
        """Whether resources, namespaces or Secrets are other than before. `problems` are renewed in any case."""
        found = self._read()
        self.problems = tuple(found.problems)
        self._places = {key: place for key, (_, place) in found.resources.items()}
        resources = {key: self._resource(declared, place) for key, (declared, place) in found.resources.items()}
        for key in self.world.resources.keys() - resources.keys():
            self._move(key.kind)
        namespaces = {name: declared.labels for name, (declared, _) in found.namespaces.items()}
        secrets = {key: declared for key, (declared, _) in found.secrets.items()}
        changed = (resources, namespaces, secrets) != (self.world.resources, self.world.namespaces, self.secrets)
        self.secrets = secrets
        if changed:
            self.world = World(resources=resources, namespaces=namespaces, seen=dict(self._seen))
        return changed

    def _read(self) -> _Found:
        found, rank = _Found(), 0
        for path, file in sorted(self._files.items()):
            if file.fault:
                found.problems.append(file.fault)
            for document in file.documents:
                place = _Place(path, document.line, rank)
                rank += 1
                try:
                    content = contents.read(document, self._environ)
                except contents.Unusable as error:
                    found.problems.append(_problem(place, str(error)))
                else:
                    found.problems.extend(_shelve(found, content, place))
        return found

    def _resource(self, declared: Declared, place: _Place) -> Resource:
        key, before = declared.key, self.world.resources.get(declared.key)
        created = (_FIRST_CREATION + timedelta(seconds=place.rank)).strftime("%Y-%m-%dT%H:%M:%SZ")
        if before is None:
            self._uids[key] = self._uids.get(key, 0) + 1
            version, generation = self._move(key.kind), 1
        elif (before.spec, before.labels, before.problem) == (declared.spec, declared.labels, declared.problem):
            version, generation = before.resource_version, before.generation
        else:
            respecified = (before.spec, before.problem) != (declared.spec, declared.problem)
            version, generation = self._move(key.kind), before.generation + respecified
        return Resource(
            key=key,
            uid=f"{key.kind}/{key.namespace}/{key.name}/{self._uids[key]}",
            resource_version=version,
            generation=generation,
            created=created,
            spec=declared.spec,
            labels=declared.labels,
            problem=declared.problem,
        )

    def _move(self, kind: Kind) -> str:
        self._version += 1
        self._seen[kind.plural] = str(self._version)
        return self._seen[kind.plural]


def _kept(file: _File) -> str:
    return "what it last held stays in force" if file.documents else "nothing of it is in force"


def _shelve(found: _Found, content: Content, place: _Place) -> Iterator[Problem]:
    """Takes `content` in unless its name is taken."""
    match content:
        case Declared():
            taken = found.resources.setdefault(content.key, (content, place))[1]
            name = str(content.key)
        case DeclaredSecret():
            taken = found.secrets.setdefault((content.namespace, content.name), (content, place))[1]
            name = f"Secret {content.namespace}/{content.name}"
            yield from (_problem(place, f"{name}: {problem}") for problem in content.problems)
        case DeclaredNamespace():
            taken = found.namespaces.setdefault(content.name, (content, place))[1]
            name = f"Namespace {content.name}"
        case _:
            return
    if taken is not place:
        yield _problem(place, f"{name} is declared in {taken} already, which counts; remove one of the two")


def _problem(place: _Place, message: str) -> Problem:
    return Problem(reason=Reason.INVALID, message=f"{place}: {message}", field=str(place))
