"""What `survival.py` does to each store, in a process that it may kill.

    python survival_stores.py ACT STORE PLACE URL

Runs in ragkit's environment or in that of the peers: it imports nothing of ragkit but in its own
store. Each store is used as its documentation shows: ``write`` takes the files of PLACE/docs,
50 texts a request, ``read`` tells all texts and vectors, ``follow`` asks again and again until its
stdin ends, and ``fork`` asks in a child of a process that has asked.
"""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import struct
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

BATCH = 50
QUESTION = "harbour report"
MOST_HITS = 2000
FORK_PATIENCE_S = 20

Row = tuple[str, Sequence[float]]


class Store(Protocol):
    """One store that is open."""

    def write(self, docs: Path) -> None:
        """Take the files of a folder; a file that is known replaces what it was."""

    def rows(self) -> Iterator[Row]:
        """(text, vector) of everything."""

    def ask(self) -> list[str]:
        """The texts of all hits of one question."""


def embed(url: str, texts: Sequence[str]) -> list[list[float]]:
    """Vectors of the server, in the order of the texts."""
    body = json.dumps({"model": "m", "input": list(texts), "encoding_format": "base64"}).encode()
    request = urllib.request.Request(url + "/embeddings", body)  # noqa: S310 - this machine
    with urllib.request.urlopen(request) as reply:  # noqa: S310
        items = json.load(reply)["data"]
    packed = (base64.b64decode(item["embedding"]) for item in items)
    return [list(struct.unpack(f"<{len(row) // 4}f", row)) for row in packed]


def batches(docs: Path) -> Iterator[list[Path]]:
    """The files of a folder, so many at a time."""
    paths = sorted(docs.iterdir())
    for first in range(0, len(paths), BATCH):
        yield paths[first : first + BATCH]


class Ragkit:
    """A collection that mirrors the folder."""

    def __init__(self, place: Path, url: str) -> None:
        import ragkit

        self._collection = ragkit.open(place / "kb", model="test/m", base_url=url, api_key="none")

    def write(self, docs: Path) -> None:
        """One sync, which waits for another writer."""
        report = self._collection.sync(docs, wait_s=120)
        assert report.stopped is None, report
        assert not report.failed, report

    def rows(self) -> Iterator[Row]:
        """From the store itself, since no public call gives vectors."""
        store = self._collection._store
        with store.snapshot() as snapshot:
            ids, slots = snapshot.ids_and_slots()
            stored, matrix = snapshot.passages(ids.tolist()), store.rows(snapshot)
            for id_, slot in zip(ids.tolist(), slots.tolist(), strict=True):
                yield stored[id_].passage.text, matrix[slot].tolist()

    def ask(self) -> list[str]:
        """By meaning."""
        hits = self._collection.search(QUESTION, mode="semantic", k=MOST_HITS)
        return [hit.text for hit in hits]


class Chroma:
    """A persistent client; each batch of files is one upsert by name."""

    def __init__(self, place: Path, url: str) -> None:
        import chromadb  # type: ignore[import-not-found,unused-ignore]

        quiet = chromadb.Settings(anonymized_telemetry=False)
        client = chromadb.PersistentClient(str(place / "kb"), settings=quiet)
        self._collection = client.get_or_create_collection("docs", embedding_function=None)
        self._url = url

    def write(self, docs: Path) -> None:
        """Embed and upsert."""
        for paths in batches(docs):
            texts = [path.read_text() for path in paths]
            vectors: Any = embed(self._url, texts)
            names = [path.name for path in paths]
            self._collection.upsert(ids=names, documents=texts, embeddings=vectors)

    def rows(self) -> Iterator[Row]:
        """All that it gives."""
        found = self._collection.get(include=["documents", "embeddings"])
        yield from zip(found["documents"], found["embeddings"].tolist(), strict=True)

    def ask(self) -> list[str]:
        """By vector."""
        vectors: Any = embed(self._url, [QUESTION])
        found = self._collection.query(
            query_embeddings=vectors, n_results=MOST_HITS, include=["documents"]
        )
        texts: list[str] = found["documents"][0]
        return texts


