"""The files of a directory → one World with its Secrets. Pure: what is in a file comes in as text.

What cannot be read, or would be refused at apply, keeps the last content that was good: of a whole file, or of one
resource. Versions move only when content does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pilothouse_api.conditions import Problem, Reason
from pilothouse_operator.compile import verdicts
from pilothouse_operator.compile.world import Kind, Resource, ResourceKey, World
from pilothouse_operator.sources import admission, contents
from pilothouse_operator.sources.contents import Content, Declared, DeclaredNamespace, DeclaredSecret, Foreign
from pilothouse_operator.sources.manifests import Document, Malformed, Syntax, parse

_FIRST_CREATION = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a document declares, or declared when it was last good. `name` tells it from others of its file."""

    line: int
    name: str
    content: Content


@dataclass(slots=True)
class _File:
    """`fault` is of the file as it is now, `faults` are of its documents."""

    entries: tuple[_Entry, ...] = ()
    faults: tuple[Problem, ...] = ()
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
            message = f"{path}:{error.line}: {error.message}; {_KEPT if file.entries else _NOTHING}"
            file.fault = Problem(reason=Reason.INVALID, message=message, field=f"{path}:{error.line}")
            return
        if file.entries and not text.strip():
            self.fail(path, "is empty (to remove what it declared, delete it)")
            return
        file.fault = None
        self._fill(file, path, documents)

    def _fill(self, file: _File, path: str, documents: tuple[Document, ...]) -> None:
        before = {
            entry.name: entry.content for entry in reversed(file.entries) if not isinstance(entry.content, Foreign)
        }
        entries: list[_Entry] = []
        faults: list[Problem] = []
        nameless: list[tuple[str, str]] = []
        for document in documents:
            place = f"{path}:{document.line}"
            try:
                content = contents.read(document, self._environ)
            except contents.Unusable as error:
                nameless.append((place, str(error)))
                continue
            name = _name(content)
            if isinstance(content, Declared):
                content, fault = _admitted(content, before.get(name))
                faults += [_problem(place, f"{name}: {fault}")] if fault else []
            entries.append(_Entry(document.line, name, content))
        if nameless:
            # One of them may be what the file lacks now, misspelt.
            lacking = before.keys() - {entry.name for entry in entries}
            entries += [entry for entry in file.entries if entry.name in lacking]
            kept = f"; {', '.join(sorted(lacking))}, which the file held before, stays in force" if lacking else ""
            faults += [_problem(place, f"{reason}{kept}") for place, reason in nameless]
        file.entries, file.faults = tuple(entries), tuple(faults)

    def fail(self, path: str, reason: str) -> None:
        """A file, or a directory, that could not be read."""
        file = self._files.setdefault(path, _File())
        held = any(held.entries for name, held in self._files.items() if name == path or _is_below(name, path))
        kept = _KEPT if held else _NOTHING
        file.fault = Problem(reason=Reason.INVALID, message=f"{path}: {reason}; {kept}", field=path)

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
            found.problems.extend(file.faults)
            for entry in file.entries:
                place = _Place(path, entry.line, rank)
                rank += 1
                found.problems.extend(_shelve(found, entry, place))
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


_KEPT = "what it last held stays in force"
_NOTHING = "nothing of it is in force"


def _is_below(path: str, directory: str) -> bool:
    """The path of a directory ends in a slash, that of the root is `./`."""
    return directory == "./" or (directory.endswith("/") and path.startswith(directory))


def _admitted(declared: Declared, before: Content | None) -> tuple[Declared, str]:
    """What is in force of it, and why that is not what it says; empty if it is, or if its own verdict will tell."""
    judged = admission.judged(declared)
    if judged.problem is None or not isinstance(before, Declared) or before.problem is not None:
        return judged, ""
    return before, f"{verdicts.text(judged.problem)}; {_KEPT}"


def _name(content: Content) -> str:
    match content:
        case Declared():
            return str(content.key)
        case DeclaredSecret():
            return f"Secret {content.namespace}/{content.name}"
        case DeclaredNamespace():
            return f"Namespace {content.name}"
        case Foreign():
            return content.kind


def _shelve(found: _Found, entry: _Entry, place: _Place) -> Iterator[Problem]:
    """Takes what `entry` declares in, unless its name is taken."""
    match entry.content:
        case Declared() as resource:
            taken = found.resources.setdefault(resource.key, (resource, place))[1]
        case DeclaredSecret() as secret:
            taken = found.secrets.setdefault((secret.namespace, secret.name), (secret, place))[1]
            yield from (_problem(place, f"{entry.name}: {problem}") for problem in secret.problems)
        case DeclaredNamespace() as namespace:
            taken = found.namespaces.setdefault(namespace.name, (namespace, place))[1]
        case Foreign():
            return
    if taken is not place:
        yield _problem(place, f"{entry.name} is declared in {taken} already, which counts; remove one of the two")


def _problem(place: _Place | str, message: str) -> Problem:
    return Problem(reason=Reason.INVALID, message=f"{place}: {message}", field=str(place))
