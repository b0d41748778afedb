"""A web application on loopback in a thread of its own, for one `with` block, and connections that break under it.

Belongs here: what the emulated services share: the life of the server, and closing a client's socket. Does not belong
here: anything a service answers (`anthropic_emulator`, `jira_emulator`).
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.types import Scope

_START_SECONDS = 10.0
_LINGER_NONE = struct.pack("ii", 1, 0)  # closing sends RST instead of FIN


class Loopback:
    """A server on 127.0.0.1, on a port the system chooses.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._crash: BaseException | None = None

    def start(self, app: Starlette) -> str:
        """Serve until `stop`; the root address, without a slash at its end.

        Raises:
            RuntimeError: it did not come up within ten seconds.
        """
        # asyncio switches Nagle's delay (40 ms a response) off only where the socket says that it is TCP
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, loop="asyncio", http="h11", ws="none", lifespan="off", log_config=None, access_log=False
            )
        )
        app.state.server = self._server
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_SECONDS) or self._crash:
            raise RuntimeError(f"the emulator did not start within {_START_SECONDS} s") from self._crash
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def _serve(self) -> None:
        async def run() -> None:
            server = asyncio.ensure_future(self._server.serve(sockets=[self._socket]))
            while not (self._server.started or server.done()):
                await asyncio.sleep(0.002)
            self._ready.set()
            await server

        try:
            asyncio.run(run())
        except BaseException as error:  # of another thread: raised again in its owner's
            self._crash = error
            self._ready.set()

    def stop(self, crashes: Sequence[BaseException], error: BaseException | None) -> None:
        """Stop serving; a slow answer nobody waits for is dropped.

        Args:
            crashes: what failed in the service itself.
            error: what the `with` block ends with already; it is not hidden behind a crash.

        Raises:
            RuntimeError: there were crashes, of the service or of the server.
        """
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()
        self._socket.close()
        crashes = [*crashes, *([self._crash] if self._crash else [])]
        if crashes and error is None:
            first = crashes[0]
            raise RuntimeError(f"the emulator itself failed {len(crashes)} times, first: {first!r}") from first


async def disconnect(scope: Scope, *, is_reset: bool) -> None:
    """Close the socket under the server: at once with RST, or after what is already written."""
    connections = scope["app"].state.server.server_state.connections
    transport = next((c.transport for c in connections if c.client == tuple(scope["client"])), None)
    if transport is None:  # the client was faster
        return
    if is_reset:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        transport.abort()
    else:
        transport.close()
    await asyncio.sleep(0.01)  # until uvicorn has noticed; otherwise it would answer with a 500 of its own
