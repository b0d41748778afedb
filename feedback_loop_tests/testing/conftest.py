"""One whole simulation at the size of the demo, shared by the tests that only read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from feedback_loop.testing.simulator import Simulator
from feedback_loop.testing.simulator_plan import SimulatorSettings, planned_deployments

Record = dict[str, Any]


@dataclass(frozen=True)
class Simulated:
    settings: SimulatorSettings
    weeks: list[list[Record]]
    truth: dict[str, Any]

    @property
    def failed(self) -> Mapping[str, str]:
        failed: dict[str, str] = self.truth["failed_interactions"]
        return failed

    def records(self, kind: str) -> list[Record]:
        return [record for week in self.weeks for record in week if record["type"] == kind]


@pytest.fixture(scope="session")
def simulated() -> Simulated:
    """Twelve weeks with the deployments of the plan."""
    settings = SimulatorSettings()
    simulator, deployments = Simulator(settings), planned_deployments(settings)
    weeks = [list(simulator.week(index, deployments)) for index in range(settings.n_weeks)]
    return Simulated(settings, weeks, simulator.truth())
