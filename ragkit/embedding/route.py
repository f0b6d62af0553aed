"""Whether a model's vectors come from one provider, and from the same as before.

A router sends each request to one of several providers, which may serve the model in another
precision: vectors of the same text then differ, and none of them is marked. What is compared here
are vectors of the same few texts, bought again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from ragkit.embedding.seam import FloatMatrix

__all__ = ["SAME_COSINE", "drift_of", "is_pinned", "lowest_cosine", "pin_of"]

# Batches of other sizes change a vector's last digits (0.99999); half precision leaves 0.9999, and
# eight bits less.
SAME_COSINE: Final = 0.999


def lowest_cosine(stored: FloatMatrix, fresh: FloatMatrix) -> float:
    """The least of the cosines of rows with rows; -1 where they are not even of one width.

    Args:
        stored: float32 (n, d), unit rows.
        fresh: float32 (n, d), unit rows of the same texts.
    """
    if stored.shape != fresh.shape or not len(stored):
        return -1.0
    products = stored.astype(np.float64) * fresh.astype(np.float64)
    return float(products.sum(axis=1).min())


def drift_of(cosine: float, *, earlier: str, now: str) -> str:
    """What is wrong when the same texts get other vectors, with both providers' names.

    Args:
        cosine: The lowest of them.
        earlier: Who made the collection's vectors; empty where nobody said.
        now: Who answered this time; empty where nobody says.
    """
    whose = f"vectors of {now or 'the server now'}"
    than = f"those that {earlier or 'it'} made before"
    if cosine < 0:
        return f"{whose} are of another width than {than}"
    return f"{whose} differ from {than} (cosine {cosine:.4f})"


def pin_of(provider: str) -> str:
    """The routing that keeps a collection to one provider, in JSON's words."""
    return f'provider = {{"only": ["{provider or "…"}"], "allow_fallbacks": false}}'


def is_pinned(routing: Mapping[str, object] | None) -> bool:
    """Whether only ever one provider can answer."""
    chosen = (routing or {}).get("only") or (routing or {}).get("order")
    if not isinstance(chosen, (list, tuple)) or not chosen:
        return False
    only_these = "only" in (routing or {}) or (routing or {}).get("allow_fallbacks") is False
    return only_these and len(chosen) == 1
