"""Tables of the verification benchmark: rates with standard errors, and whether a target is reached."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

POWER_TARGETS = {(14, 0.8): 50, (14, 0.5): 500, (42, 0.5): 150}
OURS = "ours"


def rate(hits: pd.Series) -> str:
    """Per cent with its standard error."""
    n = len(hits)
    if n == 0:
        return "-"
    share = float(hits.mean())
    return f"{100 * share:.1f} ±{100 * np.sqrt(max(share * (1 - share), 0.25 / n) / n):.1f}"


def verdict(hits: pd.Series, target: float, *, at_most: bool) -> str:
    """Whether the figure's 95 % interval (Wilson) reaches a target."""
    n, share = len(hits), float(hits.mean())
    z = 1.96
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    reached = middle - half <= target if at_most else middle + half >= target
    return "pass" if reached else "MISS"


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A Markdown table."""
    print(f"\n**{title}**\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def with_coverage(frame: pd.DataFrame) -> pd.DataFrame:
    """Add whether the interval holds the true cut; only of rows that have one."""
    has = frame[frame["low"].notna()]
    return has.assign(covered=(has["low"] <= has["cut"]) & (has["high"] >= has["cut"]))


def strata_tables(frame: pd.DataFrame, days: int) -> None:
    """Called effective by cut, coverage, targets."""
    strata = sorted(frame["stratum"].unique())
    head = ["rule", *map(str, strata), "all"]
    for cut in sorted(frame["cut"].unique()):
        part = frame[frame["cut"] == cut]
        rows = [
            [str(rule), *(rate(rows[rows["stratum"] == s]["effective"]) for s in strata), rate(rows["effective"])]
            for rule, rows in part.groupby("rule", sort=False)
        ]
        print_table(f"Called effective at a true cut of {cut:.0%}, day {days}, per cent", head, rows)
    covered = with_coverage(frame)
    rows = [
        [str(rule), *(rate(rows[rows["stratum"] == s]["covered"]) for s in strata), rate(rows["covered"])]
        for rule, rows in covered.groupby("rule", sort=False)
    ]
    print_table(f"95 % interval holds the true cut, all cuts, day {days}, per cent", head, rows)
    _targets(frame[frame["rule"] == OURS], days)


def _targets(ours: pd.DataFrame, days: int) -> None:
    rows, none = [], ours[ours["cut"] == 0]
    for stratum, part in none.groupby("stratum"):
        rows.append(
            [
                f"false effective <= 5 %, {stratum}",
                rate(part["effective"]),
                verdict(part["effective"], 0.05, at_most=True),
            ]
        )
    for (day, cut), least in POWER_TARGETS.items():
        for stratum, part in ours[(ours["cut"] == cut) & (ours["stratum"] >= least)].groupby("stratum"):
            if day == days:
                name = f"power >= 80 % at a cut of {cut:.0%}, {stratum}"
                rows.append([name, rate(part["effective"]), verdict(part["effective"], 0.8, at_most=False)])
    covered = with_coverage(ours)["covered"]
    inside = (
        "pass" if verdict(covered, 0.97, at_most=True) == verdict(covered, 0.93, at_most=False) == "pass" else "MISS"
    )
    rows.append(["coverage 93-97 % overall", rate(covered), inside])
    for _, part in with_coverage(ours).groupby(["stratum", "cut"]):
        name = f"coverage >= 90 %, {part['stratum'].iloc[0]}, cut {part['cut'].iloc[0]:.0%}"
        rows.append([name, rate(part["covered"]), verdict(part["covered"], 0.90, at_most=False)])
    print_table(f"Targets, day {days}", ["target", "figure", ""], rows)


def stress_table(frames: Mapping[str, pd.DataFrame]) -> None:
    """False effective, coverage and power by world; worst strata beside the mean."""
    rows = []
    for name, frame in frames.items():
        none, half = (frame[frame["cut"] == cut] for cut in (0.0, 0.5))
        covered = with_coverage(frame)
        false = {s: part["effective"] for s, part in none.groupby("stratum")}
        cover = {s: part["covered"] for s, part in covered.groupby("stratum")}
        worst, least = max(false.values(), key=lambda x: x.mean()), min(cover.values(), key=lambda x: x.mean())
        power = [rate(part["effective"]) for s, part in half.groupby("stratum") if s in (150, 500, 2000)]
        rows.append(
            [
                name,
                rate(none["effective"]),
                f"{rate(worst)} {verdict(worst, 0.05, at_most=True)}",
                rate(covered["covered"]),
                f"{rate(least)} {verdict(least, 0.90, at_most=False)}",
                " / ".join(power),
            ]
        )
    head = ["world", "false effective", "worst stratum", "coverage", "worst stratum", "power at 50 %: 150 / 500 / 2000"]
    print_table("Stress, per cent", head, rows)


def looks_table(frame: pd.DataFrame) -> None:
    """Called effective at any look of the shipped policy, and the median day of that."""
    strata = sorted(frame["stratum"].unique())
    rows = []
    for cut, part in frame.groupby("cut"):
        hits = part.assign(effective=part["verdict"] == "effective")
        cells = []
        for s in strata:
            own = hits[hits["stratum"] == s]
            days = own.loc[own["effective"], "day"]
            cells.append(f"{rate(own['effective'])}" + (f" (day {days.median():.0f})" if cut and len(days) else ""))
        rows.append([f"cut {cut:.0%}", *cells, rate(hits["effective"])])
    none = frame[frame["cut"] == 0]
    marks = [verdict(none[none["stratum"] == s]["verdict"] == "effective", 0.05, at_most=True) for s in strata]
    rows.append(["target: at a cut of 0, <= 5 %", *marks, ""])
    print_table(
        "Shipped policy over its looks: called effective, per cent (median day)", ["", *map(str, strata), "all"], rows
    )


def tickets_table(frame: pd.DataFrame) -> None:
    """False discoveries among twenty tickets."""
    rows = []
    for useless, part in frame.groupby("useless", sort=False):
        called = part.assign(called=part["verdict"].isin(["effective", "partial"]))
        false = (
            called.assign(false=called["called"] & (called["cut"] == 0)).groupby("tenant")[["false", "called"]].sum()
        )
        share = false["false"] / false["called"].clip(lower=1)
        error = share.std() / np.sqrt(len(share))
        fdr = f"{100 * share.mean():.1f} ±{100 * error:.1f}"
        mark = "pass" if share.mean() - 1.96 * error <= 0.10 else "MISS"
        power = [rate(called[called["cut"] == cut]["called"]) for cut in (0.5, 0.8)]
        rows.append(
            [
                f"{useless:.0%} useless",
                rate(false["false"] > 0),
                f"{fdr} {mark}" if part["useless"].iloc[0] < 1 else "-",
                *power,
            ]
        )
    head = ["20 tickets", "any false", "FDR, target <= 10", "found at 50 %", "at 80 %"]
    print_table("Twenty tickets at once, shipped policy, per cent", head, rows)


def watch_table(frame: pd.DataFrame, promised: float) -> None:
    """Called returned at any of six looks, and the median look of that."""
    strata = sorted(frame["stratum"].unique())
    rows = []
    for kind, part in frame.groupby("kind", sort=False):
        cells = []
        for s in strata:
            own = part.loc[part["stratum"] == s, "look"]
            mark = f" {verdict(own > 0, promised, at_most=True)}" if kind == "stays" else ""
            cells.append(rate(own > 0) + (mark or (f" (look {own[own > 0].median():.0f})" if (own > 0).any() else "")))
        rows.append([str(kind), *cells, rate(part["look"] > 0)])
    print_table("Regression watch: called returned, per cent", ["pattern", *map(str, strata), "all"], rows)


def errors_of_chances(stated: Floats, true: NDArray[np.bool_]) -> tuple[int, float, float]:
    """Number of fixes, mean distance between stated chance and share that was true over ten bins, bias of the mean."""
    bins = np.minimum((stated * 10).astype(int), 9)
    distance = sum(abs(stated[bins == b].sum() - true[bins == b].sum()) for b in range(10)) / len(true)
    return len(true), float(distance), float(stated.mean() - true.mean())


def calibration_table(errors: list[tuple[int, float, float]], bar: float) -> None:
    """First entry: before any fix was seen. The others: each learned from other 300 fixes, told by their mean."""
    (n, before, bias), learned = errors[0], np.array([error[1:] for error in errors[1:]])
    rows = [["before any fix", str(n), f"{before:.3f}", "-", f"{bias:+.3f}", "-"]]
    if len(learned):
        (mean, mean_bias), worst = learned.mean(0), learned[:, 0].max()
        said = f"{mean:.3f} ±{learned[:, 0].std() / np.sqrt(len(learned)):.3f}"
        mark = "pass" if mean <= 0.03 else "MISS"
        rows.append(
            [f"after 300, {len(learned)} times", str(errors[1][0]), said, f"{worst:.3f}", f"{mean_bias:+.3f}", mark]
        )
    head = ["", "tested on", "calibration error", "worst", "error of the mean", "target <= .03"]
    print_table(f"Probability that the cut is at least {bar:.0%}", head, rows)
