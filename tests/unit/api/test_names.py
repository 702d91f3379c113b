from pilothouse_api import names


def test_a_namespace_has_a_scope_of_its_own_that_is_not_the_gateways() -> None:
    assert names.sidecar_scope("team-a") == "sidecar/team-a"
    assert names.sidecar_scope("gateway") != names.GATEWAY_SCOPE


def test_callers_and_proxies_have_different_audiences() -> None:
    assert names.CALLER_AUDIENCE != names.CONTROL_AUDIENCE
