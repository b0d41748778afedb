"""Charts: pictures as PNG bytes, drawn by matplotlib without a screen.

Belongs here: what is drawn and how. Does not belong here: text of users (a picture names patterns by number, and the
table beside it says which is which) and where a picture is shown.
"""

import io
from collections.abc import Sequence

import numpy as np
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
_REST, _UNASSIGNED = "#8a8a8a", "#d9d9d9"


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
    FigureCanvasAgg(figure)
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


def _png(figure: Figure) -> bytes:
    """With a palette, which takes a third of the bytes and shows the same."""
    drawn, png = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    image = Image.open(drawn).convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
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
