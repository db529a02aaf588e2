"""Any form of an identity gives all the others."""

import pytest

from gs1.errors import Gs1Error
from tallyman.identify import identify

EPC = "3066C4409047E140075BCD15"
FORMS = {
    "epc": EPC,
    "tag uri": "urn:epc:tag:sgtin-96:3.95060001343.05.123456789",
    "pure identity": "urn:epc:id:sgtin:95060001343.05.123456789",
    "element string": "010950600013435221123456789",
    "digital link": "https://id.gs1.org/01/09506000134352/21/123456789",
}


@pytest.mark.parametrize("form", [EPC, EPC.lower(), FORMS["tag uri"]])
def test_forms_that_keep_the_filter_give_all_others(form: str) -> None:
    assert dict(identify(form)) == {"kind": "sgtin", "scheme": "sgtin-96", "filter": "3", **FORMS}


@pytest.mark.parametrize("form", ["pure identity", "element string", "digital link"])
def test_forms_without_filter_name_the_same_thing(form: str) -> None:
    found = dict(identify(FORMS[form]))
    kept = ("pure identity", "element string", "digital link")
    assert {name: found[name] for name in kept} == {name: FORMS[name] for name in kept}
    assert found["tag uri"] == "urn:epc:tag:sgtin-96:0.95060001343.05.123456789"


def test_a_tag_of_a_plus_scheme_has_no_uri_but_a_link() -> None:
    found = dict(identify("F73795211411234538566CB0AFC4"))
    assert (found["scheme"], found["element string"]) == ("sgtin+", "01795211411234532132a/b")
    assert found["digital link"] == "https://id.gs1.org/01/79521141123453/21/32a%2Fb"
    assert "tag uri" not in found


def test_a_kind_of_things_fits_no_tag() -> None:
    found = dict(identify("9506000134352"))
    assert found["(01)"] == "09506000134352"
    assert "(21) is missing" in found["on no tag"]


def test_digits_that_are_memory_and_digits_that_are_a_code() -> None:
    assert dict(identify("311400000000000000000000"))["kind"] == "sscc"
    assert dict(identify("0109506000134352" + "10123456"))["(10)"] == "123456"


@pytest.mark.parametrize("text", ["", "hello", "ABABABABABABABABABABABAB", "urn:epc:tag:sgtin-96:1"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(Gs1Error):
        identify(text)
