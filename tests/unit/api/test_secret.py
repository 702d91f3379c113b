import copy
import json
import pickle

import msgspec
import pytest
import yaml

from pilothouse_api.secret import REDACTED, Secret

VALUE = "sk-correct-horse-battery-staple"
SECRET = Secret(VALUE)


@pytest.mark.parametrize("shown", [repr(SECRET), str(SECRET), f"{SECRET}", f"{SECRET:>40}", f"{SECRET} {[SECRET]!r}"])
def test_no_way_of_formatting_shows_the_value(shown: str) -> None:
    assert VALUE not in shown
    assert REDACTED in shown


def test_reveal_is_the_way_out() -> None:
    assert SECRET.reveal() == VALUE


@pytest.mark.parametrize("encode", [json.dumps, msgspec.json.encode, yaml.safe_dump, pickle.dumps])
def test_no_encoder_takes_it(encode) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises((TypeError, yaml.YAMLError)):
        encode(SECRET)


def test_it_is_never_copied() -> None:
    with pytest.raises(TypeError, match="never pickled or copied"):
        copy.deepcopy(SECRET)


def test_equality_is_that_of_the_values() -> None:
    assert Secret(VALUE) == SECRET
    assert hash(Secret(VALUE)) == hash(SECRET)
    assert Secret("other") != SECRET
    assert SECRET != VALUE


def test_what_is_no_text_can_be_compared() -> None:
    assert Secret("\ud800") == Secret("\ud800")
    assert Secret("\ud800") != Secret("\ud801")


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")
    assert SECRET


def test_it_has_no_attributes_to_be_listed() -> None:
    assert not hasattr(SECRET, "__dict__")
