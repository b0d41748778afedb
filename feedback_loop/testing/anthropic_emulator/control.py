"""The control plane over HTTP, for other processes: what `AnthropicEmulator` offers in Python. Needs no key.

| `/__emu/...` | JSON in | Does, and says |
|---|---|---|
| `reset` | | forgets everything |
| `script` | `contains`, `reply` | answers prompts with this marker so |
| `faults` | fields of `Fault`, or nothing | orders a failure; all that were ordered |
| `clock` | `advance`: seconds, or nothing | moves the virtual time on; the time |
| `requests`, `usage` | | what came in (without headers), what was billed |

Belongs here: these verbs. Does not belong here: the API's own routes (`app.py`).
"""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from feedback_loop.testing.anthropic_emulator.batches import settle_batches
from feedback_loop.testing.anthropic_emulator.faults import Fault
from feedback_loop.testing.anthropic_emulator.state import State
from feedback_loop.testing.anthropic_emulator.wire import Reply, json_reply, parse_object


def control_route(state: State) -> Route:
    """`/__emu/{verb}`; a GET reads, a POST with a JSON object also changes."""

    async def control(request: Request) -> Reply:
        raw = await request.body()
        arguments = parse_object(raw) or {}
        with state.lock:
            try:
                return json_reply(_control(state, request.path_params["verb"], arguments))
            except (KeyError, TypeError, ValueError) as error:
                return json_reply({"error": f"{type(error).__name__}: {error}"}, 400)

    return Route("/__emu/{verb}", control, methods=["GET", "POST"])


def _control(state: State, verb: str, arguments: dict[str, Any]) -> Any:
    match verb:
        case "reset":
            state.forget()
        case "script":
            state.scripts.append((str(arguments["contains"]), arguments["reply"]))
        case "faults":
            if arguments:
                state.faults.add(Fault(**arguments))
            return [asdict(fault) for fault in state.faults.faults]
        case "requests":  # without headers: the key is in them
            return [
                {"method": r.method, "path": r.path, "body": r.body, "at": r.at.isoformat()} for r in state.requests
            ]
        case "usage":
            settle_batches(state)
            return [{k: v for k, v in vars(billed).items() if k != "params"} for billed in state.usage]
        case "clock":
            state.now += timedelta(seconds=float(arguments.get("advance", 0)))
            settle_batches(state)
            return {"now": state.now.isoformat()}
        case _:
            raise ValueError(f"there is no {verb!r}; there are reset, script, faults, requests, usage, clock")
    return {"ok": True}
