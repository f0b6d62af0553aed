"""An examination of the embedded model: its files, and one vector made with them."""

from __future__ import annotations

import hashlib
import time
from typing import Final

from ragkit.config import DEFAULT_MODEL
from ragkit.embedding.checks import Check, Examination
from ragkit.errors import RagkitError
from ragkit.models.wordpiece import minilm_file

__all__ = ["examine_embedded"]

_SUMS: Final = {
    "model.onnx": "ccfe78e7d8245c9b861b5fd2b25109e81a09f2bbc703c6264398d61daf45e09f",
    "tokenizer.json": "1794bf39108c8ff307ba8e2a848dbb8746735668f368a64cc6e609dfd30c4b34",
}
_REINSTALL: Final = "reinstall ragkit-search"


def examine_embedded() -> Examination:
    """Look at the model inside; nothing goes over a network."""
    checks = [_file(name, expected) for name, expected in _SUMS.items()]
    if all(check.ok for check in checks):
        checks.append(_vector())
    where = Check(name="route", ok=True, detail="this machine: no key, no network")
    return Examination(checks=(*checks, where))


def _file(name: str, expected: str) -> Check:
    try:
        found = hashlib.sha256(minilm_file(name)).hexdigest()
    except OSError as error:
        return Check(name=name, ok=False, detail=f"missing ({error.strerror})", remedy=_REINSTALL)
    if found != expected:
        detail = f"sha256 {found[:16]}… instead of {expected[:16]}…"
        return Check(name=name, ok=False, detail=detail, remedy=_REINSTALL)
    return Check(name=name, ok=True, detail=f"sha256 {found[:16]}…")


def _vector() -> Check:
    from ragkit.embedding.local import LocalEmbedder  # noqa: PLC0415 - loads the model's runtime

    started_s = time.monotonic()
    try:
        with LocalEmbedder(threads=1) as embedder:
            vector = embedder.embed_query("Where is the spare key?")
    except RagkitError as error:
        return Check(name="vector", ok=False, detail=str(error), remedy=_REINSTALL)
    seconds = time.monotonic() - started_s
    detail = f"{DEFAULT_MODEL}: {len(vector)} dimensions in {seconds:.2f} s, loading included"
    return Check(name="vector", ok=True, detail=detail)
