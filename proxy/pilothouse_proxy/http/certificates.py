"""The listening side's certificates: one for everybody, others by the name that a caller asks for, all read anew when
their files change.
"""

import asyncio
import logging
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pilothouse_proxy.http import tls
from pilothouse_proxy.http.inbound import TLSFiles

LOOK_S = 2.0
MAIN = ""
"""The name of the pair that is for everybody; the others have the names of their directories."""

_Signature = tuple[tuple[int, int, int, int], ...]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Files:
    cert: Path
    key: Path

    def signature(self) -> _Signature | None:
        """Differs when what is behind the names does, be it a file or, as in a Secret's volume, a link to another."""
        try:
            told = [path.stat() for path in (self.cert, self.key)]
        except OSError:
            return None
        return tuple((each.st_dev, each.st_ino, each.st_mtime_ns, each.st_size) for each in told)


@dataclass(slots=True)
class _Entry:
    """What is known of one pair."""

    files: _Files
    loaded: tls.Pair | None = None
    """What is served: the last that could be used."""
    tried: _Signature | None = ()
    """The files as they were when they were last read; None: they were not there."""
    seen: _Signature | None = ()
    """And as they were when last looked at: they are read once they have stayed so, for they may be half written."""
    broken: bool = False


class Certificates:
    """All pairs. `context` is for the listener, and stays the same one."""

    def __init__(self, files: TLSFiles) -> None:
        """Reads everything.

        Raises:
            tls.Unusable: the pair that is for everybody cannot be used.
        """
        self._files = files
        self._entries = {MAIN: _Entry(_Files(files.cert, files.key))}
        self._by_name: dict[str, tls.Pair] = {}
        main = self._entries[MAIN]
        main.tried = main.seen = main.files.signature()
        main.loaded = tls.read_pair(main.files.cert, main.files.key)
        self.context = tls.server_context(str(files.cert), str(files.key))
        # Its own certificate is never used: whatever has been loaded last is.
        self.context.sni_callback = self._choose
        for name in self._names():
            self._entries[name] = entry = _Entry(self._others(name))
            self._read(name, entry, entry.files.signature())
        self._index()

    async def watch(self) -> None:
        """Look at the files again and again. Never returns."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_S)
            # A volume may be slow, and so is a key of many bits.
            await loop.run_in_executor(None, self.look)

    def look(self) -> None:
        """Read what has changed, and stayed so since the last look."""
        names = self._names()
        for name in [name for name in self._entries if name != MAIN and name not in names]:
            del self._entries[name]
            logger.info("the certificate %s is served no more: its directory has gone", name)
        for name in names:
            if name not in self._entries:
                self._entries[name] = _Entry(self._others(name))
        for name, entry in self._entries.items():
            signature = entry.files.signature()
            settled = signature == entry.seen
            entry.seen = signature
            if settled and signature != entry.tried:
                self._read(name, entry, signature)
        self._index()

    def expiries(self) -> dict[tuple[str, ...], float]:
        """When each certificate that is served ends, in Unix seconds, by name."""
        return {(_told(name),): entry.loaded.ends_at for name, entry in self._known() if entry.loaded is not None}

    def broken(self) -> dict[tuple[str, ...], float]:
        """1 for each pair whose files cannot be used, so that the one before is served, or none."""
        return {(_told(name),): float(entry.broken) for name, entry in self._known()}

    def _known(self) -> list[tuple[str, _Entry]]:
        # The other thread may be at it.
        return list(self._entries.items())

    def _names(self) -> list[str]:
        if self._files.sni_dir is None:
            return []
        return sorted(_directories(self._files.sni_dir))

    def _others(self, name: str) -> _Files:
        folder = (self._files.sni_dir or Path()) / name
        return _Files(folder / "tls.crt", folder / "tls.key")

    def _read(self, name: str, entry: _Entry, signature: _Signature | None) -> None:
        entry.seen = entry.tried = signature
        try:
            entry.loaded = tls.read_pair(entry.files.cert, entry.files.key)
        except tls.Unusable as error:
            entry.broken = True
            left = "the one before is served on" if entry.loaded is not None else "it is left out"
            logger.error("the certificate %s cannot be used, %s: %s", _told(name), left, error)
            return
        entry.broken = False
        logger.info("the certificate %s for %s is served", _told(name), ", ".join(entry.loaded.names) or "no name")

    def _index(self) -> None:
        self._by_name = {
            host: entry.loaded
            for _, entry in reversed(self._entries.items())
            if entry.loaded is not None
            for host in entry.loaded.names
        }

    def _choose(self, connection: ssl.SSLObject, asked: str | None, _: ssl.SSLContext) -> None:
        """The callback of every handshake, with the name that was asked for, if one was."""
        main = self._entries[MAIN].loaded
        pair = None
        if asked:
            by_name, host = self._by_name, asked.lower()
            pair = by_name.get(host) or by_name.get("*." + host.partition(".")[2])
        chosen = pair or main
        if chosen is not None:
            connection.context = chosen.context


def _told(name: str) -> str:
    return name or "main"


def _directories(root: Path) -> Iterator[str]:
    """Not those of a volume's own, such as `..data`."""
    try:
        for each in root.iterdir():
            if not each.name.startswith(".") and each.is_dir():
                yield each.name
    except OSError:
        return
