import re

from prometheus_client.parser import text_string_to_metric_families

from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.observe import exposition
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


def values(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_was_counted_is_read_by_prometheus() -> None:
    found = values(exposition.render(used(), []).decode())
    assert found["pilothouse_requests_total", "code=200", "operation=chat", "route=apps/r"] == 1
    assert found["pilothouse_request_duration_seconds_bucket", "le=0.1", "operation=chat", "route=apps/r"] == 0
    assert found["pilothouse_request_duration_seconds_bucket", "le=0.25", "operation=chat", "route=apps/r"] == 1
    assert found["pilothouse_request_duration_seconds_bucket", "le=+Inf", "operation=chat", "route=apps/r"] == 1
    assert found["pilothouse_tokens_total", "model=gpt", "provider=clouds/a", "type=cache_read"] == 2


def test_gauges_are_rendered_as_they_are_given() -> None:
    gauge = exposition.Gauge("pilothouse_x", "An x.", ("a",), {("1",): 2.0, ("0",): 1.0})
    found = values(exposition.render(Metrics(), [gauge]).decode())
    assert (found["pilothouse_x", "a=0"], found["pilothouse_x", "a=1"]) == (1.0, 2.0)


def test_the_process_tells_of_itself() -> None:
    assert ("process_resident_memory_bytes",) in values(exposition.render(Metrics(), []).decode())


def test_every_name_is_documented_and_ours() -> None:
    for family in text_string_to_metric_families(exposition.render(used(), []).decode()):
        assert re.match("pilothouse_|process_", family.name)
        assert family.documentation
