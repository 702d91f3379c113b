"""The cells of the matrix, and what the code says of each: nothing is sent anywhere."""

from dataclasses import dataclass

from pilothouse_proxy import runtime, translation
from pilothouse_proxy.call import Call
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.http import origins
from pilothouse_proxy.operations import FREE, DialectName
from pilothouse_proxy.providers import registry
from tests.conformance import rows
from tests.conformance.apis.table import API, APIS
from tests.conformance.contents import compact
from tests.conformance.features import Feature
from tests.conformance.rows import ROWS, Row


@dataclass(frozen=True)
class Declared:
    """What the code does with the request of a cell."""

    dialect: DialectName | None
    """What the provider is spoken to in; None: the request is refused before it is sent."""
    param: str = ""
    """What is refused."""
    streams: bool = False
    """Whether the provider is asked to stream."""
    passes: bool = False
    """Whether the request passes as it is, if in another frame."""
    estimated: bool = False
    """Whether the gateway answers by itself, with a guess."""


@dataclass(frozen=True)
class Cell:
    row: Row
    api: API
    feature: Feature

    @property
    def name(self) -> str:
        return f"{self.row.name}-{self.api.operation.value}-{self.feature.name.lower()}"

    @property
    def body(self) -> dict[str, object]:
        found = self.api.asks(self.feature, self.row.name)
        assert found is not None
        return found


def cells() -> list[Cell]:
    """All there are: an API that has no word for a feature has no cell for it."""
    return [
        Cell(row, api, feature)
        for row in ROWS
        for api in APIS
        for feature in Feature
        if row.kind is api.kind and api.asks(feature, row.name) is not None
    ]


def declared(cell: Cell) -> Declared:
    """As the pipeline decides it: the first way that can say all of the request."""
    endpoint = rows.endpoint(cell.row.place, None)
    provider = registry.for_endpoint(endpoint)
    bases = {
        url: origins.base(url, connect_timeout_ms=1, pool_size=1, ca_bundle=None) for url in provider.urls(endpoint)
    }
    body = compact(cell.body)
    model, operation = cell.row.model, cell.api.operation
    peek = translation.peek(runtime.CLIENT_DIALECTS[operation])(body)
    place = runtime.Place(provider=provider, endpoint=endpoint, bases=bases, settings=None, skew=runtime.Skew())
    ways = runtime.Ways(place, model)[operation]
    call = Call(
        operation=operation,
        request_id="r",
        created=0,
        peek=peek,
        body=body,
        model=model,
        dialect=runtime.CLIENT_DIALECTS[operation],
        streams=peek.stream,
        headers=_headers(cell.api),
    )
    refused = Declared(None)
    for way in ways:
        call.dialect, call.streams = way.dialect, peek.stream
        try:
            provider.check(call)
            way.translation.request(call)
        except GatewayError as error:
            assert error.kind in {Kind.UNSUPPORTED, Kind.INVALID_REQUEST}, error
            refused = refused if refused.param else Declared(None, error.param or "")
        else:
            own = runtime.CLIENT_DIALECTS[operation]
            passes = way.dialect is own or (own, way.dialect) in translation.REFRAMED
            return Declared(way.dialect, streams=call.streams, passes=passes)
    return Declared(None, estimated=True) if operation in FREE else refused


def _headers(api: API) -> dict[bytes, bytes]:
    read = translation.headers(runtime.CLIENT_DIALECTS[api.operation])
    return {} if read is None else read([(name.encode(), value.encode()) for name, value in api.headers.items()])
