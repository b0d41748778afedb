"""What an engineer sees of a week's patterns: numbers, examples, a picture, and whether chance had a say in them.

Belongs here: turning what `cluster_week` found into metadata and checks. Does not belong here: finding it
(`analysis.py`, `cluster/`), how a picture is drawn (`charts.py`).
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandas as pd

from feedback_loop.cluster import WeekPatterns
from feedback_loop.defs import metadata
from feedback_loop.llm import Embedder
from feedback_loop.rendering.markdown import escape

_MOST_APPLICATIONS, _MOST_PATTERNS, _MOST_QUOTES = 3, 10, 3
_SAMPLES = (2000, 1000, 500)  # texts on a picture, the most of them that fit
_MOST_BASE64 = 60_000  # characters of a picture: a Dagster event is no place for more
_LEAST_STABLE = 0.8


SHOWN = ["interaction_id", "is_inferred", "failure_text", "comments", "description"]
"""The columns of a week's events that are needed here; the rest need not be kept for it."""


@dataclass(frozen=True)
class WeekView:
    """What is shown of one application's week.

    Attributes:
        application: whose.
        events: what was clustered, columns `SHOWN`; see `cluster_week`.
        found: what was found in it.
        again: memberships that another seed found.
    """

    application: str
    events: pd.DataFrame
    found: WeekPatterns
    again: pd.DataFrame

    @property
    def said(self) -> pd.DataFrame:
        """The events of which somebody said what went wrong."""
        return self.events[~self.events["is_inferred"].to_numpy(dtype=bool)]

    def numbers(self) -> Counter[str]:
        """Counts of patterns and events; those of several applications may be added."""
        states, members = self.found.states, self.found.memberships
        by_status = Counter(state.status for state in states)
        n_inferred = int(members["is_inferred"].sum())
        return Counter(
            {
                "patterns_known": len(states),
                "patterns_new": len(self.found.new_pattern_ids),
                **{f"patterns_{name}": by_status[name] for name in ("candidate", "dormant", "regressed")},
                "members": len(members),
                "members_inferred": n_inferred,
                "unassigned": len(self.events) - len(members),
                "said": len(self.said),
                "said_unassigned": len(self.said) - (len(members) - n_inferred),
                **Counter(f"judged_by_{row.source}" for row in self.found.judgements),
            }
        )

    def largest(self) -> list[str]:
        """The patterns with most members who said something, at most ten; their place is their number."""
        said = self.found.memberships.loc[~self.found.memberships["is_inferred"], "pattern_id"]
        sizes = Counter(said.tolist())
        return sorted(sizes, key=lambda pattern_id: (-sizes[pattern_id], pattern_id))[:_MOST_PATTERNS]

    def examples(self) -> pd.DataFrame:
        """The largest patterns, each with words of the members who are most alike to what is remembered of it."""
        members = self.found.memberships.merge(self.events, on="interaction_id", suffixes=("", "_event"))
        members = members[~members["is_inferred"]].sort_values(
            ["similarity", "interaction_id"], ascending=[False, True]
        )
        names = {state.pattern_id: state.name for state in self.found.states}
        rows = []
        for number, pattern_id in enumerate(self.largest(), start=1):
            own = members[members["pattern_id"] == pattern_id]
            said = [" ".join(c) or d for c, d in zip(own["comments"], own["description"], strict=True)]
            quotes = list(dict.fromkeys(said))[:_MOST_QUOTES]
            row = {"application": self.application, "number": number, "pattern": names[pattern_id], "members": len(own)}
            rows.append(row | {f"quote {n}": quote for n, quote in enumerate(quotes, start=1)})
        columns = ["application", "number", "pattern", "members", *(f"quote {n + 1}" for n in range(_MOST_QUOTES))]
        return pd.DataFrame(rows, columns=columns)

    def picture(self, encoder: Embedder) -> str:
        """What was said in the week, in two dimensions, as Markdown that carries the image."""
        from feedback_loop.charts import draw_map  # loads matplotlib, which only this needs

        title = f"**{escape(self.application)}**"
        owners = dict(zip(self.found.memberships["interaction_id"], self.found.memberships["pattern_id"], strict=True))
        for size in _SAMPLES:
            shown = _evenly(self.said, size)
            of = [owners.get(i) for i in shown["interaction_id"]]
            png = draw_map(encoder.encode(shown["failure_text"].tolist()), of, self.largest())
            image = base64.b64encode(png).decode()
            if len(image) <= _MOST_BASE64:
                what = f"{len(shown):,} of {len(self.said):,} events of which somebody said what went wrong"
                return f"{title}: {what}; numbers as in the examples.\n\n![the week](data:image/png;base64,{image})"
        return f"{title}: the picture is too large to be kept here."


def _evenly(events: pd.DataFrame, size: int) -> pd.DataFrame:
    """At most `size` events, chosen by a hash of their ids: the same for the same week, and of every part of it."""
    if len(events) <= size:
        return events
    keys = events["interaction_id"].map(lambda i: hashlib.blake2b(i.encode(), digest_size=8).digest())
    return events.loc[keys.sort_values(kind="stable").index[:size]]


def week_metadata(views: Sequence[WeekView], encoder: Embedder) -> dict[str, Any]:
    """Metadata of the asset: numbers over all applications; examples and pictures of the three with most events."""
    total: Counter[str] = sum((view.numbers() for view in views), Counter())
    counts = {name: total[name] for view in views for name in view.numbers()}
    n_said, n_left = counts.pop("said", 0), counts.pop("said_unassigned", 0)
    share = {"unassigned_share": n_left / n_said} if n_said else {}
    largest = sorted(views, key=lambda view: (-len(view.events), view.application))[:_MOST_APPLICATIONS]
    examples = [view.examples() for view in largest]
    columns = {name: name for frame in examples for name in frame.columns}
    pictures = [view.picture(encoder) for view in largest if len(view.said)]
    return metadata.rows(counts.get("patterns_known", 0), **counts, **share) | {
        "examples": metadata.tables(examples, columns, most=_MOST_APPLICATIONS * _MOST_PATTERNS),
        "map": dg.MetadataValue.md("\n\n".join(pictures)) if pictures else dg.MetadataValue.text("none"),
    }


def stability_check(asset: str) -> dg.AssetCheckSpec:
    """The check that `ids_are_stable` answers."""
    return dg.AssetCheckSpec("ids_are_stable", asset=asset)


def ids_are_stable(views: Sequence[WeekView]) -> dg.AssetCheckResult:
    """Whether another seed puts the week's members into the same patterns."""
    n_compared, n_same = 0, 0
    for view in views:
        both = view.found.memberships.merge(view.again, on="interaction_id", how="left", suffixes=("", "_again"))
        n_compared += len(both)
        n_same += int((both["pattern_id"] == both["pattern_id_again"]).sum())
    share = n_same / n_compared if n_compared else None
    return dg.AssetCheckResult(
        check_name="ids_are_stable",
        passed=share is None or share >= _LEAST_STABLE,
        severity=dg.AssetCheckSeverity.WARN,
        description="no members to compare"
        if share is None
        else f"{share:.1%} of {n_compared:,} members are in the same pattern with another seed",
        metadata={"n_compared": n_compared} | ({} if share is None else {"share": share}),
    )