class LangChainFaiss:
    """LangChain's FAISS store, loaded and saved as its documentation shows."""

    def __init__(self, place: Path, url: str, *, saves_each_batch: bool = False) -> None:
        import warnings

        warnings.simplefilter("ignore")
        from langchain_community.vectorstores import (  # type: ignore[import-not-found,unused-ignore]
            FAISS,
        )
        from langchain_core.embeddings import (  # type: ignore[import-not-found,unused-ignore]
            Embeddings,
        )

        class Server(Embeddings):  # type: ignore[misc,unused-ignore]
            """The same server as for the others."""

            def embed_documents(self, texts: list[str]) -> list[list[float]]:
                return embed(url, texts)

            def embed_query(self, text: str) -> list[float]:
                return embed(url, [text])[0]

        self._kind, self._embeddings = FAISS, Server()
        self._path, self._saves_each_batch = str(place / "kb"), saves_each_batch
        self._store: Any = None
        if (place / "kb").exists():
            self._store = FAISS.load_local(
                self._path, self._embeddings, allow_dangerous_deserialization=True
            )

    def write(self, docs: Path) -> None:
        """Replace what is known by what the files hold now, and save."""
        for paths in batches(docs):
            texts, names = [path.read_text() for path in paths], [path.name for path in paths]
            if self._store is None:
                self._store = self._kind.from_texts(texts, self._embeddings, ids=names)
            else:
                known = set(self._store.index_to_docstore_id.values()).intersection(names)
                vectors = self._embeddings.embed_documents(texts)
                if known:
                    self._store.delete(list(known))
                pairs = zip(texts, vectors, strict=True)
                self._store.add_embeddings(pairs, ids=names)
            if self._saves_each_batch:
                self._store.save_local(self._path)
        self._store.save_local(self._path)

    def rows(self) -> Iterator[Row]:
        """All that it holds."""
        for place, name in self._store.index_to_docstore_id.items():
            text = self._store.docstore.search(name).page_content
            yield text, self._store.index.reconstruct(place).tolist()

    def ask(self) -> list[str]:
        """By vector."""
        found = self._store.similarity_search(QUESTION, k=MOST_HITS)
        return [document.page_content for document in found]


def opened(store: str, place: Path, url: str) -> Store:
    """The store of that name."""
    if store == "ragkit":
        return Ragkit(place, url)
    if store == "Chroma":
        return Chroma(place, url)
    return LangChainFaiss(place, url, saves_each_batch=store.endswith("each batch"))


def say(value: object) -> None:
    """One line for the parent."""
    print(json.dumps(value), flush=True)


def follow(store: Store) -> None:
    """The editions of every answer until stdin ends, and of one more after that."""
    ended, answers = False, list[list[str]]()
    say("go")
    while not ended:
        ended = bool(select.select([sys.stdin], [], [], 0.02)[0])
        try:
            texts = store.ask()
        except Exception as error:  # noqa: BLE001 - counted
            answers.append([f"{type(error).__name__}: {error}"[:300]])
            continue
        answers.append(sorted({text.partition("edition ")[2].partition(":")[0] for text in texts}))
    say(answers)


def fork(store: Store) -> None:
    """What becomes of a question in a child."""
    expected = sorted(store.ask())
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if sorted(store.ask()) == expected else 3)
        except BaseException:  # noqa: BLE001 - told by the code
            os._exit(2)
    deadline = time.monotonic() + FORK_PATIENCE_S
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            outcomes = {0: "answers", 2: "fails", 3: "answers otherwise"}
            say(outcomes.get(code, f"dies of signal {-code}"))
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    say("hangs")


def main() -> None:
    """One act."""
    act, name, place, url = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]
    store = opened(name, place, url)
    if act == "write":
        say("go")
        store.write(place / (sys.argv[5] if len(sys.argv) > 5 else "docs"))
        say("done")
    elif act == "read":
        say([[text, list(vector)] for text, vector in store.rows()])
    elif act == "follow":
        follow(store)
    else:
        fork(store)


if __name__ == "__main__":
    main()
