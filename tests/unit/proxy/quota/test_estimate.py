import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.quota.estimate import (
    IMAGE_TOKENS,
    OUTPUT_TOKENS,
    RATIO_BOUND,
    TOKENS_A_BYTE,
    Estimator,
    measure,
    measure_members,
)


def test_images_given_inside_count_as_images_not_as_text() -> None:
    body = (
        b'{"a":"'
        + b"x" * 5_000
        + b'","url":"data:image/png;base64,'
        + b"A" * 100_000
        + b'","more":"'
        + b"y" * 10
        + b'"}'
    )
    measured = measure(body)
    text_bytes, images = measured.text_bytes, measured.images
    assert images == 1
    assert 5_000 < text_bytes < 5_200
    assert Estimator().input_tokens(measure(body)) < 5_200 * TOKENS_A_BYTE + IMAGE_TOKENS + 10


def test_images_of_anthropic_s_form_count_as_images_not_as_text() -> None:
    for colon in (b":", b" : "):
        source = b'{"type":"base64","media_type":"image/png","data"' + colon + b'"' + b"A" * 100_000 + b'"}'
        body = b'{"messages":[' + source + b"," + b"x" * 5_000 + source + b"]}"
        measured = measure_members(body)
        assert measured.images == 2
        assert 5_000 < measured.text_bytes < 5_300


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":"short"}',
        b'{"content":"say \\"data\\" and then much more than an image, all of it words that are text to a model"}',
        b'{"x":["data","' + b"A" * 100 + b'"]}',
        b'{"data":{"much more than sixty-four characters long, and no value of the member at all":1}}',
        b'{"data":"' + b"A" * 100,
        b'{"data"',
    ],
)
def test_what_only_bears_the_name_of_an_image_is_text(body: bytes) -> None:
    long = b" " * 5_000 + body
    measured = measure_members(long)
    assert (measured.text_bytes, measured.images) == (len(long), 0)


@given(st.binary(max_size=200))
def test_a_body_of_any_bytes_is_measured(tail: bytes) -> None:
    body = b'{"data":"' * 600 + tail
    assert 0 <= measure_members(body).text_bytes <= len(body)


def test_an_image_that_never_ends_is_text() -> None:
    body = b"x" * 5_000 + b";base64,AAAA"
    assert (measure(body).text_bytes, measure(body).images) == (len(body), 0)


def test_the_ratio_follows_what_the_provider_reports() -> None:
    estimator, body = Estimator(), b"x" * 1_000
    before = estimator.input_tokens(measure(body))
    for _ in range(200):
        estimator.learn(measure(body), Usage(input_tokens=500, output_tokens=10))
    assert before < 300
    assert 480 <= estimator.input_tokens(measure(body)) <= 520


@given(st.lists(st.integers(1, 10**9), max_size=50))
def test_the_ratio_stays_within_its_bound_whatever_is_reported(reports: list[int]) -> None:
    estimator, body = Estimator(), b"x" * 1_000
    for report in reports:
        estimator.learn(measure(body), Usage(input_tokens=report, output_tokens=1))
    most = 1_000 * TOKENS_A_BYTE * RATIO_BOUND + 10
    assert 1_000 * TOKENS_A_BYTE / RATIO_BOUND <= estimator.input_tokens(measure(body)) <= most


def test_the_expected_output_approaches_what_nearly_all_answers_stay_below() -> None:
    estimator = Estimator()
    for round_ in range(4_000):
        estimator.learn(measure(b"x" * 100), Usage(input_tokens=20, output_tokens=100 + round_ % 100))
    assert 170 <= estimator.output_tokens <= 230


def test_estimates_teach_nothing() -> None:
    estimator = Estimator()
    estimator.learn(measure(b"x" * 1_000), Usage(input_tokens=900, output_tokens=9_000, estimated=True))
    assert estimator.output_tokens == OUTPUT_TOKENS
    assert estimator.input_tokens(measure(b"x" * 1_000)) == Estimator().input_tokens(measure(b"x" * 1_000))


def test_images_are_found_behind_any_number_of_semicolons() -> None:
    image = b'"data:image/png;base64,' + b"A" * 1_000 + b'"'
    for semicolons in (0, 1, 63, 64, 65, 1_000):
        body = b"x" * 5_000 + b"; " * semicolons + image + b";" + image
        assert measure(body).images == 2, semicolons
