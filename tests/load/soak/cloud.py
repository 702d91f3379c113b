"""The upstream of the soak, which does what a prompt says, and the configurations that lead there.

A prompt is `VERB COUNT NONCE`: the answer has COUNT words that are known to whoever asked.
"""

import asyncio
import random

from pilothouse_api.names import ProviderKey, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot import credentials
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.providers import Model, Provider
from pilothouse_api.snapshot.quotas import Resource
from pilothouse_api.snapshot.routes import Retry, Timeouts
from pilothouse_api.snapshot.snapshot import Snapshot
from tests.integration.proxy import upstream
from tests.integration.proxy.configurations import limit, provider, quota, route, snapshot, target
from tests.integration.proxy.upstream import Answer, Received
from tests.simulators import credentials as simulated

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
PATIENT = Timeouts(first_token_ms=20_000, idle_ms=20_000, total_ms=120_000)
_QUICK = Retry(attempts=2, backoff_base_ms=1, backoff_max_ms=20, budget_percent=100)
_EXTRA_ROUTES = 300
_PACE_S = 0.01


def words(count: int, nonce: str) -> list[str]:
    """What the answer says."""
    return [f"{nonce}-{number} " for number in range(count)]


class Cloud:
    """Answers, and knows for how many it is at work."""

    def __init__(self) -> None:
        self.running = upstream.Upstream(otherwise=self._answer)
        self.at_work = 0
        self._failed_once: set[str] = set()

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> None:
        self.running.received.clear()
        verb, count, nonce = str(request.json["messages"][-1]["content"]).split()[:3]
        answer = self._chosen(verb, words(int(count), nonce), nonce, streams=bool(request.json.get("stream")))
        self.at_work += 1
        try:
            await answer(request, writer)
        finally:
            self.at_work -= 1

    def _chosen(self, verb: str, said: list[str], nonce: str, *, streams: bool) -> Answer:
        if verb == "flaky" and nonce not in self._failed_once:
            self._failed_once.add(nonce)
            return _first_failure(nonce, streams=streams)
        self._failed_once.discard(nonce)
        if not streams:
            return upstream.whole(upstream.completion("".join(said)))
        if verb == "open":
            return upstream.stream(upstream.words(*said)[:-2], end="open", pause_s=_PACE_S)
        if verb == "broken":
            return upstream.stream(upstream.words(*said)[: len(said) // 2], end="cut")
        return upstream.stream(upstream.words(*said), pause_s=_PACE_S if verb == "paced" else 0.0)


def _first_failure(nonce: str, *, streams: bool) -> Answer:
    """Each of them may be tried again."""
    return random.Random(nonce).choice(
        [
            upstream.failure(503),
            upstream.failure(500),
            upstream.failure(429, "rate_limit_exceeded", retry_after_ms="20"),
            upstream.close(),
            upstream.close(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{"),
            upstream.stream([upstream.ROLE], end="cut") if streams else upstream.failure(502),
        ]
    )


def configuration(cloud: Cloud, bedrock_url: str, turn: int) -> Snapshot:
    """The same meaning at each turn, with other weights and other routes around it."""
    rng = random.Random(turn)
    keys = {name: provider(cloud.running.url) for name in ("a", "b", "flaky", "broken")}
    bedrock = Provider(
        endpoint=BedrockEndpoint(url=bedrock_url, region="us-east-1"),
        models={"claude": Model(upstream=UpstreamModel(CLAUDE), max_output_tokens=4096)},
    )
    weighed = (target("a", weight=rng.randint(1, 9)), target("b", weight=rng.randint(1, 9)))
    routes = {
        "steady": route(*weighed, models=("steady",), timeouts=PATIENT),
        "flaky": route(target("flaky"), models=("flaky",), timeouts=PATIENT, retry=_QUICK),
        "broken": route(target("broken"), models=("broken",), timeouts=PATIENT),
        "claude": route(target("bedrock", model="claude"), models=("claude",), timeouts=PATIENT),
    }
    for number in range(rng.randint(0, _EXTRA_ROUTES)):
        routes[f"extra-{number}"] = route(*weighed, models=(f"extra-{number}-{turn}",))
    made = snapshot(
        {**keys, "bedrock": bedrock},
        routes,
        unsigned=("bedrock",),
        quotas={"all": quota(limit(Resource.REQUESTS, 10**9), limit(Resource.TOKENS, 10**12))},
    )
    made.credentials[ProviderKey("clouds/bedrock")] = credentials.AccessKey(
        access_key_id=simulated.ACCESS_KEY_ID, secret_access_key=Secret(simulated.SECRET_ACCESS_KEY)
    )
    return made
