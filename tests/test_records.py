"""Values of records beside the kinds that annotations name."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

import numpy as np
import pytest

from harmonium.records import fits, unfit


class Inner(TypedDict, total=False):
    rows: list[int]


class Record(TypedDict, total=False):
    name: str
    inner: Inner


@pytest.mark.parametrize(
    ("value", "hint", "right"),
    [
        (1, int, True), (np.int64(1), int, True), (True, int, False), (1.0, int, False), ("1", int, False),
        (1, float, True), (np.float32(1), float, True), (float("nan"), float, True), (None, float, False),
        (True, bool, True), (1, bool, False), (None, None, True), (0, None, False), (None, str | None, True),
        ("a", Literal["a", "b"], True), (["a"], Literal["a"], False), (3, Annotated[int, "about it"], True),
        ([1, 2], tuple[int, ...], True), ([1, 2], tuple[int, int], True), ([1], tuple[int, int], False),
        ([1, "a"], list[int], False), ("ab", list[str], False), ({"a": 1}, dict[str, int], True),
        ({"a": "b"}, dict[str, int], False), ([], dict[str, Any], False), (object(), Any, True),
        ({"rows": [1]}, Inner, True), ({"rows": 1}, Inner, False), ({"more": 1}, Inner, True), ([], Inner, False),
    ],
)  # fmt: skip
def test_a_value_is_of_a_kind(value, hint, right):
    assert fits(value, hint) is right


def test_the_value_of_another_kind_is_named():
    assert unfit({"name": "x", "inner": {"rows": [1]}, "more": object()}, Record) is None
    assert unfit({"name": 3}, Record) == "name is 3"
    assert unfit({"inner": {"rows": "x" * 50}}, Record) == f"in inner, rows is '{'x' * 39}..."
    assert unfit({"inner": []}, Record) == "inner is []"
