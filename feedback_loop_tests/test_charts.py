"""Pictures are drawn for any week, and only from what they are given."""

import io

import numpy as np
import pytest
from PIL import Image

from feedback_loop.charts import draw_map


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
