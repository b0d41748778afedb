"""The control plane over HTTP, for other processes: what `JiraEmulator` offers in Python. Needs no token.

| `/__emu/...` | JSON in | Does, and says |
|---|---|---|
| `reset` | | forgets everything |
| `faults` | fields of `Fault`, or nothing | orders a failure; all that were ordered |
| `clock` | `advance`: seconds, or nothing | moves the virtual time on; the time |
| `advance?seconds=` | | the same |
| `requests`, `refused` | | what came in, without headers |
| `issues` | | every issue, hidden ones too |
| `people_*`, `release_version` | arguments by name | what people do; what that returns |

Belongs here: these verbs. Does not belong here: the API's own routes (`app.py`).
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from feedback_loop.testing.jira_emulator.faults import Fault
from feedback_loop.testing.jira_emulator.people import People
from feedback_loop.testing.jira_emulator.records import Issue, RecordedRequest
from feedback_loop.testing.jira_emulator.state import State
from feedback_loop.testing.jira_emulator.wire import Reply, json_reply, parse

_PEOPLE = frozenset(name for name in vars(People) if name.startswith("people_")) | {"release_version"}


def control_route(state: State) -> Route:
    """`/__emu/{verb}`; a GET reads, a POST with a JSON object also changes."""

    async def control(request: Request) -> Reply:
        raw = await request.body()
        with state.lock:
            try:
                arguments = parse(raw) or dict(request.query_params)
                return json_reply(_plain(_control(state, request.path_params["verb"], arguments)))
            except (KeyError, TypeError, ValueError) as error:
                return json_reply({"error": f"{type(error).__name__}: {error}"}, 400)

    return Route("/__emu/{verb}", control, methods=["GET", "POST"])


def _control(state: State, verb: str, arguments: dict[str, Any]) -> Any:
    match verb:
        case "reset":
            state.forget()
        case "faults":
            if arguments:
                state.faults.add(Fault(**arguments))
            return [asdict(fault) for fault in state.faults.faults]
        case "requests":
            return list(state.requests)
        case "refused":
            return [request for request in state.requests if request.is_refused]
        case "issues":
            return list(state.issues.values())
        case "clock" | "advance":
            seconds = arguments.get("advance", arguments.get("seconds", 0))
            state.now += timedelta(seconds=float(seconds))
            return {"now": state.now}
        case _ if verb in _PEOPLE:
            return getattr(People(state), verb)(**arguments)
        case _:
            known = ["reset", "faults", "clock", "advance", "requests", "refused", "issues", *sorted(_PEOPLE)]
            raise ValueError(f"there is no {verb!r}; there are {', '.join(known)}")
    return {"ok": True}


def _plain(value: Any) -> Any:
    """As JSON has it; bytes by their number, headers left out: the token is in them."""
    if isinstance(value, (Issue, RecordedRequest)):
        value = {name: each for name, each in asdict(value).items() if name != "headers"}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return len(value) if isinstance(value, bytes) else value
