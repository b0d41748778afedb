"""The Anthropic API on loopback: it answers, counts, caches, batches, refuses and fails as the real one does.

    request -> app.py (recorded) -> faults.py (fails?) -> checks.py, schemas.py (refused?) -> messages.py or batches.py
            -> responder.py (what is said) -> prompt_cache.py (what it costs) -> mangling.py (said badly?) -> wire.py

Belongs here: a service faithful enough to build and test a client against without a key, and to run the demo. Does not
belong here: the client (`feedback_loop.clients`), prices (configuration), any model.
"""

from feedback_loop.testing.anthropic_emulator.faults import FAULT_NAMES, Fault, FaultName
from feedback_loop.testing.anthropic_emulator.responder import Responder
from feedback_loop.testing.anthropic_emulator.server import AnthropicEmulator
from feedback_loop.testing.anthropic_emulator.state import Billed, RecordedRequest, Respond

__all__ = [
    "FAULT_NAMES",
    "AnthropicEmulator",
    "Billed",
    "Fault",
    "FaultName",
    "RecordedRequest",
    "Respond",
    "Responder",
]
