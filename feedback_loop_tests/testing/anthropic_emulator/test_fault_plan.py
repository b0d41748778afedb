"""Which call fails: the route, the nth, and how many."""

import anthropic
import pytest
from anthropic import Anthropic

from feedback_loop.testing.anthropic_emulator import AnthropicEmulator, Fault
from feedback_loop_tests.testing.anthropic_emulator.conftest import connect
from feedback_loop_tests.testing.anthropic_emulator.requests import ask, batch


class TestPlan:
    def outcomes(self, emulator: AnthropicEmulator, n: int) -> str:
        said = ""
        with connect(emulator) as client:
            for _ in range(n):
                try:
                    client.messages.create(**ask())
                    said += "."
                except anthropic.APIStatusError as error:
                    said += {529: "o", 429: "r"}[error.status_code]
        return said

    def test_nth_and_count(self, emulator: AnthropicEmulator) -> None:
        emulator.fail("overloaded", nth=2, count=2)
        assert self.outcomes(emulator, 5) == ".oo.."

    def test_for_ever(self, emulator: AnthropicEmulator) -> None:
        emulator.fail("overloaded", nth=2, count=None)
        assert self.outcomes(emulator, 4) == ".ooo"

    def test_several_at_once_each_count_every_call(self, emulator: AnthropicEmulator) -> None:
        emulator.fail("overloaded", nth=2)
        emulator.fail("rate_limit", nth=2, count=2)
        assert self.outcomes(emulator, 4) == ".or."

    def test_counted_from_the_order_on(self, emulator: AnthropicEmulator) -> None:
        assert self.outcomes(emulator, 2) == ".."
        emulator.fail("overloaded", nth=2)
        assert self.outcomes(emulator, 3) == ".o."

    def test_only_its_route(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        emulator.fail("overloaded", route="batches.create")
        client.messages.create(**ask())
        client.messages.batches.list()
        with pytest.raises(anthropic.InternalServerError):
            client.messages.batches.create(**batch("a"))

    def test_every_route_of_batches(self, client: Anthropic, emulator: AnthropicEmulator) -> None:
        emulator.fail("overloaded", route="batches", nth=2, count=None)
        client.messages.create(**ask())
        client.messages.batches.list()
        with pytest.raises(anthropic.InternalServerError):
            client.messages.batches.retrieve("msgbatch_x")

    def test_no_such_name_route_or_count(self, emulator: AnthropicEmulator) -> None:
        with pytest.raises(ValueError, match="there is no fault 'nonsense'; there are rate_limit, "):
            emulator.fail("nonsense")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="there is no route 'message'"):
            emulator.fail("reset", route="message")
        for wrong in ({"nth": 0}, {"count": 0}):
            with pytest.raises(ValueError, match="start at 1"):
                Fault("reset", **wrong)  # type: ignore[arg-type]
