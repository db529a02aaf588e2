"""An answer of the API as lines for a person."""

from __future__ import annotations

from tallyman.clerk.table import shown


def test_a_list_is_a_table_with_numbers_to_the_right() -> None:
    rows = [{"sku": "TEA", "units": 3, "open": True}, {"sku": "MILK", "units": 1200, "open": None}]
    assert list(shown({"rows": rows, "next": None})) == ["sku   units  open", "TEA       3  yes", "MILK   1200"]
    assert list(shown({"rows": rows}, ["units"])) == ["units", "    3", " 1200"]
    assert list(shown({"rows": []}, ["units"])) == ["(none)"]
    assert list(shown({"rows": rows, "causes": []}, ["causes"])) == ["causes  (none)"]
    assert list(shown({"rows": [{"agreed": 7 / 9}, {"agreed": 1.0}]})) == ["agreed", "0.7778", "   1.0"]


def test_one_thing_is_names_and_values_with_its_lists_below() -> None:
    told = {
        "code": "o1",
        "zones": ["rack", "shelf"],
        "unread": [],
        "party": "",
        "order": None,
        "lines": [
            {"sku": "TEA", "promises": [{"site": "a", "lot": "", "held": 2}, {"site": "b", "lot": "L1"}]},
            {"sku": "OAT", "promises": []},
        ],
    }
    assert list(shown(told)) == [
        "code    o1",
        "zones   rack, shelf",
        "unread  (none)",
        "",
        "lines:",
        "sku",
        "TEA",
        "    promises: site a held 2",
        "    promises: site b lot L1",
        "OAT",
    ]
    assert list(shown(told, ["code"])) == ["code  o1"]
