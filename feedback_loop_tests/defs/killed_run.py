"""The command line, killed by itself where it leaves something behind: `python -m ... MOMENT FILE ARGUMENTS`.

A moment is before or after a commit to the loop's tables, or the replacement of a ticket file or picture, counted
from 0. All that were passed are written to FILE, one a line; at moment MOMENT the process ends by SIGKILL.
"""

import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine.default import DefaultDialect

from feedback_loop.cli import main

_WRITES = re.compile(r"\s*(?:insert into|update|delete from)\s+feedback_loop\.(\w+)", re.IGNORECASE)


class Moments:
    """Counts the moments, writes them down, and kills the process at the chosen one."""

    def __init__(self, fatal: int, file: Path) -> None:
        self._fatal, self._file, self._written, self._n = fatal, file, [], 0  # type: tuple[int, Path, list[str], int]

    def note_statement(self, _conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        """Remember which table the open transaction writes to."""
        match = _WRITES.match(statement)
        if match and match.group(1) not in self._written:
            self._written.append(match.group(1))

    def commit(self, dialect: DefaultDialect, connection: Any) -> None:
        """Commit, with a moment before and one after, if the transaction wrote to the loop's tables."""
        written, self._written = ", ".join(self._written), []
        if written:
            self._pass(f"before the commit of {written}")
        _commit(dialect, connection)  # type: ignore[no-untyped-call]
        if written:
            self._pass(f"after the commit of {written}")

    def replace(self, source: Path, target: Any) -> Path:
        """Replace a ticket file or picture, with a moment before and one after."""
        name = Path(target).name
        is_ticket = name.endswith((".md", ".png"))
        if is_ticket:
            self._pass(f"before {name} is written")
        result = _replace(source, target)
        if is_ticket:
            self._pass(f"after {name} is written")
        return result

    def _pass(self, moment: str) -> None:
        with self._file.open("a") as file:
            file.write(moment + "\n")
        if self._n == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self._n += 1


_commit, _replace = DefaultDialect.do_commit, Path.replace

if __name__ == "__main__":
    moments = Moments(int(sys.argv[1]), Path(sys.argv[2]))
    event.listen(Engine, "before_cursor_execute", moments.note_statement)
    DefaultDialect.do_commit = lambda dialect, connection: moments.commit(dialect, connection)  # type: ignore[method-assign]
    Path.replace = lambda source, target: moments.replace(source, target)  # type: ignore[assignment,method-assign,return-value]
    sys.argv = ["feedback-loop", *sys.argv[3:]]
    main()
