import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from pilothouse_api.secret import Secret
from pilothouse_operator.kube import requests, resources
from pilothouse_operator.kube.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    NotFound,
    Unauthorized,
    Unavailable,
)
from pilothouse_operator.kube.requests import Api, Force
from pilothouse_operator.kube.stream import Event, EventType
from pilothouse_operator.observe import Metrics
from tests.unit.operator.apiserver import Answer, Server

SECRETS = resources.SECRETS
LEASES = resources.LEASES


def says(body: object, *, status: int = 200, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(body, status=status, headers=named)

    return answer


def refuses(status: int, **fields: object) -> Answer:
    return says({"kind": "Status", "message": "the server says no", **fields}, status=status)


def streams(*chunks: bytes, then: float = 0) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(0)
        await asyncio.sleep(then)
        return response

    return answer


async def cuts(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def line(type_: str, **fields: object) -> bytes:
    body: dict[str, Any] = {"type": type_, "object": fields or {"metadata": {"name": "a", "resourceVersion": "7"}}}
    return json.dumps(body).encode() + b"\n"


async def heard(api: Api, **options: str) -> tuple[list[Event], KubeError | None]:
    """All events of one watch, and how it ended."""
    events: list[Event] = []
    try:
        async for event in api.watch(SECRETS, version="5", namespace="a", **options):
            events.append(event)
    except KubeError as error:
        return events, error
    return events, None


async def test_get_returns_the_object_and_signs_in(api: Api, server: Server) -> None:
    server.will(says({"metadata": {"name": "x"}}))
    assert await api.get(LEASES, name="x", namespace="a") == {"metadata": {"name": "x"}}
    request = server.seen[0]
    assert request.path == "/apis/coordination.k8s.io/v1/namespaces/a/leases/x"
    assert request.headers["Authorization"] == "Bearer first-token"
    assert request.headers["User-Agent"].startswith("pilothouse-operator/")


async def test_a_list_goes_through_all_pages(api: Api, server: Server) -> None:
    server.will(
        says({"items": [{"n": 1}], "metadata": {"resourceVersion": "9", "continue": "more"}}),
        says({"items": [{"n": 2}], "metadata": {"resourceVersion": "9"}}),
    )
    listing = await api.list(SECRETS, labels="a=b")
    assert (listing.items, listing.version) == ([{"n": 1}, {"n": 2}], "9")
    assert server.seen[1].query["continue"] == "more"
    assert [request.query["labelSelector"] for request in server.seen] == ["a=b", "a=b"]


async def test_a_list_whose_pages_expire_is_made_in_one_go(api: Api, server: Server) -> None:
    server.will(
        says({"items": [{"n": 1}], "metadata": {"resourceVersion": "9", "continue": "more"}}),
        refuses(410),
        says({"items": [{"n": 1}, {"n": 2}], "metadata": {"resourceVersion": "12"}}),
    )
    listing = await api.list(SECRETS)
    assert (listing.items, listing.version) == ([{"n": 1}, {"n": 2}], "12")
    assert "limit" not in server.seen[2].query


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, Invalid), (403, Forbidden), (404, NotFound), (409, Conflict), (410, Gone), (422, Invalid)],
)
async def test_a_refusal_is_typed_and_never_repeated(
    api: Api, server: Server, status: int, error: type[KubeError]
) -> None:
    server.will(refuses(status))
    with pytest.raises(error, match="the server says no"):
        await api.get(LEASES, name="x")
    assert len(server.seen) == 1


async def test_what_is_there_already_is_no_conflict(api: Api, server: Server) -> None:
    server.will(refuses(409, reason="AlreadyExists"))
    with pytest.raises(AlreadyExists):
        await api.create(LEASES, namespace="a", body={})


@pytest.mark.parametrize("fault", [refuses(429), refuses(500), refuses(503), cuts, says([1])])
async def test_what_may_pass_is_tried_again(api: Api, server: Server, fault: Answer) -> None:
    server.will(fault, fault, says({"ok": True}))
    assert await api.get(LEASES, name="x") == {"ok": True}
    assert len(server.seen) == 3


