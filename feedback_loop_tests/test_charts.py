"""Pictures are drawn for any week, and only from what they are given."""

import io
from collections.abc import Sequence
from datetime import date, timedelta
from math import nan
from typing import Any

import numpy as np
import pytest
from PIL import Image

from feedback_loop.charts import draw_map, draw_trend


def pixels(png: bytes) -> set[tuple[int, ...]]:
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3)
    return {tuple(map(int, colour)) for colour in np.unique(image, axis=0)}


def of_hex(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def test_patterns_are_coloured_and_the_rest_is_grey() -> None:
    rng = np.random.default_rng(1)
    centres = np.eye(8, dtype=np.float32)[[0, 1, 2]]
    vectors = np.repeat(centres, 30, axis=0) + rng.normal(0, 0.02, (90, 8)).astype(np.float32)
    owners = ["p-a"] * 30 + ["p-b"] * 30 + [None] * 30
    seen = pixels(draw_map(vectors, owners, ["p-a"]))
    assert of_hex("#4477aa") in seen
    assert of_hex("#8a8a8a") in seen
    assert of_hex("#d9d9d9") in seen
    assert of_hex("#ee6677") not in seen


def test_same_week_same_picture() -> None:
    vectors = np.random.default_rng(2).normal(size=(50, 16)).astype(np.float32)
    owners = ["p-a" if n % 2 else None for n in range(50)]
    assert draw_map(vectors, owners, ["p-a"]) == draw_map(vectors, owners, ["p-a"])


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_week_with_next_to_nothing_is_drawn_too(n: int) -> None:
    png = draw_map(np.ones((n, 4), dtype=np.float32), [None] * n, [])
    assert Image.open(io.BytesIO(png)).size[0] > 300


def test_two_thousand_texts_of_ten_patterns_are_a_small_picture() -> None:
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(30, 64))
    groups = rng.integers(0, 30, 2000)
    vectors = (centres[groups] + rng.normal(0, 0.6, (2000, 64))).astype(np.float32)
    owners = [f"p{group}" if group < 25 else None for group in groups]
    png = draw_map(vectors, owners, [f"p{n}" for n in range(10)])
    assert len(png) * 4 / 3 < 40_000
    assert {of_hex("#4477aa"), of_hex("#ee6677"), of_hex("#8a8a8a"), of_hex("#d9d9d9")} <= pixels(png)


MONDAY = date(2026, 9, 21)
BLUE, BAND, GREEN = of_hex("#4477aa"), (0xD6, 0xE1, 0xEC), of_hex("#228833")


def trend(rates: Sequence[float], skipped: int | None = None, **options: Any) -> bytes:
    weeks = [MONDAY + timedelta(weeks=n + (skipped is not None and n >= skipped)) for n in range(len(rates))]
    return draw_trend(weeks, rates, [r / 2 for r in rates], [r * 2 for r in rates], **options)


def columns_of(png: bytes, colour: tuple[int, ...]) -> set[int]:
    """Where the colour occurs, left to right, below the legend."""
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)[40:]
    return {int(x) for x in np.unique(np.nonzero(abs(image - colour).max(axis=2) <= 3)[1])}


def test_a_trend_is_700_pixels_wide_small_and_the_same_again() -> None:
    png = trend([0.004, 0.005, 0.012, 0.003])
    assert Image.open(io.BytesIO(png)).size == (700, 340)
    assert len(png) < 30_000
    assert png == trend([0.004, 0.005, 0.012, 0.003])


@pytest.mark.parametrize(
    ("rates", "skipped"), [([0.004, 0.005, nan, 0.004, 0.003], None), ([0.004, 0.005, 0.004, 0.003], 2)]
)
def test_a_week_without_exposures_or_without_a_row_leaves_a_gap(rates: list[float], skipped: int | None) -> None:
    whole, gap = (columns_of(png, BLUE) for png in (trend([0.004, 0.005, 0.0045, 0.004, 0.003]), trend(rates, skipped)))
    steps = np.diff(sorted(gap))
    assert np.diff(sorted(whole)).max() < 10
    assert steps.max() > 150  # two of four and a half weeks on 650 px
    assert (steps > 10).sum() == 1


def test_a_fix_is_a_line_on_its_day_and_without_one_there_is_none() -> None:
    rates = [0.004] * 4
    assert columns_of(trend(rates), GREEN) == set()
    places = columns_of(trend(rates, deployed_on=[MONDAY + timedelta(days=14)]), GREEN)
    points = sorted(columns_of(trend(rates), BLUE))
    assert (
        min(points) + 0.4 * (max(points) - min(points))
        < min(places)
        <= max(places)
        < max(points) - 0.4 * (max(points) - min(points))
    )


def test_a_single_week_shows_its_interval() -> None:
    assert columns_of(trend([0.004]), BAND)


@pytest.mark.parametrize("rates", [[nan], [nan, nan, nan], [0.0], [0.0, 0.0]])
def test_a_trend_of_next_to_nothing_is_drawn_too(rates: list[float]) -> None:
    assert Image.open(io.BytesIO(trend(rates, deployed_on=[date(2027, 1, 4)]))).size == (700, 340)


def test_a_trend_without_weeks_or_with_other_lengths_is_refused() -> None:
    with pytest.raises(ValueError, match="got 0, 0, 0, 0"):
        draw_trend([], [], [], [])
    with pytest.raises(ValueError, match="got 1, 2, 1, 1"):
        draw_trend([MONDAY], [0.1, 0.2], [0.1], [0.1])
