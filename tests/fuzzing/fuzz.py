"""Looks for bytes that bring a parser of ours down, led by what they reach in its code.

    pip install atheris
    python tests/fuzzing/fuzz.py                      # ten minutes for each parser, in turn
    python tests/fuzzing/fuzz.py --seconds 60 html pdf
    python tests/fuzzing/fuzz.py --list

It begins with the seeds in ``tests/fuzzing/seeds``, and for each parser prints how many inputs it
tried, how many of them reached something new, and every different fault. A fault is an error that
the parser does not promise, a broken law, more than ten seconds of work, or an end of the process;
the input that led to it is kept in ``--faults``, from where it belongs into the seeds as soon as
the fault is mended.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

_LONGEST_INPUT_BYTES = 64 * 1024
_SLOW_S = 10.0
_STUCK_S = 120
_MOST_MEMORY_MIB = 3000


def main() -> int:
    """Run what was asked for; the exit code is 1 where something was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("targets", nargs="*", help="parsers; without any, all of them")
    parser.add_argument("--seconds", type=int, default=600, help="for each parser")
    parser.add_argument("--faults", type=Path, default=Path("fuzz-faults"), help="a folder")
    parser.add_argument("--list", action="store_true", help="name the parsers")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _fuzz(options.targets[0], options.seconds, options.faults, Path(options.targets[1]))
        return 0
    from fuzz_targets import TARGETS

    if options.list:
        print("\n".join(TARGETS))
        return 0
    options.faults.mkdir(parents=True, exist_ok=True)
    found = 0
    print(f"{'parser':<16}{'seconds':>8}{'inputs':>10}{'of use':>8}  faults", flush=True)
    for name in options.targets or TARGETS:
        found += _run(name, options.seconds, options.faults)
    return 1 if found else 0


def _run(name: str, seconds: int, faults: Path) -> int:
    """Fuzz one parser, again and again if its process ends; the number of faults."""
    begun, inputs, ends, told = time.monotonic(), 0, 0, set[str]()
    before = {path.name for path in faults.glob(f"{name}-*")}
    with tempfile.TemporaryDirectory() as corpus:
        while (left := int(seconds - (time.monotonic() - begun))) > 0:
            command = [sys.executable, __file__, "--child", "--seconds", str(left)]
            done = subprocess.run(
                [*command, "--faults", str(faults), name, corpus],
                capture_output=True,
                check=False,
            )
            said = done.stderr.decode("utf-8", "replace")
            counts = re.findall(r"#(\d+)\s", said)
            inputs += int(counts[-1]) if counts else 0
            told |= {line for line in said.splitlines() if line.startswith("fault: ")}
            if done.returncode:
                ends += 1
                told.add(f"fault: the process ended ({done.returncode}): {_last(said)}")
            if not counts:
                break
        of_use = len(list(Path(corpus).iterdir()))
    new = {path.name for path in faults.glob(f"{name}-*")} - before
    print(
        f"{name:<16}{time.monotonic() - begun:>8.0f}{inputs:>10,}{of_use:>8,}  {len(told)}",
        flush=True,
    )
    for line in sorted(told):
        print(f"    {line.removeprefix('fault: ')}", flush=True)
    for kept in sorted(new):
        print(f"    kept: {kept}", flush=True)
    return len(told)


def _last(said: str) -> str:
    telling = [line for line in said.splitlines() if "ERROR" in line or "SUMMARY" in line]
    return (telling or said.splitlines() or ["it said nothing"])[-1][:200]


def _fuzz(name: str, seconds: int, faults: Path, corpus: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=["ragkit"]):
        from fuzz_mutation import inside
        from fuzz_targets import TARGETS

        target = TARGETS[name]
        seeds = target.seeds()
        for seed, data in seeds.items():
            # What a parser loads when it is used is to be instrumented too.
            target.run(data)
            (corpus / seed).write_bytes(data)

    def mutate(data: bytes, most_bytes: int, seed: int) -> bytes:
        def piece(inner: bytes) -> bytes:
            return bytes(atheris.Mutate(inner, max(len(inner) + 64, 16)))

        return (data[:1] + inside(data[1:], piece, random.Random(seed)))[:most_bytes]  # noqa: S311

    run = _watched(target.run, name, faults)
    arguments = [
        sys.argv[0],
        f"-max_total_time={seconds}",
        f"-max_len={_LONGEST_INPUT_BYTES}",
        f"-timeout={_STUCK_S}",
        f"-rss_limit_mb={_MOST_MEMORY_MIB}",
        f"-artifact_prefix={faults}/{name}-",
        str(corpus),
    ]
    atheris.Setup(arguments, run, custom_mutator=mutate)
    atheris.Fuzz()


def _watched(run: Callable[[bytes], None], name: str, faults: Path) -> Callable[[bytes], None]:
    """Keeps the first input of each fault, and goes on."""
    seen: set[str] = set()

    def tell(data: bytes, fault: str) -> None:
        if fault not in seen:
            seen.add(fault)
            digest = hashlib.sha256(data).hexdigest()[:10]
            (faults / f"{name}-{digest}").write_bytes(data)
            sys.stderr.write(f"fault: {fault} [{digest}]\n")

    def watched(data: bytes) -> None:
        begun = time.process_time()
        try:
            run(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            frames = traceback.extract_tb(error.__traceback__)
            inner = next(
                (one for one in reversed(frames) if "/ragkit/" in one.filename), frames[-1]
            )
            tell(data, f"{type(error).__name__} at {Path(inner.filename).name}:{inner.lineno}")
        if time.process_time() - begun > _SLOW_S:
            tell(data, f"more than {_SLOW_S:g} s")

    return watched


if __name__ == "__main__":
    sys.exit(main())
