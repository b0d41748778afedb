"""Filing in an emulated Jira, killed where it leaves something behind: `python -m ... MOMENT FILE URL KIND SERVER NOW`.

A moment is before or after a commit to the loop's tables, or a request to Jira, counted from 0; after a request means
that Jira has answered it and nobody has read the answer. All that were passed are written to FILE, one a line; at
moment MOMENT the process ends by SIGKILL.
"""

import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import Engine, event, make_url
from sqlalchemy.engine.default import DefaultDialect

from feedback_loop.defs.filing import apply_plan
from feedback_loop.store.engine import create_engine
from feedback_loop_tests.defs.killed_run import Moments
from feedback_loop_tests.defs.tracker_world import connect, pictures

_ID = re.compile(r"/\d{5,}(?=/|$)")
_send = requests.Session.send


class FilingMoments(Moments):
    """Also counts requests."""

    def send(self, session: requests.Session, request: requests.PreparedRequest, **how: Any) -> requests.Response:
        """Send a request, with a moment before and one after."""
        path = _ID.sub("/ID", str(request.path_url).partition("?")[0])
        said = f"{request.method} {path.partition('/rest/')[2].split('/', 2)[-1]}"
        self._pass(f"before {said}")
        response = _send(session, request, **how)
        self._pass(f"after {said}")
        return response


def main(fatal: str, file: str, url: str, personality: str, server: str, now: str) -> None:
    """One run."""
    moments = FilingMoments(int(fatal), Path(file))
    event.listen(Engine, "before_cursor_execute", moments.note_statement)
    DefaultDialect.do_commit = lambda dialect, connection: moments.commit(dialect, connection)  # type: ignore[method-assign]
    requests.Session.send = lambda session, request, **how: moments.send(session, request, **how)  # type: ignore[method-assign]
    at, engine = datetime.fromisoformat(now), create_engine(make_url(url))
    with connect(server, personality == "cloud", lambda: at, lambda _: None) as tracker:
        apply_plan(engine.begin, tracker, lambda: at, pictures)


if __name__ == "__main__":
    main(*sys.argv[1:])
