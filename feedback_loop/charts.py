"""Charts: pictures as PNG bytes, drawn by matplotlib without a screen.

Belongs here: what is drawn and how. Does not belong here: text of users (a picture names patterns by number, and the
table beside it says which is which) and where a picture is shown.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

_COLOURS = (
    "#4477aa",
    "#ee6677",
    "#228833",
    "#ccbb44",
    "#66ccee",
    "#aa3377",
    "#e07b39",
    "#117777",
    "#882255",
    "#999933",
)
_AFTER = "#ee6677"
_REST, _UNASSIGNED = "#8a8a8a", "#d9d9d9"
_LINE, _FIX, _INK = "#4477aa", "#228833", "#444444"
_MOST_DATES = 10  # on an axis of 700 px


def draw_map(vectors: NDArray[np.float32], owners: Sequence[str | None], numbered: Sequence[str]) -> bytes:
    """A week's texts in two dimensions: alike texts lie close, colours are patterns.

    The plane is that of the two largest principal components, so it is the same for the same texts.

    Args:
        vectors: shape (n, d), float32.
        owners: pattern_id per row, None where no pattern took it. Length n.
        numbered: the patterns to colour and number from 1, at most ten; the rest is grey.

    Returns:
        PNG, 25 kB for two thousand texts.
    """
    points = _plane(vectors)
    figure = Figure(figsize=(7, 5), dpi=90, layout="tight")
    axes = figure.add_subplot()
    of = np.array([owner or "" for owner in owners], dtype=object)
    shown = list(numbered)[: len(_COLOURS)]
    others = (of != "") & ~np.isin(of, shown)
    for chosen, colour, label in ((of == "", _UNASSIGNED, "in no pattern"), (others, _REST, "other patterns")):
        axes.scatter(
            points[chosen, 0], points[chosen, 1], s=7, c=colour, linewidths=0, label=f"{label}: {chosen.sum():,}"
        )
    for number, (pattern_id, colour) in enumerate(zip(shown, _COLOURS, strict=False), start=1):
        own = points[of == pattern_id]
        axes.scatter(own[:, 0], own[:, 1], s=9, c=colour, linewidths=0, label=f"{number}: {len(own):,}")
        if len(own):
            axes.annotate(
                str(number), np.median(own, axis=0), fontsize=11, fontweight="bold", ha="center", va="center",
                bbox={"boxstyle": "circle,pad=0.2", "fc": "white", "ec": colour},
            )  # fmt: skip
    axes.set(xticks=[], yticks=[], xlabel="first component", ylabel="second component")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8, frameon=False, markerscale=2)
    return _png(figure)


def draw_trend(
    weeks: Sequence[date],
    rates: Sequence[float],
    lows: Sequence[float],
    highs: Sequence[float],
    *,
    deployed_on: Sequence[date] = (),
) -> bytes:
    """How often a pattern hits, week by week: affected sessions per 1,000, with the interval as a band.

    A week's point stands in its middle, between two Mondays. A week that is missing, or has no rate,
    leaves a gap: nothing is drawn over what was not seen.

    Args:
        weeks: Mondays, rising; weeks may be missing.
        rates: affected sessions over sessions; NaN where none were recorded. Length as `weeks`, like the next two.
        lows: lower limits.
        highs: upper limits.
        deployed_on: days on which a fix was deployed, each a line.

    Returns:
        PNG, 700 px wide.

    Raises:
        ValueError: there is no week, or the lengths differ.
    """
    if not weeks or not len(weeks) == len(rates) == len(lows) == len(highs):
        raise ValueError(
            f"a trend needs a rate and its limits per week, got {len(weeks)}, {len(rates)}, {len(lows)}, {len(highs)}"
        )
    figure = Figure(figsize=(7, 3.4), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    every = [weeks[0] + timedelta(weeks=n) for n in range((weeks[-1] - weeks[0]).days // 7 + 1)]
    of = dict(zip(weeks, zip(rates, lows, highs, strict=True), strict=True))
    rate, low, high = 1000 * np.array([of.get(week, (np.nan, np.nan, np.nan)) for week in every], dtype=float).T
    middle = np.array([_day(week) + 3.5 for week in every])
    is_seen = np.isfinite(rate)
    axes.plot(middle, rate, color=_LINE, linewidth=2, marker="o", markersize=5, label="in a week")
    axes.fill_between(middle, low, high, color=_LINE, alpha=0.22, linewidth=0, label="95% range")
    beside = np.pad(is_seen, 1)
    alone = is_seen & ~beside[:-2] & ~beside[2:]  # a week between two gaps has no band
    axes.vlines(middle[alone], low[alone], high[alone], color=_LINE, alpha=0.22, linewidth=9)
    for n, day in enumerate(sorted(deployed_on)):
        axes.axvline(_day(day), color=_FIX, linewidth=1.6, linestyle="--", label=None if n else "fix deployed")
    if not is_seen.any():
        axes.text(0.5, 0.5, "no sessions were recorded", transform=axes.transAxes, ha="center", color=_INK)
    _style_trend(axes, every, deployed_on, 1.12 * float(high[is_seen].max(initial=0)) or 1.0)
    return _png(figure)


@dataclass(frozen=True)
class VerdictWeek:
    """One week of a fix: affected sessions and exposures of both arms; exposures 0 where an arm served nothing."""

    week: date
    n_before: float
    exposures_before: float
    n_after: float
    exposures_after: float


def draw_verdict(
    weeks: Sequence[VerdictWeek],
    deployed_on: date,
    expected: float | None,
    range_of_expected: tuple[float, float] | None,
) -> bytes:
    """Expected against observed: affected sessions per 1,000 by week, of the old and of the fixed arm.

    Args:
        weeks: rising, at least one; seven days each.
        deployed_on: a line.
        expected: rate after the fix had it done nothing; None where there is no number.
        range_of_expected: its limits.

    Returns:
        PNG, 700 px wide.

    Raises:
        ValueError: there is no week.
    """
    if not weeks:
        raise ValueError("a picture of a verdict needs a week")
    figure = Figure(figsize=(7, 3.4), dpi=100, layout="constrained")
    axes, top = figure.add_subplot(), 0.0
    arms = (
        ("before, or old version", _LINE, "n_before", "exposures_before"),
        ("after", _AFTER, "n_after", "exposures_after"),
    )
    for label, colour, n, exposures in arms:
        shown = [
            (_day(w.week) + 3.5, 1000 * getattr(w, n) / getattr(w, exposures))
            for w in weeks
            if getattr(w, exposures) > 0
        ]
        if shown:
            axes.plot(*zip(*shown, strict=True), color=colour, linewidth=2, marker="o", markersize=5, label=label)
            top = max(top, *(rate for _, rate in shown))
    if expected is not None:
        ends = [_day(deployed_on), _day(weeks[-1].week) + 7]
        axes.plot(ends, [1000 * expected] * 2, color=_INK, linewidth=1.6, label="expected without the fix")
        low, high = range_of_expected or (expected, expected)
        axes.fill_between(ends, 1000 * low, 1000 * high, color=_INK, alpha=0.15, linewidth=0, label="its range")
        top = max(top, min(1000 * high, 3000 * expected))
    axes.axvline(_day(deployed_on), color=_FIX, linewidth=1.6, linestyle="--", label="fix deployed")
    _style_trend(axes, [w.week for w in weeks], [deployed_on], 1.12 * top or 1.0)
    return _png(figure)


def _style_trend(axes: Axes, every: Sequence[date], deployed_on: Sequence[date], top: float) -> None:
    step = -(-len(every) // _MOST_DATES)
    mondays = every[::-1][::step][::-1]  # the newest week has its date whatever the step
    axes.set_xticks([_day(week) for week in mondays], [f"{week.day} {week:%b}" for week in mondays])
    first, last = min([every[0], *deployed_on]), max([every[-1] + timedelta(days=7), *deployed_on])
    axes.set_xlim(_day(first) - 1, _day(last) + 1)
    axes.set_ylim(0, top)
    years = f"{first:%Y}" if first.year == last.year else f"{first:%Y} to {last:%Y}"
    axes.set_xlabel(f"week beginning ({years})")
    axes.set_ylabel("affected sessions per 1,000")
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_INK, labelsize=9)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=9, frameon=False, borderaxespad=0)


def _day(day: date) -> float:
    """Its midnight, on an axis of days."""
    return float(day.toordinal())


def _png(figure: Figure) -> bytes:
    """With a palette, which takes a third of the bytes and shows the same."""
    canvas: Any = FigureCanvasAgg(figure)  # untyped
    canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    image = drawn.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    png = io.BytesIO()
    image.save(png, "PNG", optimize=True)
    return png.getvalue()


def _plane(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Coordinates on the first two principal components, signs fixed so that they do not flip. Shape (n, 2)."""
    centred = vectors.astype(np.float64) - (vectors.mean(axis=0) if len(vectors) else 0)
    if len(vectors) < 3 or not centred.any():
        return np.zeros((len(vectors), 2))
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, [-1, -2]]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    plane: NDArray[np.float64] = centred @ axes
    return plane
