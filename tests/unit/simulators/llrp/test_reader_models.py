"""What the models answer, held against what real readers of these makes answered, and how they differ as readers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from readers.llrp.codec import decode, encode
from readers.llrp.message import Message, Parameter
from simulators.errors import ModelError
from simulators.llrp.models import capabilities, known_models, load_model
from tests.reader_bench import Bench, code, errors, ro_spec

CAPTURED = Path(__file__).parents[5] / "shared/data/llrp/readers"


def fields_of(parts: list[Parameter], *path: str) -> dict[str, Any]:
    found: Message | Parameter = Message("", 0, {}, parts)
    for name in path:
        inside = found.find(name)
        assert inside is not None
        found = inside
    return found.fields


@pytest.mark.parametrize("name", known_models())
def test_every_model_answers_with_bytes_that_decode(name: str) -> None:
    model = load_model(name)
    frame = encode(Message("GET_READER_CAPABILITIES_RESPONSE", 1, {}, [ok(), *capabilities(model, model.antennas, 0)]))
    assert len(decode(frame).parameters) == 5


def ok() -> Parameter:
    return Parameter("LLRPStatus", {"StatusCode": 0, "ErrorDescription": ""})


@pytest.mark.parametrize(
    ("name", "file"), [("speedway-r420", "SpeedwayR-12-34-FF.json"), ("fx9600", "fx96004a4a4a.json")]
)
def test_a_model_says_what_the_real_reader_said(name: str, file: str) -> None:
    if not CAPTURED.is_dir():
        pytest.skip(f"{CAPTURED} is not here")
    real = json.loads((CAPTURED / file).read_text())["ReaderCapabilities"]
    model = load_model(name)
    parts = capabilities(model, model.antennas, 0)
    general, said = fields_of(parts, "GeneralDeviceCapabilities"), real["GeneralDeviceCapabilities"]
    assert general["DeviceManufacturerName"] == said["DeviceManufacturer"]
    assert general["ModelName"] == said["Model"]
    assert general["ReaderFirmwareVersion"] == said["FirmwareVersion"]
    assert general["MaxNumberOfAntennaSupported"] == said["MaxSupportedAntennas"]
    llrp, said = fields_of(parts, "LLRPCapabilities"), real["LLRPCapabilities"]
    for ours, theirs in (
        ("MaxNumROSpecs", "MaxROSpecs"),
        ("MaxNumSpecsPerROSpec", "MaxSpecsPerROSpec"),
        ("MaxNumAccessSpecs", "MaxAccessSpecs"),
        ("MaxNumOpSpecsPerAccessSpec", "MaxOpSpecsPerAccessSpec"),
        ("MaxNumPriorityLevelsSupported", "MaxPriorityLevelSupported"),
        ("SupportsEventAndReportHolding", "SupportsEventsAndReportHolding"),
    ):
        assert llrp[ours] == said[theirs], ours
    band = next(part for part in parts if part.name == "RegulatoryCapabilities").parameters[0]
    powers = {
        entry.fields["Index"]: entry.fields["TransmitPowerValue"] for entry in band.parameters[: model.power.count]
    }
    said = real["RegulatoryCapabilities"]["UHFBandCapabilities"]
    assert powers == {entry["Index"]: entry["TransmitPowerValue"] for entry in said["TransmitPowerLevels"]}
    modes = {entry["ModeID"]: entry for entry in said["C1G2RFModes"]["UHFC1G2RFModeTableEntries"]}
    for number, _, _, m_value, _, _, rate, *_ in model.radio.modes:
        assert (modes[number]["Modulation"], modes[number]["BackscatterDataRate"]) == (m_value, rate)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("vendor = 1", "title"), ("title = ", "not valid TOML"), (None, "cannot be read")],
)
def test_a_model_that_cannot_be_used_says_why(tmp_path: Path, text: str | None, complaint: str) -> None:
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ModelError, match=complaint):
        load_model(path)
    with pytest.raises(ModelError, match="fx9600"):
        load_model("fx9999")


def test_a_reader_without_a_clock_counts_from_when_it_was_switched_on() -> None:
    bench = Bench(load_model("plain"))
    (greeting,) = bench.said
    assert greeting.parameters[0].parameters[0] == Parameter("Uptime", {"Microseconds": 1_000_000})
    bench.start(ro_spec())
    bench.run(50)
    first = bench.said[-1].parameters[0].find("FirstSeenTimestampUptime")
    assert first is not None
    assert first.fields == {"Microseconds": 1_050_000}


def test_a_reader_that_holds_nothing_refuses_to() -> None:
    hold = Parameter("EventsAndReports", {"HoldEventsAndReportsUponReconnect": True})
    answer = Bench(load_model("plain")).request("SET_READER_CONFIG", hold, ResetToFactoryDefault=False)
    assert errors(answer) == [(226, 209)]


def antenna(*inside: Parameter) -> Parameter:
    return Parameter("AntennaConfiguration", {"AntennaID": 0}, list(inside))


def command(*inside: Parameter, aware: bool = False) -> Parameter:
    return Parameter("C1G2InventoryCommand", {"TagInventoryStateAware": aware}, list(inside))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            antenna(Parameter("RFTransmitter", {"HopTableID": 1, "ChannelIndex": 0, "TransmitPower": 82})),
            [(222, 200), (224, 201), (2, 301)],
        ),
        (
            antenna(command(Parameter("C1G2RFControl", {"ModeIndex": 7, "Tari": 0}))),
            [(222, 200), (330, 200), (335, 201), (0, 301)],
        ),
        (antenna(command(aware=True)), [(222, 200), (330, 201), (0, 300)]),
    ],
    ids=["power", "mode", "inventoried state"],
)
def test_an_antenna_setting_beyond_the_tables_is_refused_with_its_exact_place(
    settings: Parameter, expected: list[tuple[int, int]]
) -> None:
    bench = Bench()
    answer = bench.request("SET_READER_CONFIG", settings, ResetToFactoryDefault=False)
    assert errors(answer) == expected
    rospec = ro_spec()
    inventory = next(rospec.every("AISpec")).find("InventoryParameterSpec")
    assert inventory is not None
    inventory.parameters.append(settings)
    answer = bench.request("ADD_ROSPEC", rospec)
    assert code(answer) == 100
    assert errors(answer)[-1] == expected[-1]


def test_the_configuration_changes_its_number_when_it_changes() -> None:
    def number(bench: Bench) -> int:
        asked = {"AntennaID": 0, "RequestedData": 7, "GPIPortNum": 0, "GPOPortNum": 0}
        value = bench.request("GET_READER_CONFIG", **asked).find("LLRPConfigurationStateValue")
        assert value is not None
        return int(value.fields["LLRPConfigurationStateValue"])

    bench = Bench()
    before = number(bench)
    bench.request("SET_READER_CONFIG", ResetToFactoryDefault=False)
    assert number(bench) != before
