"""Stores and clouds outside the cluster, as mappings."""

import asyncio
from collections.abc import Callable, Mapping

from pilothouse_api.names import ProviderKey
from pilothouse_api.secret import Secret
from pilothouse_operator.compile.identities import Address
from pilothouse_operator.ports import Application, Brokered, Changed, Inquiry, Stored, Surveyed, Wish


class Storehouse:
    """What was fetched, by address."""

    def __init__(self) -> None:
        self.stored: dict[Address, Stored] = {}
        self.wanted: frozenset[Wish] = frozenset()

    def want(self, wishes: frozenset[Wish]) -> None:
        self.wanted = wishes

    def read(self, address: Address, sign_in: tuple[tuple[str, Secret], ...]) -> Stored:
        return self.stored.get(address, Stored())

    async def run(self, changed: Changed) -> None:
        await asyncio.Event().wait()


class Counter:
    """What clouds have issued, by provider."""

    def __init__(self) -> None:
        self.brokered: dict[ProviderKey, Brokered] = {}
        self.wanted: Mapping[ProviderKey, Application] = {}
        self.refusals: list[tuple[ProviderKey, str]] = []

    def want(self, applications: Mapping[ProviderKey, Application]) -> None:
        self.wanted = applications

    def read(self, provider: ProviderKey) -> Brokered:
        return self.brokered.get(provider, Brokered()) if provider in self.wanted else Brokered()

    def refused(self, provider: ProviderKey, fingerprint: str) -> None:
        self.refusals.append((provider, fingerprint))

    async def run(self, changed: Changed, renewed: Callable[[ProviderKey], None]) -> None:
        await asyncio.Event().wait()


class Surveyor:
    """What accounts have, by provider."""

    def __init__(self) -> None:
        self.surveyed: dict[ProviderKey, Surveyed] = {}
        self.wanted: Mapping[ProviderKey, Inquiry] = {}

    def want(self, inquiries: Mapping[ProviderKey, Inquiry]) -> None:
        self.wanted = inquiries

    def read(self, provider: ProviderKey) -> Surveyed:
        return self.surveyed.get(provider, Surveyed()) if provider in self.wanted else Surveyed()

    async def run(self, changed: Changed, moved: Changed) -> None:
        await asyncio.Event().wait()