async def test_the_server_decides_when_to_come_back(api: Api, server: Server) -> None:
    server.will(says({}, status=429, Retry_After="1"), says({"ok": True}))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await api.get(LEASES, name="x")
    assert loop.time() - begun >= 1


async def test_a_wait_beyond_the_deadline_is_not_begun(api: Api, server: Server) -> None:
    server.will(says({}, status=429, Retry_After="60"))
    with pytest.raises(Unavailable) as caught:
        await api.get(LEASES, name="x")
    assert caught.value.retry_after_s == 60
    assert len(server.seen) == 1


async def test_no_answer_by_the_deadline_is_unavailable(api: Api, server: Server) -> None:
    server.will(streams(b"{", then=5))
    with pytest.raises(Unavailable, match="no answer in time"):
        await api.create(LEASES, namespace="a", body={}, deadline_s=0.2)


async def test_unavailable_is_a_connection_error(api: Api, server: Server) -> None:
    server.will(cuts)
    with pytest.raises(ConnectionError):
        await api.replace(LEASES, name="x", namespace="a", body={}, deadline_s=0.05)


async def test_a_401_signs_in_anew_once(api: Api, server: Server, token_file: Any) -> None:
    server.will(refuses(401), says({"ok": True}))
    token_file.write_text("second-token")
    assert await api.get(LEASES, name="x") == {"ok": True}
    assert server.seen[1].headers["Authorization"] == "Bearer second-token"


async def test_a_second_401_is_final(api: Api, server: Server) -> None:
    server.will(refuses(401))
    with pytest.raises(Unauthorized):
        await api.get(LEASES, name="x")
    assert len(server.seen) == 2


async def test_apply_sends_its_manager_and_force_only_when_told(api: Api, server: Server) -> None:
    server.will(says({}))
    body = {"status": {"a": 1}}
    kind = resources.ApiResource("pilothouse.dev", "v1alpha1", "modelroutes")
    await api.apply(kind, name="x", namespace="a", body=body, field_manager="pilothouse/a/b", subresource="status")
    await api.apply(kind, name="x", namespace="a", body=body, field_manager="m", force=Force.YES)
    first, second = server.seen
    assert first.method == "PATCH"
    assert first.path == "/apis/pilothouse.dev/v1alpha1/namespaces/a/modelroutes/x/status"
    assert first.query == {"fieldManager": "pilothouse/a/b", "force": "false"}
    assert first.headers["Content-Type"] == "application/apply-patch+yaml"
    assert second.query["force"] == "true"
    assert json.loads(server.bodies[0]) == body


async def test_a_conflict_names_the_managers(api: Api, server: Server) -> None:
    causes = [
        {"reason": "FieldManagerConflict", "message": f'conflict with "{name}" with subresource "status" using v1'}
        for name in ("pilothouse/a/b", "kubectl-edit")
    ]
    server.will(refuses(409, reason="Conflict", details={"causes": causes}))
    with pytest.raises(Conflict) as caught:
        await api.apply(LEASES, name="x", namespace="a", body={}, field_manager="m")
    assert caught.value.managers == {"pilothouse/a/b", "kubectl-edit"}


async def test_merge_sends_a_merge_patch(api: Api, server: Server) -> None:
    server.will(says({}))
    await api.merge(resources.EVENTS, name="x", namespace="a", body={"series": {"count": 2}})
    assert server.seen[0].headers["Content-Type"] == "application/merge-patch+json"


async def test_a_token_is_reviewed_for_its_audience(api: Api, server: Server) -> None:
    server.will(says({"status": {"authenticated": True}}))
    assert await api.review_token(Secret("the-token"), "pilothouse") == {"authenticated": True}
    assert json.loads(server.bodies[0])["spec"] == {"token": "the-token", "audiences": ["pilothouse"]}


async def test_a_refused_review_repeats_no_token(api: Api, server: Server) -> None:
    server.will(refuses(422, message="Invalid value: the-token"))
    with pytest.raises(Invalid) as caught:
        await api.review_token(Secret("the-token"), "pilothouse")
    assert "the-token" not in str(caught.value)


