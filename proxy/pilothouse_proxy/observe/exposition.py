"""The metrics as Prometheus reads them. The first scrape loads this, and with it prometheus_client."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from pilothouse_proxy.observe.meters import SECONDS, Counter, Family, Histogram
from pilothouse_proxy.observe.metrics import Metrics

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Gauge:
    """A value that is read when somebody scrapes."""

    __slots__ = ("description", "labels", "name", "values")

    def __init__(
        self, name: str, description: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]
    ) -> None:
        self.name = name
        self.description = description
        self.labels = labels
        self.values = values


def render(metrics: Metrics, gauges: Iterable[Gauge]) -> bytes:
    """The text of one scrape: the counters, these gauges, and the process' own figures."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once([*_families(metrics), *_gauges(gauges)]))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Once:
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _families(metrics: Metrics) -> Iterator[Metric]:
    members: list[Family[Any]] = [member for member in vars(metrics).values() if isinstance(member, Family)]
    for family in members:
        if family.kind is Histogram:
            yield _histogram(family)
        else:
            yield _counter(family)


def _counter(family: Family[Counter]) -> Metric:
    rendered = CounterMetricFamily(family.name, family.description, labels=family.labels)
    for values, series in family.items():
        rendered.add_metric(values, series.value)
    return rendered


def _histogram(family: Family[Histogram]) -> Metric:
    rendered = HistogramMetricFamily(family.name, family.description, labels=family.labels)
    for values, series in family.items():
        below, buckets = 0, []
        for bound, count in zip((*map(str, SECONDS), "+Inf"), series.counts, strict=True):
            below += count
            buckets.append((bound, float(below)))
        rendered.add_metric(values, buckets, series.total)
    return rendered


def _gauges(gauges: Iterable[Gauge]) -> Iterator[Metric]:
    for gauge in gauges:
        rendered = GaugeMetricFamily(gauge.name, gauge.description, labels=gauge.labels)
        for values, value in sorted(gauge.values.items()):
            rendered.add_metric(values, value)
        yield rendered
