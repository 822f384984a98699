"""Pydantic's errors as sentences: one for each value, whatever it might have been."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from rnnkit.core.validation import options_error, sentences
from rnnkit.errors import Problem


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = Field(1, ge=1)


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rate: Annotated[float, Field(gt=0, lt=1)] = 0.5
    width: int | list[int] | None = None
    kind: Literal["a", "b"] = "a"
    names: dict[str, float | None] = {}
    pair: list[int] = Field([1, 2], min_length=2, max_length=3)
    inner: Inner = Inner()
    either: float | dict[str, float] = 1.0
    need: int

    @field_validator("kind", mode="before")
    @classmethod
    def _not_c(cls, value: Any) -> Any:
        if value == "c":
            raise ValueError("c is no kind")
        if value == "e":
            raise PydanticCustomError("odd", "{message}", {"message": "e is none"})
        return value


def wrong(**given: Any) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Options(**{"need": 1, **given})
    return caught.value


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"rate": "x"}, ["rate: expected a valid number, unable to parse string as a number"]),
        ({"rate": 0.0}, ["rate: expected a number greater than 0, received 0.0"]),
        ({"rate": 1.0}, ["rate: expected a number less than 1, received 1.0"]),
        ({"kind": "d"}, ["kind: expected 'a' or 'b', received 'd'"]),
        ({"kind": "c"}, ["kind: c is no kind"]),
        ({"kind": "e"}, ["kind: e is none"]),
        ({"width": ["x"]}, ["width.0: expected a valid integer"]),
        ({"either": {"int": "x"}}, ["either.int: expected a valid number"]),
        ({"either": {"dict[a": "x"}}, ["either.dict[a: expected a valid number"]),
        ({"pair": [1]}, ["pair: expected at least 2 items, received [1]"]),
        ({"pair": [1, 2, 3, 4]}, ["pair: expected at most 3 items, received [1, 2, 3, 4]"]),
        (
            {"inner": {"size": 0}},
            ["inner.size: expected a number greater than or equal to 1, received 0"],
        ),
        (
            {"inner": {"sizes": 1}},
            ["inner.sizes: there is no such option (there is size)"],
        ),
        ({"names": {"one": "x"}}, ["names.one: expected a valid number"]),
    ],
)
def test_one_sentence_for_each(given: dict[str, Any], told: list[str]) -> None:
    found = sentences(wrong(**given), "CODE", "where", ["size"])
    for each, start in zip(found, told, strict=True):
        assert each.message.startswith(start)
    assert all((each.where, each.code) == ("where", "CODE") for each in found)


def told(known: list[str] | None = None, **given: Any) -> list[Problem]:
    return sentences(wrong(**given), "CODE", known=known or [])


def test_what_a_value_might_have_been_is_one_sentence() -> None:
    (found,) = told(width="x")
    assert found.message.startswith("width: expected a valid integer")
    assert found.message.count("expected") == 1 and " or a valid list" in found.message
    assert found.message.endswith("received 'x'")


def test_of_what_holds_a_wrong_value_the_value_alone_is_told() -> None:
    found = [each.message for each in told(pair=["x"])]
    assert len(found) == 1 and found[0].startswith("pair.0: expected a valid integer")


def test_what_is_missing_and_several_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        Options(rate=2.0, kind="d")  # type: ignore[call-arg, arg-type]
    assert [each.message for each in sentences(caught.value, "")] == [
        "rate: expected a number less than 1, received 2.0",
        "kind: expected 'a' or 'b', received 'd'",
        "need: is missing",
    ]


@pytest.mark.parametrize(
    ("known", "end"),
    [
        ([], ""),
        (["type"], ""),
        (["width", "rate", "type"], '; did you mean "rate"? (there is rate, width)'),
        (["width"], " (there is width)"),
    ],
)
def test_an_option_that_there_is_not(known: list[str], end: str) -> None:
    (found,) = told(known, rata=1)
    assert found.message == f"rata: there is no such option{end}"


def test_what_is_received_is_cut_and_no_more_than_a_hundred_are_told() -> None:
    (found,) = told(rate="\x1b" + "x" * 200)
    assert "\x1b" not in found.message and len(found.message) < 200
    many = {str(number): "x" for number in range(200)}
    assert len(told(names=many)) == 100


def test_the_options_of_a_function_are_lines_of_a_value_error() -> None:
    error = options_error(wrong(rate=2.0, kind="c"), "build", [])
    assert str(error) == (
        "build: rate: expected a number less than 1, received 2.0\nbuild: kind: c is no kind"
    )


def test_an_error_of_the_whole_has_no_place() -> None:
    with pytest.raises(ValidationError) as caught:
        Options.model_validate(3)
    (found,) = sentences(caught.value, "")
    assert found.message.startswith("expected ") and found.message.endswith("received 3")