async def test_a_watch_asks_for_bookmarks_and_an_end(api: Api, server: Server) -> None:
    server.will(streams(line("ADDED")))
    await heard(api, fields="metadata.name=x")
    query = server.seen[0].query
    assert (query["watch"], query["allowWatchBookmarks"], query["resourceVersion"]) == ("1", "true", "5")
    assert query["fieldSelector"] == "metadata.name=x"
    assert 300 <= int(query["timeoutSeconds"]) <= 600


async def test_a_watch_that_the_server_ends_just_ends(api: Api, server: Server) -> None:
    server.will(streams(line("ADDED"), line("BOOKMARK")))
    events, error = await heard(api)
    assert [event.type for event in events] == [EventType.ADDED, EventType.BOOKMARK]
    assert events[0].version == "7"
    assert error is None


async def test_a_watch_whose_version_is_gone_says_so_at_once(api: Api, server: Server) -> None:
    server.will(refuses(410))
    assert isinstance((await heard(api))[1], Gone)


async def test_a_watch_whose_version_is_gone_says_so_in_the_stream(api: Api, server: Server) -> None:
    server.will(streams(line("ADDED"), line("ERROR", kind="Status", code=410, reason="Expired")))
    events, error = await heard(api)
    assert len(events) == 1
    assert isinstance(error, Gone)


@pytest.mark.parametrize(
    "end",
    [
        line("ERROR", kind="Status", code=500),
        line("ERROR", kind="Status", code=429),
        line("ERROR", kind="Status", code=403),
        b"garbage\n",
        b'{"type":"ADDED"}\n',
        b'{"type":"ADDED","object":{"meta',
    ],
)
async def test_a_broken_stream_is_unavailable_after_what_was_heard(api: Api, server: Server, end: bytes) -> None:
    server.will(streams(line("ADDED"), end))
    events, error = await heard(api)
    assert len(events) == 1
    assert isinstance(error, Unavailable)


async def test_a_stalled_stream_is_noticed(api: Api, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "_INACTIVITY_S", 0.1)
    server.will(streams(line("ADDED"), then=5))
    events, error = await heard(api)
    assert len(events) == 1
    assert isinstance(error, Unavailable)


async def test_more_than_a_hundred_watches_leave_room_for_calls(api: Api, server: Server) -> None:
    held = asyncio.Event()

    async def holds(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.json_response({"ok": True})
        response = web.StreamResponse()
        await response.prepare(request)
        await held.wait()
        return response

    server.will(holds)
    watches = [asyncio.create_task(heard(api)) for _ in range(120)]
    while len(server.seen) < 120:  # noqa: ASYNC110 - the server counts, and tells nobody
        await asyncio.sleep(0.01)
    assert await api.get(LEASES, name="x") == {"ok": True}
    held.set()
    await asyncio.gather(*watches)


async def test_calls_are_counted_by_verb_and_outcome(api: Api, server: Server, metrics: Metrics) -> None:
    server.will(refuses(404), says({}))
    with pytest.raises(NotFound):
        await api.get(LEASES, name="x")
    await api.get(LEASES, name="x")

    def count(outcome: str) -> float | None:
        labels = {"verb": "get", "outcome": outcome}
        return metrics.registry.get_sample_value("pilothouse_operator_kube_requests_total", labels)

    assert (count("ok"), count("notfound")) == (1, 1)


async def test_recovery_is_told_once_after_a_lost_connection(api: Api, server: Server) -> None:
    told: list[int] = []
    api.on_recovery(lambda: told.append(len(server.seen)))
    server.will(says({}), cuts, cuts, says({}), says({}))
    await api.get(LEASES, name="x")
    assert told == []
    await api.get(LEASES, name="x")
    await api.get(LEASES, name="x")
    assert told == [4]


async def test_a_busy_server_is_no_lost_connection(api: Api, server: Server) -> None:
    told: list[bool] = []
    api.on_recovery(lambda: told.append(True))
    server.will(refuses(503), says({}))
    await api.get(LEASES, name="x")
    assert told == []
