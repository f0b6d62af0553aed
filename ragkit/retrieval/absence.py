"""Why a document was not returned for a query, and what would change that."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ragkit.answers import Hit, Hits, Reranking
from ragkit.errors import SourceNotFound
from ragkit.retrieval.reranking import CANDIDATES_PER_HIT, candidates_for
from ragkit.retrieval.retriever import Mode, Retriever
from ragkit.storage.seam import StoredPassage
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.states import Problem, Root

__all__ = ["Verdict", "WhyNot", "why_not"]

Verdict = Literal[
    "returned", "folded", "ranked below", "never ranked", "filtered", "empty", "not indexed"
]

_CROWDING_SHARE = 0.5
_FEWEST_TO_CROWD = 3
_SIMILAR_NAMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """What became of a document in a search.

    Attributes:
        source: As it was asked for, or as the collection calls it.
        root: Name of its root; empty when the collection does not have it.
        query: What was asked.
        verdict: ``returned``, ``folded`` into a hit of the same text, ``ranked below`` the k hits,
            ``never ranked`` (no list has it), ``filtered`` by where, ``empty`` (nothing in it can
            be found), or ``not indexed``.
        reason: One sentence.
        advice: What would lift it, one sentence each.
        k: How many hits were looked at.
        rank: Of its best passage in a search without end; None when that never returns it.
        passages: How many passages were ranked: all, or those that fit where.
        best: Its best passage with its scores, explained; None when it has none.
        last: The last of the k hits, whose score it would have to reach.
        rerank: How the hits were reranked; None when that was not asked for.
    """

    source: str
    root: str = ""
    query: str
    verdict: Verdict
    reason: str
    advice: tuple[str, ...] = ()
    k: int = 10
    rank: int | None = None
    passages: int = 0
    best: Hit | None = None
    last: Hit | None = None
    rerank: Reranking | None = None


def why_not(
    source: str,
    query: str,
    *,
    retriever: Retriever,
    store: Snapshot,
    place_of: Callable[[Root], Path],
    where: Mapping[str, str] | None = None,
    k: int = 10,
    mode: Mode = "hybrid",
    rerank: str | None = None,
) -> WhyNot:
    """Find out what became of a document.

    Args:
        source: ``SOURCE``, ``ROOT:SOURCE``, or the path of a file from here.
        query: What was asked.
        retriever: Answers it.
        store: The generation that the retriever is of.
        place_of: Where a root is now.
        where: As for ``search``.
        k: How many hits were expected to hold it.
        mode: As for ``search``.
        rerank: As for ``search``.

    Raises:
        AmbiguousSource: Several roots have it.
        InvalidArgument: A value that no search could use.
    """
    (looked_at,) = retriever.candidates(
        [query], k=k, mode=mode, where=where, rerank=rerank, explain=True
    )
    try:
        root, name = _located(source, store, place_of)
    except SourceNotFound:
        reason, advice = _absence(source, store, place_of)
        return WhyNot(
            source=source, query=query, verdict="not indexed", reason=reason, advice=advice, k=k
        )
    own = list(store.all_passages(root, name))
    found = _Found(
        source=name,
        root=root,
        query=query,
        k=k,
        mode=mode,
        looked_at=looked_at,
        own=own,
    )
    if not any(one.passage.text.strip() or one.passage.image is not None for one in own):
        return found.told("empty", _emptiness(root, name, store))
    among = store.matching(where) if where else None
    if where and among is not None and not np.isin(found.ids, among).any():
        return found.told("filtered", _filtering(found, where, store), advice=_WITHOUT_WHERE)
    passages = store.count("passages") if among is None else len(among)
    best = None
    if found.reranked_by:
        best = next((hit for hit in looked_at if hit.passage.id in found.ids), None)
    if best is None:
        best = retriever.standing(query, found.ids, mode=mode, where=where)
    return _ranked(found, best, passages)


def _ranked(found: _Found, best: Hit | None, passages: int) -> WhyNot:
    """What became of a document that can be found."""
    if best is None:
        reason, advice = "no passage of it has a vector or a word of the query", []
        if found.mode == "lexical":
            reason = "no passage of it has a word of the query, and --mode lexical ranks by words"
            advice = ["search by meaning too: --mode hybrid"]
        return found.told("never ranked", reason, advice=tuple(advice), passages=passages)
    if copied := found.copied_by:
        place = f"{copied.source}:{copied.passage.line}"
        reason = f"hit {copied.rank}, {place}, is the same text and says that it is also here"
        return found.told("folded", reason, best=best, passages=passages)
    if best.rank <= found.k:
        reason = f"it is hit {best.rank} of the {found.k} that were asked for"
        return found.told("returned", reason, best=best, passages=passages)
    reason = f"its best passage is {_nth(best.rank)} of {passages:,}, and {found.k} were asked for"
    if found.reranked_by:
        reason = _under_a_model(best, found, passages)
    advice = _advice(found, best)
    return found.told("ranked below", reason, advice=tuple(advice), best=best, passages=passages)


def _under_a_model(best: Hit, found: _Found, passages: int) -> str:
    """Where it stands when a model has put the first of the passages in its order."""
    number, model = len(found.looked_at), found.reranked_by
    if "fused_rank" not in best.scores:
        return (
            f"its best passage is {_nth(best.rank)} of {passages:,}, and the first {number} were"
            f" given to {model}"
        )
    before = _nth(int(best.scores["fused_rank"]))
    return (
        f"its best passage is {_nth(best.rank)} of the {number} that {model} put in order, and was"
        f" {before} before"
    )


_WITHOUT_WHERE = ("leave the condition out, or widen it",)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A document that the collection has, and the search that did not return it."""

    source: str
    root: str
    query: str
    k: int
    mode: Mode
    looked_at: Hits
    own: Sequence[StoredPassage]

    @property
    def hits(self) -> Sequence[Hit]:
        """The k best."""
        return self.looked_at[: self.k]

    @property
    def copied_by(self) -> Hit | None:
        """The hit that a passage of it is a copy of, where none of its own is a hit."""
        own = {one.passage.id for one in self.own}
        if any(hit.passage.id in own for hit in self.hits):
            return None
        return next((hit for hit in self.hits if own & {one.id for one in hit.also_in}), None)

    @property
    def reranked_by(self) -> str:
        """The model whose order counts; empty without one."""
        rerank = self.looked_at.rerank
        return rerank.model if rerank is not None and rerank.applied else ""

    @property
    def ids(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Of its passages, sorted."""
        return np.array(sorted(one.passage.id for one in self.own), np.int64)

    def told(
        self,
        verdict: Verdict,
        reason: str,
        *,
        advice: tuple[str, ...] = (),
        best: Hit | None = None,
        passages: int = 0,
    ) -> WhyNot:
        """The answer."""
        return WhyNot(
            source=self.source,
            root=self.root,
            query=self.query,
            verdict=verdict,
            reason=reason,
            advice=advice,
            k=self.k,
            rank=None if best is None else best.rank,
            passages=passages,
            best=best,
            last=self.hits[-1] if self.hits else None,
            rerank=self.looked_at.rerank,
        )


def _located(source: str, store: Snapshot, place_of: Callable[[Root], Path]) -> tuple[str, str]:
    """Root and source, also of a path from here, as ``search`` shows it."""
    try:
        return store.locate(source)
    except SourceNotFound:
        for root, inside in _inside_roots(source, store, place_of):
            if store.document(root.name, inside) is not None:
                return root.name, inside
        raise


def _inside_roots(
    source: str, store: Snapshot, place_of: Callable[[Root], Path]
) -> list[tuple[Root, str]]:
    """The roots that a path from here lies in, with what the file would be called there."""
    path = Path(os.path.abspath(source))  # noqa: PTH100 - links stay as the user wrote them
    found: list[tuple[Root, str]] = []
    for root in store.roots():
        place = place_of(root)
        if root.is_file and path == place:
            found.append((root, place.name))
        elif path != place and path.is_relative_to(place):
            found.append((root, path.relative_to(place).as_posix()))
    return found


def _absence(
    source: str, store: Snapshot, place_of: Callable[[Root], Path]
) -> tuple[str, tuple[str, ...]]:
    """Why the collection does not have a document, and what to do."""
    here = _inside_roots(source, store, place_of)
    names = {(root.name, inside) for root, inside in here}
    for problem in store.problems(("failed", "skipped")):
        full = f"{problem.root}:{problem.source}"
        if source in (problem.source, full) or (problem.root, problem.source) in names:
            return f"{_said(problem)}", ("mend the file or the rule, and index again",)
    files = [place_of(root) if root.is_file else place_of(root) / source for root in store.roots()]
    if (here and Path(source).is_file()) or any(_is_file(file, source) for file in files):
        return "the file is there, but it was not indexed", ("run `ragkit index` again",)
    similar = difflib.get_close_matches(
        source, [state.source for state in store.document_states()], n=_SIMILAR_NAMES
    )
    advice = ("index the folder that holds it",)
    if similar:
        advice = (f"did you mean {' or '.join(similar)}?",)
    return "the collection has no document of that name, and its folders have no such file", advice


def _is_file(file: Path, source: str) -> bool:
    try:
        return file.is_file() and file.as_posix().endswith(source)
    except (OSError, ValueError):
        # A name that is too long, or with a null character, is no file's.
        return False


def _said(problem: Problem) -> str:
    what = {"failed": "it could not be read", "skipped": "it was left out"}[problem.kind]
    return f"{what}: {problem.reason}"


def _emptiness(root: str, name: str, store: Snapshot) -> str:
    for problem in store.problems(("failed", "skipped", "warning")):
        if (problem.root, problem.source) == (root, name):
            return f"it is indexed, but holds no text: {problem.reason}"
    return "it is indexed, but holds no text"


def _filtering(found: _Found, where: Mapping[str, str], store: Snapshot) -> str:
    failing = []
    for key, glob in where.items():
        fits = store.matching({key: glob})
        if fits is not None and not np.isin(found.ids, fits).any():
            failing.append(f"{key}={glob}")
    return f"it does not fulfil {' and '.join(failing)}"


def _advice(found: _Found, best: Hit) -> list[str]:
    """What stands against it, the plainest first."""
    hits = found.hits
    said = _about_k(found, best)
    said += _about_words(best)
    said += _about_lists(found, best)
    (place, number), *_ = Counter((hit.root, hit.source) for hit in hits).most_common(1)
    if number >= _FEWEST_TO_CROWD and number > len(hits) * _CROWDING_SHARE:
        said.append(f"it is crowded out: {number} of the {len(hits)} hits are of {place[1]}")
    return said


def _about_k(found: _Found, best: Hit) -> list[str]:
    """How many hits to ask for."""
    last, model = found.hits[-1], found.reranked_by
    if model and "fused_rank" not in best.scores:
        k = max(found.k, -(-best.rank // CANDIDATES_PER_HIT))
        return [f"-k {k} would give it to {model}"]
    if model and candidates_for(best.rank) > candidates_for(found.k):
        # With more hits the model is given more passages, which may come before it.
        return []
    return [
        f"-k {best.rank} would return it: it has {best.score:.3f}, hit {found.k} {last.score:.3f}"
    ]


def _about_words(best: Hit) -> list[str]:
    explanation = best.explanation
    if explanation is None or not (explanation.matched or explanation.missing):
        return []
    missing = ", ".join(explanation.missing)
    if not explanation.matched:
        return [f"none of the query's words is in that passage: {missing}"]
    return [f"words of the query that are not in that passage: {missing}"] if missing else []


def _about_lists(found: _Found, best: Hit) -> list[str]:
    """Which list holds it back, where there are two."""
    if found.mode != "hybrid":
        return []
    said = []
    for name, other in (("semantic", "meaning"), ("lexical", "words")):
        rank = best.scores.get(f"{name}_rank")
        if rank is not None and rank <= found.k:
            said.append(f"by {other} alone it is {_nth(int(rank))}: --mode {name} would return it")
    cosines = [hit.scores["semantic"] for hit in found.hits if "semantic" in hit.scores]
    own = best.scores.get("semantic")
    if own is None:
        said.append("that passage has no vector, so only its words count")
    elif cosines and own < min(cosines):
        said.append(
            f"in meaning it is farther from the query than every hit: cosine {own:.3f}, the hits"
            f" {min(cosines):.3f} to {max(cosines):.3f}"
        )
    return said


def _nth(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{'th' if number % 100 in (11, 12, 13) else ending}"
