"""Every provider of the world, as routes may refer to it."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.names import ProviderKey
from pilothouse_api.resources.provider import Delivery, LLMProviderSpec
from pilothouse_api.snapshot.credentials import NoCredential
from pilothouse_api.snapshot.providers import Native, Provider
from pilothouse_operator.compile import models
from pilothouse_operator.compile.access import Namespaces, granted, labelled
from pilothouse_operator.compile.discovered import Discovered
from pilothouse_operator.compile.lowering import lower
from pilothouse_operator.compile.models import Listing
from pilothouse_operator.compile.reading import Reading, read
from pilothouse_operator.compile.sign_ins import needs_credential
from pilothouse_operator.compile.world import CredentialState, Inputs, Kind

_UNASKED = Discovered()
_UNREAD = CredentialState(
    credential=None, problem=Problem(reason=Reason.PENDING, message="its Secrets have not been read yet")
)
_FREE = CredentialState(credential=NoCredential())


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One LLMProvider. `provider` is None where it cannot be used at all: `problems` say why."""

    key: ProviderKey
    reading: Reading[LLMProviderSpec]
    provider: Provider | None
    problems: tuple[Problem, ...]
    state: CredentialState
    discovered: Discovered = _UNASKED
    listing: Listing | None = None

    @property
    def namespace(self) -> str:
        """Of the LLMProvider."""
        return self.reading.resource.key.namespace

    @property
    def delivery(self) -> Delivery:
        """Which proxies may be given its credential."""
        return self.reading.spec.delivery if self.reading.spec is not None else Delivery.AUTO

    @property
    def confined(self) -> bool:
        """Whether proxies get something that should go nowhere by default but to gateways and its own namespace.

        That is what does not end by itself, and what is no narrower than the operator's own identity.
        """
        state = self.state
        ends = state.issued or isinstance(state.credential, NoCredential)
        return state.whole or state.proxy is not None or not ends


def backends(inputs: Inputs) -> Mapping[ProviderKey, Backend]:
    """All of them, usable or not, in the order of their keys."""
    namespaces = labelled(inputs.world.namespaces)
    readings = read(inputs.world, Kind.PROVIDER, LLMProviderSpec).values()
    found = (_backend(inputs, reading, namespaces) for reading in readings)
    return {backend.key: backend for backend in found}


def _backend(inputs: Inputs, reading: Reading[LLMProviderSpec], namespaces: Namespaces) -> Backend:
    resource = reading.resource
    key = ProviderKey(f"{resource.key.namespace}/{resource.key.name}")
    if reading.spec is None:
        return Backend(key=key, reading=reading, provider=None, problems=reading.problems, state=_UNREAD)
    state = inputs.credentials.get(key, _UNREAD) if needs_credential(reading.spec) else _FREE
    discovered = inputs.discovered.get(key, _UNASKED)
    table = models.table(reading.spec, discovered.models, inputs.catalogue)
    lowered = lower(reading.spec, table.models, listed=table.listing is not None)
    if isinstance(lowered, Problem):
        return Backend(key=key, reading=reading, provider=None, problems=(lowered,), state=state)
    native = reading.spec.native
    if native is not None:
        access = granted(reading.spec.access, owner=resource.key.namespace, namespaces=namespaces)
        lowered = msgspec.structs.replace(lowered, native=Native(paths=native.paths, access=access))
    return Backend(
        key=key,
        reading=reading,
        provider=lowered,
        problems=(),
        state=state,
        discovered=discovered,
        listing=table.listing,
    )
