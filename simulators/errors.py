"""What can go wrong in a simulation.

SimulatorError
├── ScenarioError      a scenario file cannot be read or contradicts itself; names the file, the key and the mend
└── UnknownReaderError a reader asked for reads under a name that the world or the recording does not have
"""

from __future__ import annotations


class SimulatorError(Exception):
    """Base of everything that `simulators` raises."""


class ScenarioError(SimulatorError):
    """The scenario cannot be used as it is written."""


class UnknownReaderError(SimulatorError):
    """Nothing is known under the name of this reader."""
