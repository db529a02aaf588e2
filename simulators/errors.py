"""What can go wrong in a simulation.

SimulatorError
├── ModelError         a reader model is not known or its file contradicts itself; names the file, the key and the mend
├── ScenarioError      a scenario file cannot be read or contradicts itself; names the file, the key and the mend
└── UnknownReaderError a reader asked for reads under a name that the world or the recording does not have
"""

from __future__ import annotations


class SimulatorError(Exception):
    """Base of everything that `simulators` raises."""


class ModelError(SimulatorError):
    """The reader model cannot be used as it is written."""


class ScenarioError(SimulatorError):
    """The scenario cannot be used as it is written."""


class UnknownReaderError(SimulatorError):
    """Nothing is known under the name of this reader."""
