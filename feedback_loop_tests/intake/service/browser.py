"""A headless Chromium, driven over the DevTools protocol; nothing but `websockets`, which uvicorn brings, is needed.

Belongs here: the life of the browser, and what a person does in a page. Does not belong here: what is tested.
"""

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

from websockets.sync.client import ClientConnection, connect

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
    "--disable-extensions", "--remote-debugging-port=0", "--lang=en",
)  # fmt: skip
_SECONDS = 30.0


def find_program() -> str | None:
    """The browser of this machine, if there is one."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Page:
    """One page of a browser."""

    def __init__(self, connection: ClientConnection, session: str) -> None:
        self._connection, self._session = connection, session

    def call(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol."""
        return call(self._connection, method, parameters, self._session)

    def run(self, script: str) -> Any:
        """The value of an expression in the page; promises are waited for."""
        got = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in got, got["exceptionDetails"]
        return got["result"].get("value")

    def wait(self, script: str) -> Any:
        """Wait until an expression is true; its value."""
        return wait(lambda: self.run(script), script)

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key."""
        about = {"key": key, "windowsVirtualKeyCode": code, "text": text}
        self.call("Input.dispatchKeyEvent", type="keyDown", **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def tab(self) -> None:
        self.press("Tab", 9)

    def enter(self) -> None:
        self.press("Enter", 13, "\r")

    def click(self, element: str) -> None:
        """Click with the mouse in the middle of what an expression names."""
        x, y = self.run(
            f"(() => {{ const box = ({element}).getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2] })()"
        )
        about = {"x": x, "y": y, "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", **about)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **about)


def wait(condition: Callable[[], Any], what: str) -> Any:
    """Wait until something is true; its value."""
    until = time.monotonic() + _SECONDS
    while not (value := condition()):
        assert time.monotonic() < until, what
        time.sleep(0.02)
    return value


_ids = count(1)


def call(connection: ClientConnection, method: str, parameters: dict[str, Any], session: str | None = None) -> Any:
    number = next(_ids)
    message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
    connection.send(json.dumps(message))
    while True:
        reply = json.loads(connection.recv(timeout=_SECONDS))
        if reply.get("id") == number:
            assert "error" not in reply, reply["error"]
            return reply["result"]


@contextmanager
def running_browser(program: str) -> Iterator[ClientConnection]:
    """A browser with an empty profile, until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="fl-browser-", ignore_cleanup_errors=True) as profile:
        command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        assert process.stderr is not None
        try:
            found = next(m for line in process.stderr if (m := re.search(r"listening on (ws://\S+)", line)))
            with connect(found[1], max_size=None, proxy=None) as connection:
                yield connection
                with suppress(Exception):
                    call(connection, "Browser.close", {})
            process.wait(10)
        finally:
            process.kill()
            process.wait()
            process.stderr.close()


def open_page(connection: ClientConnection, url: str) -> Page:
    """A page of its own, in front and focused."""
    target = call(connection, "Target.createTarget", {"url": "about:blank"})["targetId"]
    attached = call(connection, "Target.attachToTarget", {"targetId": target, "flatten": True})
    page = Page(connection, attached["sessionId"])
    page.call("Page.enable")
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)
    page.call("Page.navigate", url=url)
    page.wait("document.readyState === 'complete' && location.href !== 'about:blank'")
    return page
