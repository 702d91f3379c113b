"""The admin API of the estate, beside that of the models' services. Bodies are checked strictly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import parse_qs

import msgspec

from tests.simulators.estate.door import State
from tests.simulators.estate.fleet import Estate
from tests.simulators.wire import replies
from tests.simulators.wire.replies import Reply
from tests.simulators.wire.server import Request, Service

T = TypeVar("T")
_JSON = [("content-type", "application/json")]


class _Key(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    kind: str
    name: str
    value: str = ""


class _Value(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    store: str
    name: str
    value: str | dict[str, str]
    secret: str


class _Revocation(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    role: str = ""
    application: str = ""


class _Pod(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    life_s: float


class EstateAdmin:
    """`other` answers what is not about the estate."""

    def __init__(self, estate: Estate, other: Service) -> None:
        self._estate = estate
        self._other = other
        self._routes: dict[tuple[str, str], Callable[[Request], Any]] = {
            ("POST", "/reset"): self._refuse_reset,
            ("POST", "/keys"): self._make_key,
            ("DELETE", "/keys"): self._revoke_key,
            ("PUT", "/values"): self._put_value,
            ("PUT", "/doors"): self._set_doors,
            ("PUT", "/lives"): lambda r: self._estate.shorten(_decoded(r, dict[str, int])),
            ("POST", "/revocations"): self._revoke_issued,
            ("PUT", "/pod"): lambda r: self._estate.pod.project(life_s=_decoded(r, _Pod).life_s),
            ("GET", "/ledger"): self._ledger,
            ("GET", "/planted"): lambda _: sorted(self._estate.planted()),
        }

    def __call__(self, request: Request) -> Reply:
        route = self._routes.get((request.method.decode("latin-1"), request.path.decode("latin-1")))
        if route is None:
            return self._other(request)
        try:
            found = route(request)
        except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as exc:
            return _answer(400, {"error": str(exc)})
        return _answer(200, {"ok": True} if found is None else found)

    def _refuse_reset(self, request: Request) -> None:
        raise ValueError("what was issued cannot be forgotten everywhere: start the simulators again")

    def _make_key(self, request: Request) -> Any:
        asked = _decoded(request, _Key)
        return self._estate.keys.make(asked.kind, asked.name, asked.value)

    def _revoke_key(self, request: Request) -> None:
        self._estate.keys.revoke(parse_qs(request.query.decode("latin-1"))["name"][0])

    def _put_value(self, request: Request) -> None:
        asked = _decoded(request, _Value)
        self._estate.put(asked.store, asked.name, asked.value, asked.secret)

    def _set_doors(self, request: Request) -> None:
        asked = _decoded(request, dict[str, State])
        unknown = asked.keys() - self._estate.doors.keys()
        if unknown:
            raise ValueError(f"no door {', '.join(unknown)}: there are {', '.join(self._estate.doors)}")
        for name, state in asked.items():
            self._estate.doors[name].state = state

    def _revoke_issued(self, request: Request) -> Any:
        asked = _decoded(request, _Revocation)
        return {"ended": self._estate.revoke_issued(role=asked.role, application=asked.application)}

    def _ledger(self, request: Request) -> Any:
        ledger = self._estate.ledger
        return {"shown": ledger.shown, "used": ledger.used, "credentials": ledger.credentials}


def _decoded(request: Request, kind: type[T]) -> T:
    return msgspec.json.decode(request.body, type=kind)


def _answer(status: int, payload: Any) -> Reply:
    return Reply([(0.0, replies.whole(status, _JSON, msgspec.json.encode(payload)))])
