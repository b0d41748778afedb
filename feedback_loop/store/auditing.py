"""Audits of frozen detectors: a blind sample of events, and what people or the analyst said of each.

Belongs here: SQL of `detector_audits`. Does not belong here: when an audit blocks a verdict (`verify/guards.py`), and
the audits of stored weeks (`audits.py`).
"""

from datetime import datetime

import pandas as pd
from sqlalchemy import Connection

from feedback_loop.store.frames import read_frame


def audit_counts(conn: Connection, application: str, at: datetime) -> pd.DataFrame:
    """Per fix and side what was labelled before a time; frame `verify.AUDITS`.

    Found and other events are sampled at different rates, so each counts by its weight; weights have mean 1 in a side,
    for the counts to be of labels.
    """
    query = """
        with labelled as (
            select fix_id, side, is_member, is_found, weight / avg(weight) over (partition by fix_id, side) as weight
            from feedback_loop.detector_audits where application = :application and labelled_at < :at
        )
        select fix_id, side, sum(weight) filter (where is_member) as n_true,
               sum(weight) filter (where is_member and is_found) as n_found,
               sum(weight) filter (where is_found) as n_detected
        from labelled group by 1, 2 order by 1, 2
    """
    frame = read_frame(conn, query, {"application": application, "at": at})
    numbers = ["n_true", "n_found", "n_detected"]
    return frame.assign(**{name: pd.to_numeric(frame[name]).fillna(0.0) for name in numbers})
