"""An emulated Anthropic API and the real SDK pointed at it, kept from the surroundings of the test run."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic import Anthropic

from feedback_loop.testing.anthropic_emulator import AnthropicEmulator


@pytest.fixture(autouse=True)
def _hermetic_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a key nor a proxy of the developer's own reaches the SDK."""
    for name in [name for name in os.environ if name.startswith("ANTHROPIC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture(scope="session")
def _running() -> Iterator[AnthropicEmulator]:
    with AnthropicEmulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(_running: AnthropicEmulator) -> AnthropicEmulator:
    """One server for all tests (starting and stopping one takes 0.2 s), that remembers nothing of the test before."""
    _running.reset()
    return _running


@pytest.fixture
def client(emulator: AnthropicEmulator) -> Iterator[Anthropic]:
    """The SDK as the product uses it, but that a response of the wrong shape is an error."""
    with connect(emulator, _strict_response_validation=True) as client:
        yield client


def connect(emulator: AnthropicEmulator, **options: Any) -> Anthropic:
    """A client without retries; `options` override."""
    given: dict[str, Any] = {"api_key": "sk-ant-test", "base_url": emulator.base_url, "max_retries": 0, "timeout": 5.0}
    return Anthropic(**given | options)
