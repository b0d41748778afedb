"""Evaluators' scores beside the interactions that they are of.

Belongs here: reading `evaluations` with what an interaction knows. Does not belong here: comparing them
(`verify/scores.py`), importing them (`facts.py`).
"""

import pandas as pd
from sqlalchemy import Connection

from feedback_loop.records import Window
from feedback_loop.store.frames import read_frame

_SCORES = """
select e.evaluator, coalesce(e.evaluator_version, '') as evaluator_version, e.score,
       coalesce(i.user_hash, i.session_id, i.interaction_id) as rater, i.occurred_at,
       coalesce(i.prompt_name, '') as prompt_name, i.prompt_version, md5(i.user_input) as case_id
from feedback_loop.interactions i join feedback_loop.evaluations e using (interaction_id)
where i.application = :application and i.occurred_at >= :start and i.occurred_at < :end
  and (e.occurred_at is null or e.occurred_at < :end)
order by e.evaluation_id
"""


def read_scores(conn: Connection, application: str, window: Window) -> pd.DataFrame:
    """Scores of interactions of a window that were given by its end; frame `verify.SCORES`."""
    parameters = {"application": application, "start": window.start, "end": window.end}
    return read_frame(conn, _SCORES, parameters)
