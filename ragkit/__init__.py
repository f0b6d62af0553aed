"""Semantic search and RAG indexing: point it at a folder of documents and ask it questions.

    import ragkit

    collection = ragkit.open("kb")
    collection.sync("docs/")
    for hit in collection.search("how are keys rotated?"):
        print(hit.score, hit.source, hit.text)

Importing this module loads nothing else; each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragkit import errors
    from ragkit.answers import Citation, Context, Explanation, Hit, Hits, Reranking
    from ragkit.chunking import Chunker
    from ragkit.collection.asynchronous import AsyncCollection
    from ragkit.collection.collection import Collection
    from ragkit.collection.opening import open_collection as open  # noqa: A004
    from ragkit.collection.upkeep import import_collection
    from ragkit.config import Settings
    from ragkit.embedding.images import ImageInput
    from ragkit.embedding.local import LocalEmbedder
    from ragkit.embedding.openrouter import OpenRouterEmbedder
    from ragkit.embedding.reranker import OpenRouterReranker
    from ragkit.errors import RagkitError
    from ragkit.evaluation.querysets import Question
    from ragkit.evaluation.results import Comparison, Evaluation, compare
    from ragkit.indexing.vectors import VectorIndex
    from ragkit.reading import read
    from ragkit.records import Document, Passage
    from ragkit.reports import CollectionStatus, SyncPlan, SyncReport, WatchEvent
    from ragkit.retrieval.absence import WhyNot
    from ragkit.retrieval.quotes import QuoteCheck
    from ragkit.retrieval.retriever import Retriever
    from ragkit.retrieval.settings import SearchSettings

__all__ = [
    "AsyncCollection",
    "Chunker",
    "Citation",
    "Collection",
    "CollectionStatus",
    "Comparison",
    "Context",
    "Document",
    "Evaluation",
    "Explanation",
    "Hit",
    "Hits",
    "ImageInput",
    "LocalEmbedder",
    "OpenRouterEmbedder",
    "OpenRouterReranker",
    "Passage",
    "Question",
    "QuoteCheck",
    "RagkitError",
    "Reranking",
    "Retriever",
    "SearchSettings",
    "Settings",
    "SyncPlan",
    "SyncReport",
    "VectorIndex",
    "WatchEvent",
    "WhyNot",
    "compare",
    "errors",
    "import_collection",
    "open",
    "read",
]

__version__ = "0.1.0"

# Name -> module that has it; ``open`` is the one that is called otherwise there.
_HOMES = {
    "AsyncCollection": "ragkit.collection.asynchronous",
    "Chunker": "ragkit.chunking",
    "Citation": "ragkit.answers",
    "Collection": "ragkit.collection.collection",
    "CollectionStatus": "ragkit.reports",
    "Comparison": "ragkit.evaluation.results",
    "Context": "ragkit.answers",
    "Evaluation": "ragkit.evaluation.results",
    "Explanation": "ragkit.answers",
    "Hit": "ragkit.answers",
    "Hits": "ragkit.answers",
    "ImageInput": "ragkit.embedding.images",
    "LocalEmbedder": "ragkit.embedding.local",
    "OpenRouterEmbedder": "ragkit.embedding.openrouter",
    "OpenRouterReranker": "ragkit.embedding.reranker",
    "Question": "ragkit.evaluation.querysets",
    "QuoteCheck": "ragkit.retrieval.quotes",
    "RagkitError": "ragkit.errors",
    "Reranking": "ragkit.answers",
    "Retriever": "ragkit.retrieval.retriever",
    "SearchSettings": "ragkit.retrieval.settings",
    "Settings": "ragkit.config",
    "SyncPlan": "ragkit.reports",
    "SyncReport": "ragkit.reports",
    "VectorIndex": "ragkit.indexing.vectors",
    "WatchEvent": "ragkit.reports",
    "WhyNot": "ragkit.retrieval.absence",
    "compare": "ragkit.evaluation.results",
    "import_collection": "ragkit.collection.upkeep",
    "open": "ragkit.collection.opening",
    "read": "ragkit.reading",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'ragkit' has no attribute {name!r}")
    if name == "errors":
        return importlib.import_module("ragkit.errors")
    home = importlib.import_module(_HOMES.get(name, "ragkit.records"))
    value: object = getattr(home, "open_collection" if name == "open" else name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
