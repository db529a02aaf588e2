"""What a simulated reader can do, held against what a client asks of it. Everything is checked before anything is done:
of a request with an error no part is executed (LLRP 1.0.1 §14).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from readers.errors import DecodeError
from readers.llrp.message import Message, Parameter
from readers.llrp.vendor import IMPINJ
from simulators.llrp.access import OPERATIONS
from simulators.llrp.configuration import ReaderConfiguration, check_antenna
from simulators.llrp.rospec import Start, State, Stop
from simulators.llrp.status import Code, refusal

GEN2: Final = 1
"""AirProtocols: the only one there is."""

ATTEMPTS_TRIGGER: Final = 2
"""TagObservationTriggerType that counts attempts to see every tag: this radio has no attempts to count."""


def check_customs(request: Message, has_extensions: bool) -> None:
    """Refuse vendor parameters, but Impinj's once its extensions are enabled. Raises DecodeError."""
    for custom in _customs(request):
        vendor = custom.fields["VendorIdentifier"]
        if vendor != IMPINJ or not has_extensions:
            text = f"custom parameter {custom.fields['ParameterSubtype']} of vendor {vendor} is not enabled"
            raise refusal(text, Code.P_UNSUPPORTED_PARAMETER, "Custom")


def _customs(parent: Message | Parameter) -> Iterator[Parameter]:
    for parameter in parent.parameters:
        if parameter.name == "Custom":
            yield parameter
        else:
            yield from _customs(parameter)


def check_rospec(rospec: Parameter, known: int, config: ReaderConfiguration) -> None:
    """Refuse an ROSpec that this reader cannot run; `known` ROSpecs are there already. Raises DecodeError."""
    fields, model = rospec.fields, config.model
    if fields["ROSpecID"] == 0:
        raise refusal("ROSpecID 0 stands for all", Code.A_OUT_OF_RANGE, "ROSpec", field="ROSpecID")
    if fields["Priority"] >= model.priority_levels:
        text = f"priorities are 0-{model.priority_levels - 1}"
        raise refusal(text, Code.A_OUT_OF_RANGE, "ROSpec", field="Priority")
    if fields["CurrentState"] != State.DISABLED:
        raise refusal("an ROSpec is added disabled", Code.A_INVALID, "ROSpec", field="CurrentState")
    if known >= model.max_rospecs:
        raise refusal(f"there are {known} ROSpecs already", Code.P_OVERFLOW_PARAMETER, "ROSpec")
    for name in ("RFSurveySpec", "LoopSpec"):
        if rospec.find(name) is not None:
            raise refusal(f"this reader has no {name}", Code.P_UNSUPPORTED_PARAMETER, "ROSpec", name)
    specs = list(rospec.every("AISpec"))
    if not specs:
        raise refusal("an ROSpec needs an AISpec", Code.P_MISSING_PARAMETER, "ROSpec")
    if len(specs) > model.max_specs_per_rospec:
        text = f"an ROSpec holds {model.max_specs_per_rospec} AISpecs"
        raise refusal(text, Code.P_OVERFLOW_PARAMETER, "ROSpec", "AISpec")
    boundary = rospec.find("ROBoundarySpec")
    assert boundary is not None
    for trigger in boundary.parameters:
        _check_trigger(trigger, ("ROSpec", "ROBoundarySpec", trigger.name), config)
    for spec in specs:
        _check_ai_spec(spec, config)


def _check_ai_spec(spec: Parameter, config: ReaderConfiguration) -> None:
    path = ("ROSpec", "AISpec")
    ports = spec.fields["AntennaIDs"]
    if not ports or max(ports) > config.antennas:
        text = f"antennas {ports}: this reader has 1-{config.antennas}, or 0 for all"
        raise refusal(text, Code.A_OUT_OF_RANGE, *path, field="AntennaIDs")
    trigger = spec.find("AISpecStopTrigger")
    assert trigger is not None
    _check_trigger(trigger, (*path, trigger.name), config)
    inventories = list(spec.every("InventoryParameterSpec"))
    if len(inventories) > 1:
        text = "an AISpec holds one InventoryParameterSpec"
        raise refusal(text, Code.P_OVERFLOW_PARAMETER, *path, "InventoryParameterSpec")
    if inventories[0].fields["ProtocolID"] != GEN2:
        inside = (*path, "InventoryParameterSpec")
        raise refusal("the air protocol is Gen2, 1", Code.A_OUT_OF_RANGE, *inside, field="ProtocolID")
    for settings in inventories[0].every("AntennaConfiguration"):
        within = (*path, "InventoryParameterSpec", "AntennaConfiguration")
        if settings.fields["AntennaID"] > config.antennas:
            text = f"antenna {settings.fields['AntennaID']}: this reader has 1-{config.antennas}, or 0 for all"
            raise refusal(text, Code.A_OUT_OF_RANGE, *within, field="AntennaID")
        check_antenna(settings, within, config.model)


