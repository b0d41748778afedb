"""Courts: one per application with a fix, each in a transaction of its own.

Belongs here: what a daily run gives to a court. Does not belong here: what it finds (`verdicts.py`, `aftermath.py`).

A run that is killed keeps what it found of the applications before, and its repetition finds the same of the rest.
"""

from collections.abc import Iterator
from datetime import datetime

from feedback_loop.config import Settings
from feedback_loop.decisions import UNDECIDED
from feedback_loop.defs.counting import Counter
from feedback_loop.defs.resources import Database
from feedback_loop.defs.tracking import judged_fixes
from feedback_loop.defs.verdicts import Court
from feedback_loop.llm import Embedder
from feedback_loop.store import decisions
from feedback_loop.store import fixes as fix_store
from feedback_loop.verify import join_fixes


def courts(database: Database, encoder: Embedder, settings: Settings, as_of: datetime) -> Iterator[Court]:
    """One per application with a fix; its transaction is committed when the next is asked for."""
    with database.begin() as conn:
        decided = decisions.load_effective(conn)
        shipped = join_fixes(fix_store.load_fixes(conn, as_of), decided)
        judged = {(fix.application, fix.fix_id) for fix in judged_fixes(conn, as_of, decided)}
    for application in sorted({fix.application for fix in shipped}):
        said = decided.get(application, UNDECIDED)
        own = [fix for fix in shipped if fix.application == application]
        names = frozenset(name for of, name in judged if of == application)
        with database.begin() as conn:
            counter = Counter(conn, application, encoder, settings, said)
            yield Court(conn, application, own, names, counter, settings, said)
