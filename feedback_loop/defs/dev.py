"""`dagster dev` beside the database it needs, for as long as it runs.

Belongs here: the life of that one child process. Does not belong here: what it serves (`definitions.py`).
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from feedback_loop.defs.instance import open_instance
from feedback_loop.environment import Environment
from feedback_loop.store.engine import open_database

STOP_SECONDS = 30


def run_dev(environment: Environment, host: str, port: int, module: str = "feedback_loop.definitions") -> int:
    """Serve Dagster's UI and daemon until they end or we are told to stop; then stop all, the database too.

    Args:
        environment: what the surroundings say.
        host: address the UI listens on.
        port: port the UI listens on.
        module: where Dagster finds the definitions; an installed module, so any working directory will do.

    Returns:
        Exit status of `dagster dev`; 0 where it was we who stopped it.

    Raises:
        FeedbackLoopError: the database cannot be opened; nothing was started.
    """
    with open_database(environment) as engine:
        with open_instance(environment, engine):
            pass  # its storage exists now; the processes below would each try to create it
        engine.dispose()
        command = [sys.executable, "-m", "dagster", "dev", "-m", module, "-h", host, "-p", str(port)]
        with _stop_signals() as received:
            # In a session of its own a Ctrl-C reaches us alone and the child once. Having a handler here gives the
            # child the default one: a shell that starts us with SIGINT ignored would make it deaf.
            child = subprocess.Popen(command, start_new_session=True)  # noqa: S603
            status = _wait(child, received)
        return 0 if received else status


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Inside: SIGINT, SIGTERM and SIGHUP are noted in the list instead of ending this process."""
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _wait(child: subprocess.Popen[bytes], received: list[int]) -> int:
    try:
        while child.poll() is None and not received:
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout=0.2)
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
            child.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
    finally:
        # Dagster's code servers outlive it by up to 45 s, with connections to the database we are about to stop.
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
    return child.wait()