def _check_trigger(trigger: Parameter, path: tuple[str, ...], config: ReaderConfiguration) -> None:
    """A trigger that needs a value has it, and the value names an input that is there."""
    type_field = f"{trigger.name}Type"
    kind, is_start = trigger.fields[type_field], trigger.name == "ROSpecStartTrigger"
    needed = {
        (True, int(Start.PERIODIC)): "PeriodicTriggerValue",
        (True, int(Start.GPI)): "GPITriggerValue",
        (False, int(Stop.GPI)): "GPITriggerValue",
        (False, int(Stop.TAG_OBSERVATION)): "TagObservationTrigger",
    }.get((is_start, kind))
    if needed is None:
        return
    value = trigger.find(needed)
    if value is None:
        raise refusal(f"{type_field} {kind} needs {needed}", Code.P_MISSING_PARAMETER, *path)
    if needed == "GPITriggerValue" and not 1 <= value.fields["GPIPortNum"] <= config.model.gpis:
        text = f"GPI port {value.fields['GPIPortNum']}: this reader has {config.model.gpis} inputs"
        raise refusal(text, Code.A_OUT_OF_RANGE, *path, needed, field="GPIPortNum")
    if needed == "TagObservationTrigger" and value.fields["TriggerType"] >= ATTEMPTS_TRIGGER:
        raise refusal("attempts are not counted", Code.A_INVALID, *path, needed, field="TriggerType")


def check_access_spec(spec: Parameter, known: int, config: ReaderConfiguration) -> None:
    """Refuse an AccessSpec that this reader cannot run; `known` AccessSpecs are there already. Raises DecodeError."""
    fields, model = spec.fields, config.model
    if fields["AccessSpecID"] == 0:
        raise refusal("AccessSpecID 0 stands for all", Code.A_OUT_OF_RANGE, "AccessSpec", field="AccessSpecID")
    if fields["CurrentState"]:
        raise refusal("an AccessSpec is added disabled", Code.A_INVALID, "AccessSpec", field="CurrentState")
    if known >= model.max_access_specs:
        raise refusal(f"there are {known} AccessSpecs already", Code.P_OVERFLOW_PARAMETER, "AccessSpec")
    if fields["AntennaID"] > config.antennas:
        text = f"antenna {fields['AntennaID']}: this reader has 1-{config.antennas}, or 0 for all"
        raise refusal(text, Code.A_OUT_OF_RANGE, "AccessSpec", field="AntennaID")
    if fields["ProtocolID"] != GEN2:
        raise refusal("the air protocol is Gen2, 1", Code.A_OUT_OF_RANGE, "AccessSpec", field="ProtocolID")
    command = spec.find("AccessCommand")
    assert command is not None
    path = ("AccessSpec", "AccessCommand")
    (_, *ops) = command.parameters
    if len(ops) > model.max_op_specs:
        text = f"an AccessSpec holds {model.max_op_specs} OpSpecs"
        raise refusal(text, Code.P_OVERFLOW_PARAMETER, *path, ops[model.max_op_specs].name)
    can = {"C1G2BlockErase": model.can_block_erase, "C1G2BlockWrite": model.can_block_write, "Custom": True}
    for op in ops:
        if not can.get(op.name, op.name in OPERATIONS):
            raise refusal(f"this reader has no {op.name}", Code.P_UNSUPPORTED_PARAMETER, *path, op.name)


def unknown_id(request: Message, field: str) -> DecodeError:
    """The request names an ROSpec or AccessSpec that is not there, or may not name it now."""
    text = f"{request.name}: {field} {request.fields[field]} is unknown or not in a state for this"
    return refusal(text, Code.A_INVALID, field=field, message=request.name)
