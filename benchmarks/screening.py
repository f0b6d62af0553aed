"""What screening costs and how often it cries: megabytes a second of CPU, and findings.

    python benchmarks/screening.py FOLDER

Every file of FOLDER that is UTF-8 is looked through: for secrets, for personal data, and in pieces
of 2,000 characters for text that speaks to models. In a folder of prose and manuals every finding
is a false alarm. Where detect-secrets is installed (``pip install detect-secrets``), its plugins
look through the same files line by line, its guesses by entropy left out.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ragkit.screening.injection import find_injections
from ragkit.screening.personal import PERSONAL, find_personal
from ragkit.screening.secrets import find_secrets

PIECE_CHARACTERS = 2000


def texts_of(folder: Path) -> Iterator[str]:
    """Every file that is text."""
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(UnicodeDecodeError):
            if path.is_file():
                yield path.read_text(encoding="utf-8")


def injections(text: str) -> int:
    """Pieces that are marked."""
    pieces = (text[at : at + PIECE_CHARACTERS] for at in range(0, len(text), PIECE_CHARACTERS))
    return sum(bool(find_injections(piece)) for piece in pieces)


def detect_secrets(texts: list[str]) -> int:
    """Lines that its plugins for known kinds of secrets mark."""
    from detect_secrets.core.scan import scan_line
    from detect_secrets.settings import default_settings

    with default_settings() as settings:
        for name in ("Base64HighEntropyString", "HexHighEntropyString"):
            settings.plugins.pop(name, None)
        return sum(1 for text in texts for line in text.splitlines() for _ in scan_line(line))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    texts = list(texts_of(parser.parse_args().folder))
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts):,} files, {megabytes:.1f} MB")
    looks: dict[str, Callable[[list[str]], int]] = {
        "secrets": lambda texts: sum(len(find_secrets(text)) for text in texts),
        "personal data": lambda texts: sum(
            len(find_personal(text, list(PERSONAL))) for text in texts
        ),
        "injections": lambda texts: sum(map(injections, texts)),
    }
    if importlib.util.find_spec("detect_secrets"):
        looks["detect-secrets"] = detect_secrets
    else:
        print("detect-secrets is not installed: left out")
    for name, look in looks.items():
        look(["warm up: compile what there is"])
        start_s = time.process_time()
        found = look(texts)
        seconds = time.process_time() - start_s
        print(f"{name:<15} {megabytes / seconds:7.2f} MB/s  {found:6,} found")


if __name__ == "__main__":
    main()
