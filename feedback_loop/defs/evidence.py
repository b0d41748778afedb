"""Evidence of verdicts: what one was made from, ready for JSON, so that it can be computed again.

Belongs here: fixes, the family judged together, weekly counts of all patterns. Does not belong here: the verdict
(`verdicts.py`), and the weeks of the fix's own arms (`verify.fix_weeks`).
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from feedback_loop.defs.counting import Counted

_WEEK = pd.Timedelta(days=7)


def made_from(counted: Counted, fixes: pd.DataFrame, verdicts: pd.DataFrame) -> Mapping[str, Any]:
    """What the verdicts of a day have in common.

    Args:
        counted: the windows.
        fixes: frame `verify.FIXES`: all that happened.
        verdicts: frame `verify.VERDICTS`: those judged together are the ones with a p-value.
    """
    tested = verdicts.loc[verdicts["p_value"].notna(), ["fix_id", "look_day", "p_value", "q_value"]]
    steps = fixes.assign(deployed_at=fixes["deployed_at"].map(lambda at: at.isoformat())).astype(object)
    return {
        "n_sessions": float(counted.exposures["n_exposures"].sum()),
        "fixes": steps.where(steps.notna(), None).to_dict("records"),
        "judged_together": tested.astype({"look_day": int}).to_dict("records"),
        "pattern_weeks": _weeks(counted),
    }


def _weeks(counted: Counted) -> Mapping[str, Any]:
    """Weighted sessions per week back from the end: exposures, and affected by pattern."""
    end = pd.Timestamp(counted.window.end)
    served, affected = (
        frame.assign(back=(end - frame[at].dt.floor("D")).dt.days.sub(1) // 7)
        for frame, at in ((counted.exposures, "date"), (counted.affected, "occurred_at"))
    )
    exposed = served.groupby("back")["n_exposures"].sum()
    back = sorted(exposed.index, reverse=True)
    table = affected.pivot_table(index="pattern_id", columns="back", values="weight", aggfunc="sum", fill_value=0.0)
    return {
        "starts_at": [f"{end - (n + 1) * _WEEK:%Y-%m-%d}" for n in back],
        "exposures": [float(exposed[n]) for n in back],
        "affected": {str(name): [float(row.get(n, 0.0)) for n in back] for name, row in table.iterrows()},
    }
