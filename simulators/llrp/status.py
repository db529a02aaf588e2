"""How a simulated reader says no: LLRPStatus with the exact code and the place of the fault (LLRP 1.0.1 §14)."""

from __future__ import annotations

from enum import IntEnum
from types import MappingProxyType
from typing import Final

from readers.errors import DecodeError
from readers.llrp.message import Parameter
from readers.llrp.table import MESSAGES, PARAMETERS, Entry

MAX_DESCRIPTION: Final = 200
"""An ErrorDescription is for a log line."""


class Code(IntEnum):
    """The StatusCode values that this reader gives by itself; the codec gives the others."""

    M_SUCCESS = 0
    M_PARAMETER_ERROR = 100
    M_FIELD_ERROR = 101
    M_UNSUPPORTED_MESSAGE = 109
    M_UNSUPPORTED_VERSION = 110
    P_PARAMETER_ERROR = 200
    P_FIELD_ERROR = 201
    P_MISSING_PARAMETER = 203
    P_OVERFLOW_PARAMETER = 205
    P_UNSUPPORTED_PARAMETER = 209
    A_INVALID = 300
    A_OUT_OF_RANGE = 301


_ENTRIES: Final = MappingProxyType({entry.name: entry for entry in (*MESSAGES, *PARAMETERS)})


def refusal(text: str, code: Code, *path: str, field: str = "", message: str = "") -> DecodeError:
    """The error of a request that decodes and cannot be carried out.

    `path` names the parameters down to the fault, outermost first; `field` the field there, or in `message`.
    """
    types = tuple(_ENTRIES[name].type for name in path)
    number = _field_number(_ENTRIES[path[-1] if path else message], field) if field else -1
    return DecodeError(text, status_code=int(code), where="/".join(path), types=types, field=number)


def _field_number(entry: Entry, name: str) -> int:
    return [field.name for field in entry.fields if field.name].index(name)


def status_of(error: DecodeError) -> Parameter:
    """LLRPStatus of a fault: the message's code outside, the parameters down to the fault nested inside."""
    description = str(error)[:MAX_DESCRIPTION]
    code, fault = error.status_code, []
    if error.field >= 0:
        inner = max(code, Code.A_INVALID)
        fault = [Parameter("FieldError", {"FieldNum": error.field, "ErrorCode": int(inner)})]
        code = int(Code.P_FIELD_ERROR if error.types else Code.M_FIELD_ERROR)
    for kind in reversed(error.types):
        fault = [Parameter("ParameterError", {"ParameterType": kind, "ErrorCode": code}, fault)]
        code = int(Code.P_PARAMETER_ERROR)
    if error.types:
        code = int(Code.M_PARAMETER_ERROR)
    return Parameter("LLRPStatus", {"StatusCode": code, "ErrorDescription": description}, fault)


def success() -> Parameter:
    """LLRPStatus of a request that was carried out."""
    return Parameter("LLRPStatus", {"StatusCode": int(Code.M_SUCCESS), "ErrorDescription": ""})
