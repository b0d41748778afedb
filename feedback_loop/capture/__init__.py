"""What runs inside somebody's application: interactions and the feedback on them, captured without being in the way.

    capture      the object an application makes: middleware, interactions, feedback, flush and close
    interaction  one answer as it happens: times, texts, tokens
    calls        any function, coroutine or stream as an interaction
    anthropic    calls of an Anthropic client, seen by their shape
    middleware   ASGI: an id per request, given back in a header
    snapshot     what the application hands over, copied and measured before it can change
    preparing    in the background: a record of the import contract, cleaned, redacted, priced
    sampling     which records are sent, and what each of them stands for. Pure
    heard        what processes of one host tell each other of feedback
    writer       the bounded buffer and the one thread behind it
    sinks        where lines go: the protocol, and pauses after failures
    spool        files that survive a restart and a dead sink
    http         the ingest service

Belongs here: what an application imports. Does not belong here: anything heavy (no SDK, no database, no data frames: CI
checks it) and the way into the database (`intake/direct.py` is a sink that knows it).

Nothing here raises into the application or makes it wait: what goes wrong is counted (`Capture.counts`) and logged now
and then.
"""

from feedback_loop.capture.capture import Capture
from feedback_loop.capture.http import HttpSink
from feedback_loop.capture.interaction import Interaction
from feedback_loop.capture.sampling import SamplingPolicy
from feedback_loop.capture.sinks import Receipt, Sink, SinkUnavailable
from feedback_loop.capture.spool import JsonlSpool

__all__ = ["Capture", "HttpSink", "Interaction", "JsonlSpool", "Receipt", "SamplingPolicy", "Sink", "SinkUnavailable"]
