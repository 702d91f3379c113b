import hashlib

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.identity import KeyHolder
from pilothouse_operator.sources.api_keys import KeySecret, holders, is_api_key

KEY = "sk-0123456789abcdef"


def key_secret(name: str = "ana", key: str | None = KEY, **labels: str) -> KeySecret:
    values = {"key": Secret(key) if key is not None else None}
    return KeySecret(
        namespace="team-a", name=name, labels={f"pilothouse.dev/{k}": v for k, v in labels.items()}, values=values
    )


def test_only_the_label_makes_an_api_key() -> None:
    assert is_api_key({"pilothouse.dev/type": "api-key"})
    assert not is_api_key({"pilothouse.dev/type": "other"})
    assert not is_api_key({})


def test_a_key_is_carried_as_its_hash() -> None:
    found = holders([key_secret(team="red", tier="gold", user="ana@example.com")])
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    assert found.keys == {digest: KeyHolder(namespace="team-a", user="ana@example.com", team="red", tier="gold")}
    assert found.problems == ()


def test_the_user_is_the_secrets_name_by_default() -> None:
    (holder,) = holders([key_secret()]).keys.values()
    assert holder == KeyHolder(namespace="team-a", user="ana")


def test_a_final_newline_does_not_count() -> None:
    assert holders([key_secret(key=KEY + "\n")]).keys == holders([key_secret()]).keys


def test_a_short_key_is_refused_without_being_shown() -> None:
    found = holders([key_secret(key="short-secret")])
    assert not found.keys
    assert found.problems[0].reason is Reason.SECRET_MALFORMED
    assert "team-a/ana" in found.problems[0].message
    assert "short-secret" not in found.problems[0].message


def test_a_key_that_no_header_can_carry_is_refused() -> None:
    for key in ("0123456789 abcdefgh", "0123456789\tabcdefgh", "0123456789äbcdefgh", None):
        assert holders([key_secret(key=key)]).problems[0].reason is Reason.SECRET_MALFORMED


def test_a_secret_without_the_key_says_which_is_missing() -> None:
    secret = KeySecret(namespace="a", name="b", labels={}, values={"token": Secret(KEY)})
    assert holders([secret]).problems[0].reason is Reason.SECRET_KEY_MISSING


def test_of_two_secrets_with_one_key_the_first_by_name_counts() -> None:
    found = holders([key_secret("zoe"), key_secret("ana")])
    assert [holder.user for holder in found.keys.values()] == ["ana"]
    assert found.problems[0].reason is Reason.CONFLICTED
    assert "team-a/zoe" in found.problems[0].message
