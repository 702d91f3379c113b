from pilothouse_proxy.observe.metrics import Metrics, TargetMeters


def test_names_that_a_provider_makes_up_make_a_bounded_number_of_series() -> None:
    metrics = Metrics()
    meters = TargetMeters(metrics, provider="clouds/a", model="m")
    for number in range(1_000):
        meters.unknown("bedrock.converse", (f"name-{number}",))
    series = dict(metrics.unknown.items())
    assert len(series) == 51
    assert series["clouds/a", "m", "bedrock.converse", "(more)"].value == 950


def test_what_a_configuration_does_not_name_any_more_is_dropped() -> None:
    metrics = Metrics()
    metrics.unrouted("chat").count(401, seconds=0.1, first_byte_s=None)
    TargetMeters(metrics, provider="clouds/kept", model="m").attempt("ok")
    TargetMeters(metrics, provider="clouds/gone", model="m").attempt("ok")
    metrics.keep(routes=set(), providers={"clouds/kept"}, quotas=set())
    assert [labels for labels, _ in metrics.requests.items()] == [("", "chat", "401")]
    assert [labels[0] for labels, _ in metrics.attempts.items()] == ["clouds/kept"]
