"""Sentences of a model: which events are shown to the analyst, and what becomes of what it writes.

Belongs here: pure bookkeeping between `DESCRIPTIONS` and the analyst's reports. Does not belong here: asking
(`llm/analyst.py`).

An event is placed by its offline view, whether money was left for its sentence or not. A sentence is for people, and
helps to find patterns: which ones there are can depend on sentences, which of them an event is in does not. Only where
an application pins the describer is its sentence what is compared, of all events alike.
"""

import pandas as pd

from feedback_loop.llm.analyst import Description, Findings
from feedback_loop.llm.prompts import FailureReport
from feedback_loop.records import DESCRIPTIONS

_OWN_WORDS = ("comment", "edit")


def reports_of(frame: pd.DataFrame, texts: pd.DataFrame, *, is_pinned: bool) -> list[FailureReport]:
    """The events that the analyst is shown.

    Args:
        frame: `records.DESCRIPTIONS`.
        texts: frame `records.TEXTS` of the same interactions.
        is_pinned: show all events that say something; else only those in people's own words: a reason code needs no
            sentence.
    """
    wanted = ~frame["is_inferred"] if is_pinned else frame["evidence"].isin(_OWN_WORDS)
    shown = frame.loc[wanted, ["interaction_id", "description"]].merge(
        texts[["interaction_id", "user_input", "output"]], on="interaction_id", how="left", validate="one_to_one"
    )
    return [FailureReport(*map(str, row)) for row in shown.itertuples(index=False, name=None)]


def with_sentences(frame: pd.DataFrame, found: Findings[Description], *, is_pinned: bool) -> pd.DataFrame:
    """Descriptions with the analyst's sentences where it wrote one.

    Args:
        frame: `records.DESCRIPTIONS`.
        found: by interaction_id.
        is_pinned: compare the sentences too. An event without one then says nothing that could be compared: it is
            inferred, for two describers are never mixed in one count.

    Returns:
        Frame `records.DESCRIPTIONS`, same rows.
    """
    written = {i: d.failure for i, d in found.found.items() if d.failure}
    ids = frame["interaction_id"].tolist()
    told = frame.assign(
        description=[written.get(i, d) for i, d in zip(ids, frame["description"], strict=True)],
        sentence=[written.get(i, "") for i in ids],
    )
    if is_pinned:
        told["failure_text"] = [written.get(i, "") for i in ids]
        told["is_inferred"] = [i not in written for i in ids]
    return DESCRIPTIONS.check(told)
