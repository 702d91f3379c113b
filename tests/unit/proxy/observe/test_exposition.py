import re

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.observe import exposition
from pilothouse_proxy.observe.meters import SECONDS
from pilothouse_proxy.observe.metrics import Metrics, RouteMeters, TargetMeters


def used() -> Metrics:
    """Every series once."""
    metrics = Metrics()
    RouteMeters(metrics, route="apps/r", operation="chat").count(200, seconds=0.2, first_byte_s=0.1)
    meters = TargetMeters(metrics, provider="clouds/a", model="gpt")
    meters.attempt("ok")
    meters.count(Usage(input_tokens=10, output_tokens=5, cached_tokens=2, cache_write_tokens=1, reasoning_tokens=3))
    metrics.quota_rejections.series("apps/q", "Tokens").value += 1
    metrics.config_rejections.series().value += 1
    metrics.log_lines_dropped.series()
    return metrics


def rendered(metrics: Metrics, *gauges: exposition.Gauge) -> str:
    return b"".join(exposition.render(metrics, gauges)).decode()


def values(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_was_counted_is_read_by_prometheus() -> None:
    found = values(rendered(used()))
    assert found["pilothouse_requests_total", "code=200", "operation=chat", "route=apps/r"] == 1
    assert found["pilothouse_request_duration_seconds_bucket", "le=0.1", "operation=chat", "route=apps/r"] == 0
    assert found["pilothouse_request_duration_seconds_bucket", "le=0.25", "operation=chat", "route=apps/r"] == 1
    assert found["pilothouse_request_duration_seconds_bucket", "le=+Inf", "operation=chat", "route=apps/r"] == 1
    assert found["pilothouse_tokens_total", "model=gpt", "provider=clouds/a", "type=cache_read"] == 2


def test_gauges_are_rendered_as_they_are_given() -> None:
    gauge = exposition.Gauge("pilothouse_x", "An x.", ("a",), {("1",): 2.0, ("0",): 1.0})
    found = values(rendered(Metrics(), gauge))
    assert (found["pilothouse_x", "a=0"], found["pilothouse_x", "a=1"]) == (1.0, 2.0)


def test_the_process_tells_of_itself() -> None:
    assert ("process_resident_memory_bytes",) in values(rendered(Metrics()))


def test_every_name_is_documented_and_ours() -> None:
    for family in text_string_to_metric_families(rendered(used())):
        assert re.match("pilothouse_|process_", family.name)
        assert family.documentation


@given(st.text(), st.text(), st.floats(0, allow_nan=False, allow_infinity=False))
def test_whatever_stands_in_a_label_is_read_back(route: str, operation: str, seconds: float) -> None:
    metrics = Metrics()
    RouteMeters(metrics, route=route, operation=operation).count(200, seconds=seconds, first_byte_s=None)
    # A parser that splits lines where Python does, not only at LF, would not read all texts.
    labels = {"code": "200", "operation": operation, "route": route}
    written = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())
    assert f"pilothouse_requests_total{{{written}}} 1.0\n" in rendered(metrics)
    assert f"pilothouse_request_duration_seconds_sum{{{written.partition(',')[2]}}} {seconds!r}\n" in rendered(metrics)


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def test_buckets_only_grow_and_end_at_the_count() -> None:
    metrics = Metrics()
    meters = RouteMeters(metrics, route="r", operation="chat")
    for seconds in (0.001, 0.3, 0.3, 7.0, 10_000.0):
        meters.count(200, seconds=seconds, first_byte_s=None)
    found = values(rendered(metrics))
    name, labels = "pilothouse_request_duration_seconds", ("operation=chat", "route=r")
    bounds = (*map(str, SECONDS), "+Inf")
    counts = [found[f"{name}_bucket", f"le={bound}", *labels] for bound in bounds]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1], found[f"{name}_count", *labels]) == (1, 5, 5)
    assert found[f"{name}_sum", *labels] == sum((0.001, 0.3, 0.3, 7.0, 10_000.0))


def test_it_comes_in_pieces_that_hold_up_nobody() -> None:
    metrics = Metrics()
    for number in range(1_000):
        RouteMeters(metrics, route=f"r{number}", operation="chat").count(200, seconds=0.1, first_byte_s=0.1)
    assert max(piece.count(b"\n") for piece in exposition.render(metrics, [])) <= exposition.PIECE * (len(SECONDS) + 3)
