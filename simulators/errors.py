"""What can go wrong in a simulation.

SimulatorError
├── ScenarioError      a scenario file cannot be read or contradicts itself; names the file, the key and the mend
├── UnknownReaderError a reader asked the world for reads under a name the world does not have
└── ScanRefusedError   a handheld gave up: the gateway never said that it stored the scan
"""

from __future__ import annotations


class SimulatorError(Exception):
    """Base of everything that `simulators` raises."""


class ScenarioError(SimulatorError):
    """The scenario cannot be used as it is written."""


class UnknownReaderError(SimulatorError):
    """No reader of the world has this name."""


class ScanRefusedError(SimulatorError):
    """The scan was sent as often as allowed and never confirmed as stored."""
