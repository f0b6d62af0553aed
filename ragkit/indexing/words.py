"""Ranking by words: BM25 (k1 1.2, b 0.75) over a tantivy index in a directory of its own.

A directory is written once and never changed; ``wordbuild`` makes the next one beside it.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tantivy
from tantivy import Occur, Query

from ragkit.errors import InvalidArgument
from ragkit.indexing.analysis import ANALYSIS_VERSION, stemmer_version
from ragkit.indexing.languages import KNOWN_LANGUAGES, LANGUAGES
from ragkit.indexing.manifest import DerivedUnusable, Manifest, check
from ragkit.indexing.questions import Question, query_phrases
from ragkit.indexing.seam import FloatVector, IdArray, Ranking

__all__ = ["WordIndex"]

_SCHEMA_VERSION = 2

# What a word of the path weighs against one of the text: enough to lift the file that is named for
# what is asked, not enough to put its every passage before a passage that says it.
_PATH_WEIGHT = 0.3

# Longer questions are pasted texts: their rarest terms say what they are about, and 64 terms of
# 50,000 passages take 6 ms.
_MAX_TERMS = 64
_MAX_CHARACTERS = 100_000

# A run of words that stands in more passages than this is a way of speaking and no quotation.
_MOST_QUOTED = 250
# Of so many words in a row whoever asks them has the text before them.
_FEWEST_QUOTED = 6
# A phrase is sought in every passage that has its rarest word; 5,000 of them take 2 ms.
_MOST_SOUGHT = 5000

# Up to this many ids each of them is looked up, so many at a time; beyond it reading the whole list
# on is cheaper.
_FEW_IDS = 1000
_TOGETHER = 250

# How many of the best are told whatever the filter.
_LEADING = 3

# float32 sums of one passage's terms differ by this much with the order in which they are added,
# and that order depends on what stands beside it.
_SAME_SCORE = 2e-6

_Scored = tuple[IdArray, FloatVector]
# A query with any of the terms, None without one; what has all of them scores; the passages that it
# is quoted from, and whether whole.
_Understood = tuple[Query | None, float, _Scored, bool]
_NOTHING: _Scored = (np.empty(0, np.int64), np.empty(0, np.float32))
_DAMAGED = "the lexical index is damaged: `ragkit verify --repair` makes it anew"


@contextlib.contextmanager
def _damage_is_told() -> Iterator[None]:
    """Turn what tantivy does over files that rotted, which is to panic, into an error of ours."""
    try:
        yield
    except InvalidArgument:
        raise
    except (ValueError, OSError) as error:
        raise DerivedUnusable(f"{_DAMAGED} ({error})") from error
    except BaseException as error:
        # It comes from Rust, and its class cannot be named.
        if type(error).__name__ != "PanicException":
            raise
        raise DerivedUnusable(_DAMAGED) from error


class WordIndex:
    """The passages as they were when the directory was written. Safe from several threads."""

    def __init__(
        self, searcher: tantivy.Searcher, schema: tantivy.Schema, manifest: Manifest
    ) -> None:
        self._searcher: tantivy.Searcher | None = searcher
        self._schema = schema
        self._manifest = manifest
        counts = {code: searcher.doc_freq("language", code) for code in sorted(KNOWN_LANGUAGES)}
        self._counts = {code: count for code, count in counts.items() if count}
        self._languages = tuple(code for code in self._counts if code in LANGUAGES)
        # A search by both lists asks for ranks and then for scores.
        self._last: tuple[str, _Understood] | None = None

    @classmethod
    def open(cls, directory: Path, *, key: bytes, verify: bool = False) -> WordIndex:
        """Open a directory that this installation built; it may be deleted while it is open.

        Args:
            directory: Where ``build_words`` wrote it.
            key: This installation's secret.
            verify: Sum up all files first, which takes about 1 s a gigabyte.

        Raises:
            DerivedUnusable: The directory is missing, foreign, damaged or of another version.
        """
        manifest = check(directory, key, kind=kind(), verify=verify)
        searcher, schema = open_searcher(directory)
        with _damage_is_told():
            return cls(searcher, schema, manifest)

    @property
    def documents(self) -> int:
        """Number of passages."""
        return self._manifest.documents

    @property
    def removed_share(self) -> float:
        """Passages whose words still count in the statistics though they are gone, of all."""
        counted = self._manifest.documents + self._manifest.removed
        return self._manifest.removed / counted if counted else 0.0

    def languages(self) -> Mapping[str, float]:
        """Share of the passages that are in each language, by ISO 639-1 code."""
        total = sum(self._counts.values())
        return {code: count / total for code, count in self._counts.items()}

    @_damage_is_told()
    def ids(self) -> IdArray:
        """Sorted int64 ids of all passages in it; twice where one is there twice.

        Raises:
            InvalidArgument: The index is closed.
        """
        searcher = self._opened()
        hits = searcher.search(Query.all_query(), limit=max(1, searcher.num_docs), count=False).hits
        found = searcher.fast_field_values("id", [address for _, address in hits])
        return np.sort(np.array(found, np.int64))

    def close(self) -> None:
        """Let go of the files; twice is as good as once."""
        self._searcher = None

    @_damage_is_told()
    def rank(self, query: str, k: int, *, among: IdArray | None = None) -> Ranking:
        """The k best passages with a word of the query, ties by id; as ``WordRanker.rank``.

        A query without any word (signs, an emoji) finds nothing. Of a very long one only the 64
        rarest terms count. A passage that the query is quoted from, whole or half, gets the BM25 of
        these words as a phrase besides that of its terms.

        Args:
            query: Any text.
            k: How many; 1 or more.
            among: Sorted int64 ids that may be returned.

        Raises:
            InvalidArgument: k is below 1, or the index is closed.
            DerivedUnusable: The files were damaged while nobody looked.
        """
        if k < 1:
            raise InvalidArgument(f"k={k}: ask for 1 or more")
        parsed, full, (quoted, totals), is_quoted = self._understood(query)
        if parsed is None:
            return _ranking(_NOTHING, _NOTHING, full, k, is_quoted=False)
        leading = _with(
            quoted, totals, *self._best(parsed, _LEADING if among is not None else k, None)
        )
        if among is None:
            return _ranking(leading, leading, full, k, is_quoted=is_quoted)
        few = len(among) <= _FEW_IDS
        ids, scores = self._of(parsed, among) if few else self._best(parsed, k, among)
        allowed = _are_in(quoted, among)
        found = _with(quoted[allowed], totals[allowed], ids, scores)
        return _ranking(found, leading, full, k, is_quoted=is_quoted)

    @_damage_is_told()
    def scores(self, query: str, ids: IdArray) -> FloatVector:
        """BM25 of given ids, float32 (len(ids),); 0 for one without a word of the query.

        Raises:
            InvalidArgument: The index is closed.
        """
        self._opened()
        wanted = np.asarray(ids, np.int64)
        scores = np.zeros(len(wanted), np.float32)
        parsed, _, (quoted, totals), _ = self._understood(query)
        if parsed is None:
            return scores
        found, values = _with(quoted, totals, *self._of(parsed, np.unique(wanted)))
        by_id = np.argsort(found)
        places = np.searchsorted(found, wanted, sorter=by_id)
        hit = _are_in(wanted, found[by_id])
        scores[hit] = values[by_id[places[hit]]]
        return scores

    def _opened(self) -> tantivy.Searcher:
        if self._searcher is None:
            raise InvalidArgument("the word index is closed: open it again")
        return self._searcher

    def _understood(self, text: str) -> _Understood:
        """What a text asks for; of the last one it is kept."""
        self._opened()
        last = self._last
        if last is not None and last[0] == text:
            return last[1]
        parsed, full = self._parsed(text)
        understood: _Understood = parsed, full, _NOTHING, False
        if parsed is not None:
            quoted, totals, is_quoted = self._quoted(text, parsed)
            understood = parsed, full, (quoted, totals), is_quoted
        self._last = text, understood
        return understood

    def _parsed(self, text: str) -> tuple[Query | None, float]:
        """Any of the query's terms, in the text or in the path; None without a known term.

        And what a passage of average length scores that has each word of the query once. A word
        that no passage has counts there as the rarest one would: the fewer of the query's words
        there are, the less the words can tell.
        """
        searcher = self._opened()
        asked = Question.of(text[:_MAX_CHARACTERS], self._languages)
        counts = {term: searcher.doc_freq("text", term) for term in asked.weights}
        known = sorted(
            (count + searcher.doc_freq("path", term), term) for term, count in counts.items()
        )
        chosen = {term for _, term in [pair for pair in known if pair[0]][:_MAX_TERMS]}
        # In the question's order: a set has another in each process, and so other last bits.
        full = sum(
            weight * self._rarity(counts[term])
            for term, weight in asked.weights.items()
            if term in chosen
        )
        if len(asked.words) <= _MAX_TERMS:
            full += sum(
                max(asked.weights[term] for term in word) * self._rarity(0)
                for word in asked.words
                if not any(map(counts.__getitem__, word))
            )
        clauses = [
            clause
            for term in asked.weights
            if term in chosen
            for clause in self._clauses(term, asked.weights[term])
        ]
        return Query.boolean_query(clauses) if clauses else None, full

    def _clauses(self, term: str, weight: float) -> list[tuple[Occur, Query]]:
        in_text = Query.term_query(self._schema, "text", term, index_option="freq")
        in_path = Query.term_query(self._schema, "path", term, index_option="freq")
        if weight != 1.0:
            in_text = Query.boost_query(in_text, weight)
        in_path = Query.boost_query(in_path, weight * _PATH_WEIGHT)
        return [(Occur.Should, in_text), (Occur.Should, in_path)]

    def _rarity(self, count: int) -> float:
        """BM25's weight of a term that so many passages have."""
        passages = self._manifest.documents
        return math.log1p((passages - count + 0.5) / (count + 0.5)) if count <= passages else 0.0

    def _quoted(self, text: str, parsed: Query) -> tuple[IdArray, FloatVector, bool]:
        """The passages that a text is quoted from, with all they score, best first.

        And whether it stands there as a whole, and is so long that it is no chance.

        Asked for apart: beside a phrase tantivy skips nothing, and the 10 best of 50,000 passages
        take 9 ms in place of 0.7.
        """
        searcher = self._opened()
        gains: dict[int, float] = {}
        phrases = query_phrases(text[:_MAX_CHARACTERS], self._languages)
        whole = max(phrases.values(), default=0)
        is_quoted = False
        for phrase, words in phrases.items():
            if min(searcher.doc_freq("text", term) for term in phrase) > _MOST_SOUGHT:
                continue
            in_order = Query.phrase_query(self._schema, "text", list(phrase))
            ids, scores = self._fetch(in_order, _MOST_QUOTED + 1)
            if len(ids) <= _MOST_QUOTED:
                is_quoted |= len(ids) > 0 and words == whole >= _FEWEST_QUOTED
                for id_, score in zip(ids.tolist(), scores.tolist(), strict=True):
                    gains[id_] = gains.get(id_, 0.0) + score
        quoted = np.array(sorted(gains), np.int64)
        totals = np.array([gains[id_] for id_ in quoted.tolist()], np.float32)
        for id_, score in zip(*self._of(parsed, quoted), strict=True):
            totals[np.searchsorted(quoted, id_)] += score
        return *_settled(quoted, totals), is_quoted

    def _best(self, parsed: Query, k: int, among: IdArray | None) -> tuple[IdArray, FloatVector]:
        """The k best, reading on until no passage below can tie with the last of them."""
        total = self._opened().num_docs
        depth = k + 32
        if among is not None:
            depth = 2 * k * max(1, total // max(1, len(among))) + 32
        while True:
            limit = min(depth, total)
            ids, scores = self._fetch(parsed, limit)
            complete = len(ids) < limit or limit == total
            end = float(scores[-1]) if len(scores) else 0.0
            if among is not None:
                kept = _are_in(ids, among)
                ids, scores = ids[kept], scores[kept]
            ids, scores = _settled(ids, scores)
            if complete or (len(ids) >= k and scores[k - 1] * (1 - 2 * _SAME_SCORE) > end):
                return ids[:k], scores[:k]
            depth *= 4

    def _of(self, parsed: Query, among: IdArray) -> tuple[IdArray, FloatVector]:
        """Every match among given ids, best first."""
        found: list[tuple[IdArray, FloatVector]] = []
        for start in range(0, len(among), _TOGETHER):
            some = among[start : start + _TOGETHER].tolist()
            # For so few a term each is over twice as fast as tantivy's set of terms.
            each = [
                (Occur.Should, Query.term_query(self._schema, "id", id_, index_option="basic"))
                for id_ in some
            ]
            allowed = Query.const_score_query(Query.boolean_query(each), 0.0)
            both = Query.boolean_query([(Occur.Must, parsed), (Occur.Must, allowed)])
            found.append(self._fetch(both, len(some)))
        if not found:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        ids, scores = zip(*found, strict=True)
        return _settled(np.concatenate(ids), np.concatenate(scores))

    def _fetch(self, query: Query, limit: int) -> tuple[IdArray, FloatVector]:
        searcher = self._opened()
        if limit < 1:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        hits = searcher.search(query, limit=limit, count=False).hits
        ids = searcher.fast_field_values("id", [address for _, address in hits])
        return np.array(ids, np.int64), np.array([score for score, _ in hits], np.float32)


def kind() -> str:
    """What a manifest of this version must be of."""
    version = tantivy.tantivy.__version__
    analysis = f"analysis {ANALYSIS_VERSION}, {stemmer_version()}"
    return f"words {_SCHEMA_VERSION}, {analysis}, tantivy {version}"


def _settled(ids: IdArray, scores: FloatVector) -> tuple[IdArray, FloatVector]:
    """Best first, and scores that differ by rounding alone made one, so that ids decide there."""
    order = np.argsort(-scores, kind="stable")
    ids, scores = ids[order], scores[order]
    if not len(ids):
        return ids, scores
    breaks = np.flatnonzero(scores[1:] < scores[:-1] * np.float32(1 - _SAME_SCORE)) + 1
    starts = np.concatenate(([0], breaks))
    scores = np.repeat(scores[starts], np.diff(np.concatenate((starts, [len(ids)]))))
    order = np.lexsort((ids, -scores))
    return ids[order], scores[order]


def _with(
    quoted: IdArray, totals: FloatVector, ids: IdArray, scores: FloatVector
) -> tuple[IdArray, FloatVector]:
    """A list by terms alone, the quoted passages in it or added to it with all they score."""
    if not len(quoted):
        return ids, scores
    others = ~np.isin(ids, quoted)
    return _settled(np.concatenate((quoted, ids[others])), np.concatenate((totals, scores[others])))


def _are_in(ids: IdArray, allowed: IdArray) -> npt.NDArray[np.bool_]:
    """Which of *ids* are in the sorted array."""
    if not len(allowed):
        return np.zeros(len(ids), np.bool_)
    places = np.minimum(np.searchsorted(allowed, ids), len(allowed) - 1)
    found: npt.NDArray[np.bool_] = allowed[places] == ids
    return found


def _ranking(found: _Scored, leading: _Scored, full: float, k: int, *, is_quoted: bool) -> Ranking:
    ids, scores = found
    return Ranking(
        ids=ids[:k],
        scores=scores[:k],
        lowest=0.0,
        highest=float(leading[1][0]) if len(leading[1]) else 0.0,
        full=full,
        leading=leading[0][:_LEADING],
        leading_scores=leading[1][:_LEADING],
        is_quoted=is_quoted,
    )


def open_searcher(directory: Path) -> tuple[tantivy.Searcher, tantivy.Schema]:
    """A searcher pinned to what the directory holds now, and its schema.

    tantivy locks a file in the directory even to read, and takes only names in Unicode. Where
    either fails, links to the files stand in a temporary directory; it can go as soon as the files
    are mapped.

    Raises:
        DerivedUnusable: tantivy cannot read it.
    """
    if os.access(directory, os.W_OK):
        with contextlib.suppress(OSError, ValueError):
            return _pinned(str(directory))
    try:
        with tempfile.TemporaryDirectory(prefix="ragkit-", ignore_cleanup_errors=True) as links:
            for path in directory.iterdir():
                if path.suffix != ".lock":
                    try:
                        (Path(links) / path.name).symlink_to(path.absolute())
                    except OSError:
                        shutil.copyfile(path, Path(links) / path.name)
            return _pinned(links)
    except (OSError, ValueError) as error:
        raise DerivedUnusable(f"{directory} cannot be opened: rebuild the index") from error


def _pinned(path: str) -> tuple[tantivy.Searcher, tantivy.Schema]:
    index = tantivy.Index.open(path)
    # The default reader would watch the directory from a thread of its own.
    index.config_reader("manual")
    return index.searcher(), index.schema
