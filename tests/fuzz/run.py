"""`make fuzz`: millions of damaged messages through every target. At the first one that breaks a promise it ends with
code 1 and shows the input as hex, which it keeps in `found/` for the quick test.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice, product
from typing import Final

from tests.fuzz.corpus import FOUND, found_inputs, good_frames, hard_inputs, reports
from tests.fuzz.mutation import Mutator
from tests.fuzz.targets import MAX_INPUT_MIB, MAX_INPUT_MS, TARGETS, BrokenPromiseError, Target

INPUTS: Final = 2_100_000
"""Inputs in all, each for one target in turn."""

TRIES: Final = 5
"""An input that was too slow is tried again: another program's burst is not its fault, and its best time counts."""

TELL_EVERY: Final = 100_000
KIB_IN_MIB: Final = 1024


def tasks(seed: int) -> Iterator[tuple[str, bytes]]:
    """Target and input: every target with the hard ones and those that once failed, then mutants for each in turn,
    for ever."""
    yield from product(TARGETS, (*hard_inputs().values(), *found_inputs().values()))
    anything, only_reports = Mutator(good_frames(), seed), Mutator(reports(), seed)
    for name in cycle(TARGETS):
        yield name, (only_reports if name == "report" else anything).make()


def try_input(target: Target, data: bytes) -> float:
    """Milliseconds of this thread's processor that parsing took. Raises whatever breaks a promise."""
    began = time.thread_time()
    result = target.parse(data)
    took_ms = (time.thread_time() - began) * 1e3
    for _ in range(TRIES if took_ms > MAX_INPUT_MS else 0):
        began = time.thread_time()
        target.parse(data)
        took_ms = min(took_ms, (time.thread_time() - began) * 1e3)
    if took_ms > MAX_INPUT_MS:
        raise BrokenPromiseError(f"{took_ms:.1f} ms, more than {MAX_INPUT_MS}")
    target.judge(data, result)
    return took_ms


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_IN_MIB


def keep(name: str, data: bytes) -> str:
    """Store a failing input; the path."""
    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}.hex"
    path.write_text(data.hex() + "\n")
    return str(path)


def fuzz(total: int, seed: int) -> int:
    """Run; the exit code."""
    before_mib = peak_mib()
    began = time.perf_counter()
    slowest_ms = 0.0
    for done, (name, data) in enumerate(islice(tasks(seed), total), 1):
        try:
            slowest_ms = max(slowest_ms, try_input(TARGETS[name], data))
        except Exception as error:  # noqa: BLE001 - any error at all is what is looked for
            print(f"{name}: {type(error).__name__}: {error}\n{data.hex()}\nkept as {keep(name, data)}")
            return 1
        if done % TELL_EVERY == 0:
            print(f"{done} inputs, {done / (time.perf_counter() - began):.0f}/s", flush=True)
    grown_mib = peak_mib() - before_mib
    print(
        f"{total} inputs of seed {seed} in {time.perf_counter() - began:.0f} s, slowest {slowest_ms:.1f} ms, "
        f"memory grew by {grown_mib:.0f} MiB at most"
    )
    if grown_mib > MAX_INPUT_MIB:
        print(f"memory grew by more than {MAX_INPUT_MIB} MiB")
        return 1
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=INPUTS)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same seed makes the same inputs")
    arguments = parser.parse_args()
    sys.exit(fuzz(arguments.inputs, arguments.seed))


if __name__ == "__main__":
    main()
