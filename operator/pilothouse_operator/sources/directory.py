"""A directory of manifests as Source, SecretStore and CallerDirectory: what `pilothouse up` runs on.

The truth is a walk over the tree, at least every 0.75 s; file notifications only make it come sooner. So edits by
atomic renames, mounted ConfigMaps (which swap a link called `..data`) and links out of the tree are all seen.
"""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

import watchfiles

from pilothouse_api.conditions import Problem
from pilothouse_api.snapshot.identity import Identity, KeyHolder
from pilothouse_operator.compile.world import ResourceKey, World
from pilothouse_operator.ports import Changed, Clock, SecretAbsent, SecretContent, SecretState
from pilothouse_operator.sources import api_keys
from pilothouse_operator.sources.shelf import Shelf
from pilothouse_operator.sources.tree import Change, Failed, Gone, Text, Tree

_log = logging.getLogger(__name__)

_POLL_S = 0.75
_STEP_S = 0.05


class Directory:
    """One tree of manifests, and the three views of it."""

    def __init__(
        self, *, root: Path, environ: Mapping[str, str], clock: Clock, anonymous: KeyHolder | None = None
    ) -> None:
        """`environ` fills in `${VAR}` in Secrets. `anonymous` is who a caller without a key is; None lets none in."""
        self._root = root
        self._tree = Tree(root=root, clock=clock)
        self._shelf = Shelf(environ=environ, first_version=int(clock.wall() * 1000))
        self._anonymous = anonymous
        self._identity: Identity | None = None
        self._key_problems: tuple[Problem, ...] = ()
        self._listeners: list[Changed] = []
        self.source = DirectorySource(self)
        self.secrets = DirectorySecrets(self)
        self.callers = DirectoryCallers(self)

    @property
    def world(self) -> World | None:
        """None until the tree was read once."""
        return self._shelf.world if self.loaded else None

    @property
    def loaded(self) -> bool:
        """Whether the tree was read once."""
        return self._identity is not None

    @property
    def identity(self) -> Identity | None:
        """None until the tree was read once."""
        return self._identity

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Files and documents that cannot be used; `field` is `file:line`."""
        return self._shelf.problems

    @property
    def key_problems(self) -> tuple[Problem, ...]:
        """API key Secrets that cannot be used."""
        return self._key_problems

    @property
    def troubles(self) -> tuple[str, ...]:
        """All problems as a person reads them: paths begin with the root's."""
        files = [
            f"{self._root / problem.field}{problem.message.removeprefix(problem.field)}" for problem in self.problems
        ]
        return (*files, *(problem.message for problem in self.key_problems))

    def location(self, key: ResourceKey) -> str | None:
        """`file:line` where a resource is declared."""
        return self._shelf.location(key)

    def secret(self, namespace: str, name: str) -> SecretContent | SecretAbsent:
        """One Secret, as its file has it."""
        if not self.loaded:
            return SecretAbsent(state=SecretState.PENDING, message=f"{self._root} has not been read yet")
        declared = self._shelf.secrets.get((namespace, name))
        if declared is None:
            message = f"no file under {self._root} declares the Secret {namespace}/{name}; add one"
            return SecretAbsent(state=SecretState.NOT_FOUND, message=message)
        return SecretContent(values=declared.values)

    def listen(self, changed: Changed) -> None:
        """`changed` is called after each change from now on."""
        self._listeners.append(changed)

    def load(self) -> None:
        """Reads everything at once."""
        self._take(self._tree.read())

    async def watch(self) -> None:
        """Loads if that was not done yet, then keeps everything current, until cancelled."""
        stirred = asyncio.Event()
        notifications = asyncio.create_task(_notify(self._root, stirred))
        try:
            if not self.loaded:
                await asyncio.to_thread(self.load)
                self._announce()
            while True:
                if await asyncio.to_thread(self._step):
                    self._announce()
                await self._rest(stirred)
        finally:
            notifications.cancel()
            await asyncio.gather(notifications, return_exceptions=True)

    async def _rest(self, stirred: asyncio.Event) -> None:
        if self._tree.stirring:
            await asyncio.sleep(_STEP_S)
            return
        try:
            async with asyncio.timeout(_POLL_S):
                await stirred.wait()
        except TimeoutError:
            pass
        stirred.clear()

    def _step(self) -> bool:
        changes = self._tree.step()
        return self._take(changes) if changes else False

    def _take(self, changes: list[Change]) -> bool:
        for change in changes:
            match change:
                case Text(path, text, syntax):
                    self._shelf.put(path, text, syntax)
                case Failed(path, reason):
                    self._shelf.fail(path, reason)
                case Gone(path):
                    self._shelf.drop(path)
        before = self.troubles
        changed = self._shelf.rebuild()
        self._identify()
        for trouble in self.troubles:
            if trouble not in before:
                _log.warning("%s", trouble)
        for trouble in before:
            if trouble not in self.troubles:
                _log.info("solved: %s", trouble)
        return changed

    def _identify(self) -> None:
        found = api_keys.holders(
            api_keys.KeySecret(namespace=namespace, name=name, labels=secret.labels, values=secret.values)
            for (namespace, name), secret in self._shelf.secrets.items()
            if api_keys.is_api_key(secret.labels)
        )
        self._key_problems = found.problems
        self._identity = Identity(api_keys=dict(found.keys), anonymous=self._anonymous)

    def _announce(self) -> None:
        for listener in self._listeners:
            listener()


async def _notify(root: Path, stirred: asyncio.Event) -> None:
    """Sets `stirred` when the system tells of a change.

    Without notifications (no inotify left, no such directory) the walk still finds it.
    """
    while True:
        try:
            async for _ in watchfiles.awatch(root, watch_filter=None, debounce=200, step=50, recursive=True):
                stirred.set()
        except (OSError, RuntimeError) as error:
            _log.debug("no file notifications for %s: %s", root, error)
        await asyncio.sleep(5)


class DirectorySource:
    """The resources. Its `run` is what watches the tree; the other two views only listen."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    @property
    def world(self) -> World | None:
        """None until the tree was read once."""
        return self._directory.world

    async def run(self, changed: Changed) -> None:
        """Until cancelled."""
        self._directory.listen(changed)
        await self._directory.watch()


class DirectorySecrets:
    """The Secrets. All are in memory anyway, so that wanting one costs nothing."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def want(self, references: frozenset[tuple[str, str]]) -> None:
        """Nothing to prepare."""

    def read(self, namespace: str, name: str) -> SecretContent | SecretAbsent:
        """As last seen, without I/O."""
        return self._directory.secret(namespace, name)

    async def run(self, changed: Changed) -> None:
        """Until cancelled."""
        self._directory.listen(changed)
        await asyncio.Event().wait()


class DirectoryCallers:
    """Callers by API key; there are no ServiceAccounts here."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    @property
    def identity(self) -> Identity | None:
        """None until the tree was read once."""
        return self._directory.identity

    @property
    def problems(self) -> tuple[Problem, ...]:
        """API key Secrets that cannot be used."""
        return self._directory.key_problems

    async def run(self, changed: Changed) -> None:
        """Until cancelled."""
        self._directory.listen(changed)
        await asyncio.Event().wait()
