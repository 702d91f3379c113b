"""The metrics' names, labels and help texts: what dashboards and alerts are built on."""

from pilothouse_proxy.admin import Admin, Figures
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.http.ledger import Ledger
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.http.request import Request
from pilothouse_proxy.observe.metrics import Metrics, RouteMeters, TargetMeters
from tests.goldens import Goldens


class Kept:
    """A responder that keeps the answer."""

    body = b""

    def respond(self, status: int, headers: Headers, body: bytes) -> None:
        self.body = body


def used() -> Metrics:
    """Every series once."""
    metrics = Metrics()
    RouteMeters(metrics, route="team-a/chat", operation="chat").count(200, seconds=0.2, first_byte_s=0.1)
    meters = TargetMeters(metrics, provider="clouds/azure", model="gpt-4o")
    meters.attempt("ok")
    meters.attempt("rate_limited")
    meters.count(Usage(input_tokens=10, output_tokens=5, cached_tokens=2, cache_write_tokens=1, reasoning_tokens=3))
    meters.unknown("bedrock.converse", ("citationsContent",))
    metrics.quota_rejections.series("team-a/daily", "Tokens").value += 1
    metrics.credential_renewals.series("clouds/azure").value += 1
    metrics.credential_refusals.series("clouds/azure").value += 1
    metrics.config_rejections.series().value += 1
    metrics.log_lines_dropped.series()
    return metrics


def figures() -> Figures:
    ledger = Ledger()
    ledger.held_bytes = 1_000
    return Figures(
        version="sha256:0123",
        applied_at=1_700_000_000.0,
        silent_s=12.5,
        connected=True,
        connections_in=3,
        connections_out=2,
        in_flight=1,
        shunned={("clouds/azure", "gpt-4o"): 0.0},
        credentials_end={("clouds/azure",): 1_750_000_000.0},
        buffered=ledger.kinds(),
        budget_bytes=ledger.budget_bytes,
        budget_refusals=2,
        connections_limit=8_192,
        connections_refused={("total",): 0.0, ("peer",): 4.0},
        handshake_failures=1,
        certificates_end={("main",): 1_800_000_000.0},
        certificates_broken={("main",): 0.0},
    )


async def test_metrics(goldens: Goldens) -> None:
    admin, kept = Admin(metrics=used(), figures=figures, unready=lambda: ""), Kept()
    request = Request(method=b"GET", path=b"/metrics", query=b"", headers=[], body=b"", peer="")
    await admin.handle(request, kept)  # type: ignore[arg-type] # all of a responder that it needs
    text = kept.body.decode()
    goldens.check("metrics.txt", text[: text.index("# HELP process_")])
