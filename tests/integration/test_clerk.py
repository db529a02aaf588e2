"""A person at a terminal runs the day: the commands as they are typed, on a real database."""

from __future__ import annotations

import asyncio
import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from backend.channels.service import ChannelSpec, put_channel
from backend.ingest.service import IngestService
from backend.store.database import Database
from tallyman.cli import main
from tests.house import GTIN, Gateway, SetClock, arrived, crossed, furnish, scan, stock, tag
from tests.postgres import START
from wire.clock import SystemClock

NEXT: Final = 12
"""The number of the next event of site `a`'s gateway."""


def now_s() -> float:
    """Seconds from the tests' beginning until now: the commands go by the machine's clock."""
    return (datetime.now(UTC) - START).total_seconds()


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.out)
        return answer


class Terminal:
    """A terminal with the database's address in its environment."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.url = url
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.setenv("TALLYMAN_DATABASE_URL", url)
        monkeypatch.setenv("TALLYMAN_ACTOR", "dewi")

    def type(self, line: str, expect: int = 0) -> Said:
        """Type a line; it ends with the code that is expected."""
        self._capsys.readouterr()
        self._monkeypatch.setattr("sys.argv", ["tallyman", *shlex.split(line)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = Said(int(ended.value.code or 0), *self._capsys.readouterr())
        assert said.code == expect, said
        return said

    def ask(self, line: str) -> dict[str, Any]:
        """What a line answers to a machine."""
        return self.type(f"{line} --json").told

    def look(self, query: str, *arguments: object) -> Any:
        """One value out of the database."""

        async def fetch() -> Any:
            async with Database.open(self.url) as database:
                return await database.pool.fetchval(query, *arguments)

        return asyncio.run(fetch())

    def stock(self) -> dict[str, int]:
        """`site/zone/sku/lot/condition` → net."""

        async def fetch() -> dict[str, int]:
            async with Database.open(self.url) as database:
                return await stock(database)

        return asyncio.run(fetch())

    def say(self, *events: Any, seq: int) -> None:
        """What site `a`'s gateway says, from its event `seq` on."""

        async def tell() -> None:
            async with Database.open(self.url) as database:
                gateway = Gateway(IngestService(database, SystemClock()), "a", "ga", seq=seq - 1)
                await gateway.say(*events)

        asyncio.run(tell())


@pytest.fixture
def terminal(furnished: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(furnished, monkeypatch, capsys)


@pytest.fixture
async def furnished(database_url: str) -> str:
    """Ten tagged boxes on the rack of site `a`, and five without tags on the shelf; a channel `web`."""
    async with Database.open(database_url) as database:
        await furnish(database)
        await put_channel(database, ChannelSpec("web", "website"))
        gateway = Gateway(IngestService(database, SetClock(600)), "a", "ga")
        await gateway.say(
            *(arrived(serial, "rack", serial) for serial in range(1, 11)),
            scan("receive", f"01{GTIN}", 20, scan_id="r", zone="shelf", quantity=5),
        )
    return database_url


def test_an_order_is_reserved_confirmed_picked_and_cancelled(terminal: Terminal) -> None:
    said = terminal.type("orders reserve o1 --channel web --line BOX=3")
    assert "status      reserved" in said.out
    assert terminal.look("SELECT sum(reserved) FROM availability") == 3
    assert terminal.ask("orders show o1")["lines"][0]["promises"][0]["held"] == 3
    assert "confirmed" in terminal.type("orders confirm o1").out
    picks = terminal.ask("orders picks o1")["picks"]
    assert sum(one["units"] for one in picks) == 3
    terminal.type("orders cancel o1")
    assert terminal.look("SELECT sum(reserved) FROM availability") == 0
    assert [row["status"] for row in terminal.ask("orders list --channel web")["rows"]] == ["cancelled"]
    assert terminal.type("orders list --status packed").out == "(none)\n"


def test_lines_come_from_a_csv_file_and_whole_orders_from_json(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "lines.csv").write_text("sku;quantity;least_days\nBOX;2;0\nBOX;4;\n")
    (tmp_path / "whole.json").write_text('{"code": "o2", "channel": "web", "lines": [{"sku": "BOX", "quantity": 1}]}')
    granted = terminal.ask(f"orders reserve o1 --channel web --file {tmp_path}/lines.csv --confirmed")
    assert (granted["status"], [line["quantity"] for line in granted["lines"]]) == ("confirmed", [2, 4])
    assert terminal.ask(f"orders reserve --file {tmp_path}/whole.json")["order"] == "o2"
    for file in ("lines.csv", "whole.json"):
        both = f"orders reserve o3 --channel web --line BOX=1 --file {tmp_path}/{file}"
        assert "holds lines already" in terminal.type(both, expect=2).err, "none of them is dropped"


def test_what_is_refused_says_what_where_and_what_to_do(terminal: Terminal, tmp_path: Path) -> None:
    said = terminal.type("orders reserve o1 --channel web --line BOX=30", expect=1)
    assert "sku BOX" in said.err
    assert "ask for less" in said.err
    assert "Traceback" not in said.err
    assert "no order 'o9'" in terminal.type("orders confirm o9", expect=1).err
    assert "channel: Field required" in terminal.type("orders reserve o1 --line BOX=3", expect=2).err
    assert "is not SKU=UNITS" in terminal.type("orders reserve o1 --channel web --line BOX", expect=2).err
    (tmp_path / "bad.csv").write_text("sku,quantity\nBOX,2\nBOX,many\n,3\n")
    said = terminal.type(f"orders reserve o1 --channel web --file {tmp_path}/bad.csv", expect=2)
    assert "bad.csv: line 3, quantity: 'many' is no whole number; line 4, sku: is empty" in said.err
    (tmp_path / "bad.json").write_text("[1]")
    assert "one JSON object" in terminal.type(f"orders reserve --file {tmp_path}/bad.json", expect=2).err
    problem = json.loads(terminal.type("orders show o9 --json", expect=1).err)
    assert (problem["status"], problem["detail"]) == (404, "no order 'o9'")
    assert terminal.look("SELECT count(*) FROM sales_order") == 0


def test_a_change_is_done_once_under_its_key(terminal: Terminal) -> None:
    first = terminal.ask("documents make shipment s1 --site a --line BOX=2 --key k1")
    assert terminal.ask("documents make shipment s1 --site a --line BOX=2 --key k1") == first
    assert "used for another request" in terminal.type("documents make shipment s2 --site a --key k1", expect=1).err
    first = terminal.ask("orders reserve o1 --channel web --line BOX=2 --key k2")
    assert terminal.ask("orders reserve o1 --channel web --line BOX=2 --key k2") == first
    assert terminal.look("SELECT sum(reserved) FROM availability") == 2


def test_a_shipment_goes_out_of_an_open_door(terminal: Terminal) -> None:
    terminal.type("orders reserve o1 --channel web --line BOX=2 --confirmed")
    terminal.type("documents make shipment s1 --site a --order o1 --line BOX=2")
    terminal.type("doors open a d s1")
    assert terminal.ask("doors list --site a")["rows"] == [{"site": "a", "portal": "d", "document": "s1"}]
    assert terminal.look("SELECT actor FROM door_opening") == "dewi"
    terminal.say(*(crossed(serial, "out", now_s()) for serial in (1, 2)), seq=NEXT)
    terminal.type("doors close a d")
    assert "nothing stands open" in terminal.type("doors close a d", expect=1).err
    said = terminal.type("documents close s1")
    assert "status       closed" in said.out
    assert said.out.splitlines()[-1].split() == ["1", "BOX", "2", "2", "0", "0", "0"]
    assert terminal.ask("orders show o1")["status"] == "shipped"
    assert terminal.stock()["a/customer/BOX//sellable"] == 2
    assert "s1" in terminal.type("documents show s1").out


def test_a_transfer_is_made_from_a_file_and_advanced(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "lines.csv").write_text("sku,quantity\nBOX,4\n")
    made = terminal.ask(f"documents make transfer t1 --site a --to-site b --file {tmp_path}/lines.csv")
    assert (made["status"], made["lines"][0]["expected"]) == ("requested", 4)
    assert "it cannot send" in terminal.type("documents send t1", expect=1).err
    for event, status in (("approve", "approved"), ("allocate", "allocated"), ("send", "in_transit")):
        assert terminal.ask(f"documents {event} t1")["status"] == status
    assert [row["code"] for row in terminal.ask("documents list --kind transfer --site b")["rows"]] == ["t1"]
    assert terminal.ask("documents receive t1")["status"] == "received"
    assert terminal.ask("documents close t1")["status"] == "closed"
    assert terminal.ask("documents accept-surplus t1 --reason 'a gift'") == {"units": 0}
    assert terminal.ask("documents write-off t1 --reason 'never sent'") == {"things": 0, "units": 0}


def test_departures_that_nothing_explains_are_settled(terminal: Terminal) -> None:
    terminal.say(crossed(1, "out", 610), crossed(2, "out", 611), crossed(3, "out", 612), seq=NEXT)
    waiting = terminal.ask("departures list --site a")["rows"]
    assert [row["epc"] for row in waiting] == [tag(3), tag(2), tag(1)]
    said = terminal.type("alerts list").out
    assert "about" in said.splitlines()[0]
    assert "unexpected_departure  a     door d · 3 things" in said
    assert "exactly one" in terminal.type("departures settle a d", expect=1).err
    assert terminal.ask(f"departures settle a d --zone shelf --first-at {waiting[0]['observed_at']}") == {"settled": 1}
    terminal.type("documents make shipment s1 --site a --line BOX=2")
    assert "settled  2" in terminal.type("departures settle a d --document s1").out
    assert terminal.ask("departures list")["rows"] == []
    assert terminal.ask("alerts list")["rows"] == []
    assert [row["kind"] for row in terminal.ask("alerts list --past")["rows"]] == ["unexpected_departure"]
    assert terminal.stock() == {"a/rack/BOX//sellable": 7, "a/shelf/BOX//sellable": 6, "a/customer/BOX//sellable": 2}
    assert terminal.look(
        "SELECT DISTINCT actor || '/' || role || '/' || reason FROM posting WHERE reason = 'settled'"
    ) == ("dewi/operator/settled")
    assert "no departure" in terminal.type("departures settle a d --lost", expect=1).err


def test_goods_that_come_back_are_authorised_and_inspected(terminal: Terminal) -> None:
    assert terminal.ask("returns authorise r1 --site a --party 'Ibu Sari' --line BOX=1")["kind"] == "return"
    terminal.say(scan("receive", f"01{GTIN}", 700, scan_id="x", zone="dock", quantity=2, document="r1"), seq=NEXT)
    terminal.say(scan("damage", f"01{GTIN}", 710, scan_id="y", zone="shelf", quantity=1, reason="wet"), seq=NEXT + 1)
    waiting = terminal.ask("returns waiting --site a")["rows"]
    assert [(row["zone"], row["units"]) for row in waiting] == [("dock", 2)]
    assert [row["zone"] for row in terminal.ask("returns waiting --condition damaged")["rows"]] == ["shelf"]
    where = "--site a --zone dock --sku BOX"
    terminal.type(f"returns inspect resell {where} --reason fine --to-zone rack")
    assert "holds 1 returned" in terminal.type(f"returns inspect scrap {where} --quantity 2 --reason x", expect=1).err
    assert "name one thing" in terminal.type("returns inspect scrap --site a --reason x", expect=2).err
    assert terminal.stock()["a/rack/BOX//sellable"] == 11
    shown = terminal.ask("returns list --site a")["rows"]
    assert [(row["disposition"], row["reason"], row["actor"]) for row in shown] == [
        ("resell", "fine", "dewi"),
        ("damage", "wet", "dewi"),
    ]


def test_a_count_is_planned_recorded_and_approved(terminal: Terminal, tmp_path: Path) -> None:
    planned = terminal.ask("counts plan a")["counts"]
    assert len(planned) == 2
    for code in planned:
        terminal.type(f"counts cancel {code}")
    started = terminal.ask("counts start c1 --site a --zone shelf --zone rack")
    assert (started["blind"], started["expected"]) == (True, None)
    terminal.type("counts record c1 --zone shelf --units BOX=4 --empty things")
    (tmp_path / "rack.csv").write_text("epc\n" + "\n".join(tag(serial) for serial in range(1, 10)) + "\n")
    taken = terminal.ask(f"counts record c1 --zone rack --file {tmp_path}/rack.csv --empty units --operator budi")
    assert (taken["reads"], taken["unread"]) == (9, [])
    said = terminal.type("counts close c1")
    assert "missing" in said.out
    assert terminal.ask("alerts list")["rows"][0]["kind"] == "count_variance"
    assert "somebody who did not count" in terminal.type("counts approve c1", expect=1).err
    assert terminal.ask("counts approve c1 --actor wayan")["approved_by"] == "wayan"
    assert terminal.stock() == {
        "a/rack/BOX//sellable": 9,
        "a/shelf/BOX//sellable": 4,
        "a/count_difference/BOX//sellable": 2,
    }
    assert [row["status"] for row in terminal.ask("counts list --site a --status approved")["rows"]] == ["approved"]


def test_what_was_counted_is_recorded_once_and_all_of_it(terminal: Terminal, tmp_path: Path) -> None:
    terminal.type("counts start c1 --site a --zone shelf --subject units")
    record = "counts record c1 --zone shelf --units BOX=4 --key k1"
    assert "give --at" in terminal.type(record, expect=2).err, (
        "typed later, it would be another word under the same key"
    )
    dated = f"{record} --at {datetime.now(UTC).isoformat()}"
    assert terminal.ask(dated) == terminal.ask(dated)
    (tmp_path / "found.json").write_text("{}")
    both = f"counts record c1 --file {tmp_path}/found.json --units BOX=1"
    assert "--units" in terminal.type(both, expect=2).err
    assert terminal.ask("counts close c1")["lines"][0]["counted"] == 4
    terminal.type("counts start c2 --site a --zone shelf --subject units")
    (tmp_path / "dated.csv").write_text(f"sku,quantity,at\nBOX,4,{datetime.now(UTC).isoformat()}\n")
    terminal.type(f"counts record c2 --zone shelf --file {tmp_path}/dated.csv --key k2")
    assert terminal.ask("counts close c2")["lines"][0]["counted"] == 4


def test_how_well_the_ledger_agrees_with_counts(terminal: Terminal) -> None:
    assert terminal.type("counts accuracy").out == "(none)\n"
    for number in (1, 2):
        terminal.type(f"counts start c{number} --site a --zone shelf --subject units")
        terminal.type(f"counts record c{number} --zone shelf --units BOX={5 - number}")
        terminal.type(f"counts close c{number}")
        terminal.type(f"counts approve c{number} --actor wayan")
    (row,) = terminal.ask("counts accuracy --by zone --site a")["rows"]
    assert (row["name"], row["lines"], row["agreed"], row["expected_units"]) == ("a/shelf", 2, 0, 9)
    assert (row["different_units"], row["unit_accuracy"]) == (2, 1 - 2 / 9)
    said = terminal.type("counts accuracy --by sku").out.splitlines()
    assert said[0].split()[0] == "name"
    assert {"BOX", "0.7778"} <= set(said[1].split())
    assert terminal.ask("counts accuracy --site b")["rows"] == []
    assert terminal.ask("counts accuracy --since 2999-01-01T00:00Z")["rows"] == []
    assert terminal.type("counts accuracy --by mood", expect=2).err
    assert terminal.type("counts accuracy --since yesterday", expect=2).err
    (offender,) = terminal.ask("counts offenders --site a")["rows"]
    assert (offender["zone"], offender["sku"], offender["variances"], offender["units"]) == ("shelf", "BOX", 2, 2)
    assert "shelf" in terminal.type("counts offenders").out
    assert terminal.ask("counts offenders --site b")["rows"] == []


def test_what_was_counted_is_told_with_its_instant(terminal: Terminal, tmp_path: Path) -> None:
    terminal.type("counts start c1 --site a --zone shelf --subject units")
    assert "is no instant" in terminal.type("counts record c1 --zone shelf --units BOX=4 --at noon", expect=2).err
    assert (
        "says no offset"
        in terminal.type("counts record c1 --zone shelf --units BOX=4 --at 2026-03-02T09:00", expect=2).err
    )
    early = "counts record c1 --zone shelf --units BOX=4 --at 2026-03-02T09:00Z"
    assert "before the round opened" in terminal.type(early, expect=1).err
    assert "reads, units, or both" in terminal.type("counts record c1 --zone shelf", expect=2).err
    (tmp_path / "found.json").write_text(
        json.dumps({"started_at": "2026-03-02T09:00Z", "ended_at": "2026-03-02T09:00Z"})
    )
    empty = f"counts record c1 --zone shelf --file {tmp_path}/found.json"
    assert "reads, units, or both" in terminal.type(empty, expect=2).err
    terminal.type("counts record c1 --zone shelf --units BOX=5")
    assert terminal.ask("counts close c1")["lines"][0]["difference"] == 0
    assert terminal.ask("counts approve c1")["status"] == "approved"


def test_what_a_channel_may_promise(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal.ask("channels available web BOX")["available"] == 15
    terminal.type("orders reserve o1 --channel web --line BOX=6")
    assert "available  9" in terminal.type("channels available web BOX").out
    assert "no SKU 'TEA'" in terminal.type("channels available web TEA", expect=1).err
    (tmp_path / "rules.csv").write_text("sku,site,sells,buffer,protected\n,,,2,\nBOX,a,,,8\nBOX,b,no,,\n")
    rules = terminal.ask(f"channels rules web {tmp_path}/rules.csv")["rules"]
    assert {(one["sku"], one["site"], one["sells"], one["buffer"], one["protected"]) for one in rules} == {
        (None, None, True, 2, 0),
        ("BOX", "a", True, 0, 8),
        ("BOX", "b", False, 0, 0),
    }
    terminal.type("channels define shop --kind store --priority 5")
    assert terminal.ask("channels available shop BOX")["available"] == 15 - 6 - (8 - 6)
    assert [row["code"] for row in terminal.ask("channels list")["rows"]] == ["shop", "web"]
    assert terminal.ask("channels show shop")["priority"] == 5


def test_what_happened_is_told_and_taken_back(terminal: Terminal) -> None:
    assert (terminal.ask(f"history item {tag(1)}")["zone"], terminal.ask("history card a BOX")["rows"][0]["units"]) == (
        "rack",
        15,
    )
    assert [row["what"] for row in terminal.ask(f"history of {tag(1).lower()}")["rows"]] != []
    assert terminal.ask("history reverse-scan gun-1 r --reason 'scanned twice'") == {"postings": 1}
    assert "a/shelf/BOX//sellable" not in terminal.stock()
    newest = terminal.ask("history card a BOX")["rows"][0]
    assert (newest["actor"], newest["delta"], newest["units"]) == ("dewi", -5, 10)
    assert "no posting" in terminal.type("history reverse-posting 999999 --reason x", expect=1).err
    assert "epc:" in terminal.type("history item XYZ", expect=2).err


def test_what_was_set_aside_is_told_and_sent_through_again(terminal: Terminal) -> None:
    assert terminal.type("quarantine list").out == "causes  (none)\n"
    terminal.say(arrived(1, "attic", 700), seq=NEXT)
    terminal.say(arrived(2, "attic", 701), seq=NEXT + 1)
    (cause,) = terminal.ask("quarantine list")["causes"]
    assert cause["events"] == 2
    said = terminal.type("quarantine list")
    assert (cause["cause"] in said.out, said.err) == (True, "")
    assert len(terminal.ask(f"quarantine show '{cause['cause']}'")["rows"]) == 2
    assert terminal.ask(f"quarantine replay '{cause['cause']}'") == {"applied": 0, "remaining": 2}


def test_who_cannot_be_told_must_be_said(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)
    monkeypatch.delenv("TALLYMAN_ACTOR")
    terminal.type("documents list")
    assert "give --actor" in terminal.type("documents make receipt r1 --site a", expect=2).err
    terminal.type("documents make receipt r1 --site a --actor dewi")


def test_a_database_that_takes_no_writes_is_told(terminal: Terminal) -> None:
    async def stand_by() -> None:
        async with Database.open(terminal.url) as database:
            name = terminal.url.partition("?")[0].rpartition("/")[2]
            await database.pool.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')

    asyncio.run(stand_by())
    said = terminal.type("documents make receipt r1 --site a", expect=1)
    assert "the database does not answer" in said.err
    assert "say it again in a moment" in said.err


def test_a_long_list_says_that_there_is_more(terminal: Terminal) -> None:
    for number in range(3):
        terminal.type(f"documents make receipt r{number} --site a")
    said = terminal.type("documents list --limit 2")
    assert [line.split()[0] for line in said.out.splitlines()] == ["code", "r2", "r1"]
    assert "--limit" in said.err


def test_a_database_without_a_schema_is_told(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal(empty_database_url, monkeypatch, capsys)
    assert "tallyman migrate" in terminal.type("orders list", expect=2).err
