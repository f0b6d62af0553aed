from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import ragkit
from ragkit.errors import InvalidArgument, ReadingError
from ragkit.reading.messages import FRAME_HEADER, READY, REPLY, Limits, ReadReply, ReadRequest
from ragkit.reading.pool import WorkerFailure, WorkerPool

HOME = Path(ragkit.__file__).parent.parent
MIB = 1024 * 1024

# A module whose handler does what the file's words tell it to.
MISBEHAVING = """
import ctypes, os, sys, time
from ragkit.reading.messages import ReadReply
from ragkit.reading.worker import serve

seen = 0

def handle(request):
    global seen
    seen += 1
    word = open(request.path, encoding="utf-8").read()
    if word == "print":
        print("noise " * 100_000)
        os.write(1, b"more noise")
        assert sys.stdin.read() == "" and os.read(0, 1) == b""
    if request.careful and word != "delicate":
        return None
    if word == "delicate" and not request.careful:
        ctypes.string_at(0)
    if word == "sleep":
        time.sleep(600)
    if word == "spin":
        while True: pass
    if word == "segfault":
        ctypes.string_at(0)
    if word == "kill":
        os.kill(os.getpid(), 9)
    if word == "exit":
        os._exit(3)
    if word == "raise":
        raise KeyError("oil")
    if word == "memory":
        bytearray(2 ** 40)
    if word == "grow":
        hoard = [bytes(1 << 20) for _ in range(100_000)]
    if word == "leak":
        globals().setdefault("hoard", []).append(bytearray(60 << 20))
    if word == "senseless":
        return {"skipped": 7}
    if word == "descriptors":
        return ReadReply(skipped=" ".join(sorted(os.listdir("/proc/self/fd"))))
    if word == "environment":
        return ReadReply(skipped=" ".join(sorted(os.environ)))
    if word == "path":
        return ReadReply(skipped=msgspec_home())
    return ReadReply(skipped=f"{word} {os.getpid()} {seen}")

def msgspec_home():
    import msgspec, ragkit
    return msgspec.__file__ + "|" + ragkit.__file__

serve(handle)
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Name of a worker module that misbehaves on request, importable while the tests run."""
    folder = tmp_path_factory.mktemp("module")
    (folder / "misbehaving_worker.py").write_text(MISBEHAVING, encoding="utf-8")
    sys.path.append(str(folder))
    yield "misbehaving_worker"
    sys.path.remove(str(folder))


def requests(folder: Path, words: list[str]) -> list[ReadRequest]:
    made = []
    for index, word in enumerate(words):
        path = folder / f"{index}.txt"
        path.write_text(word, encoding="utf-8")
        made.append(
            ReadRequest(path=os.fsencode(path), source=path.name, root="docs", max_file_bytes=MIB)
        )
    return made


def answers(
    module: str,
    folder: Path,
    words: list[str],
    *,
    workers: int = 1,
    timeout_s: float = 20,
    memory_mib: int = 200,
) -> list[str]:
    """The first word of each answer, or the reason of each failure, in order."""
    with WorkerPool(
        ReadReply,
        module=module,
        workers=workers,
        timeout_s=timeout_s,
        memory_bytes=memory_mib * MIB,
    ) as pool:
        return [
            answer.reason if isinstance(answer, WorkerFailure) else (answer.skipped or "")
            for _, answer in pool.run(requests(folder, words))
        ]


def first_words(found: list[str]) -> list[str]:
    return [text.split(" ")[0] if text[-1].isdigit() else text for text in found]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("sleep", "took longer than 0.5 s"),
        ("spin", "took longer than 0.5 s"),
        ("segfault", "the parser crashed (signal 11)"),
        ("kill", "the parser crashed (signal 9)"),
        ("exit", "the parser crashed (exit status 3)"),
        ("raise", "the parser crashed (exit status 1: KeyError: 'oil')"),
        (
            "senseless",
            "its reader's answer has no sense (Expected `str | null`, got `int` - at `$.skipped`)",
        ),
        ("memory", "needs more than 200 MiB"),
        ("grow", "needs more than 200 MiB"),
    ],
)
def test_a_bad_file_costs_itself_alone(module: str, tmp_path: Path, word: str, reason: str) -> None:
    """A parser that hangs, crashes or hoards costs one file, and the next ones are read."""
    found = answers(module, tmp_path, ["a", word, "b"], timeout_s=0.5)
    assert first_words(found) == ["a", reason, "b"]


def test_what_crashes_a_parser_is_read_with_care(module: str, tmp_path: Path) -> None:
    """A file whose parser crashed, and which has a careful way to be read, is read in that way."""
    found = answers(module, tmp_path, ["a", "delicate", "b"])
    assert first_words(found) == ["a", "delicate", "b"]


def test_one_file_is_not_blamed_for_another(module: str, tmp_path: Path) -> None:
    """Where earlier files filled the heap, the next is tried in a fresh process before it fails."""
    found = answers(module, tmp_path, ["leak", "leak", "leak", "leak"], memory_mib=200)
    assert first_words(found) == ["leak"] * 4
    assert len({text.split(" ")[1] for text in found}) > 1


def test_a_parser_that_prints_does_no_harm(module: str, tmp_path: Path) -> None:
    """Neither print nor a write to descriptor 1 reaches the frames, and stdin is empty."""
    assert first_words(answers(module, tmp_path, ["print", "b"])) == ["print", "b"]


def test_answers_come_in_order(module: str, tmp_path: Path) -> None:
    """However many processes work, the answers stand in the order of the questions."""
    words = [f"w{number}" for number in range(60)]
    found = answers(module, tmp_path, words, workers=3)
    assert first_words(found) == words
    assert 1 < len({text.split(" ")[1] for text in found}) <= 3


def test_requests_are_read_lazily_and_processes_start_late(module: str, tmp_path: Path) -> None:
    """Nothing starts before the first request, and only a few requests are read ahead."""
    listed = requests(tmp_path, ["a"] * 100)
    taken = 0

    def counted() -> Iterator[ReadRequest]:
        nonlocal taken
        for request in listed:
            taken += 1
            yield request

    with WorkerPool(
        ReadReply, module=module, workers=2, timeout_s=20, memory_bytes=200 * MIB
    ) as pool:
        run = pool.run(counted())
        assert taken == 0
        assert list(pool.run([])) == []
        next(run)
        assert 1 <= taken <= 16
        run.close()
        assert [type(answer) for _, answer in pool.run(listed[:3])] == [ReadReply] * 3


def test_no_descriptor_is_inherited(module: str, tmp_path: Path) -> None:
    """A worker has its own streams and nothing of its parent's, not even inheritable ones."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    with WorkerPool(
        ReadReply, module=module, workers=1, timeout_s=20, memory_bytes=200 * MIB
    ) as pool:
        ((_, answer),) = pool.run(requests(tmp_path, ["descriptors"]))
    os.close(reader)
    os.close(writer)
    assert isinstance(answer, ReadReply)
    # stdin, stdout, stderr, the two pipes, and the listing itself.
    assert len((answer.skipped or "").split()) == 6


def test_workers_end_with_the_pool(module: str, tmp_path: Path) -> None:
    """Closing kills also a process that is busy, at once."""
    pool = WorkerPool(ReadReply, module=module, workers=1, timeout_s=60, memory_bytes=200 * MIB)
    run = pool.run(requests(tmp_path, ["a", "sleep"]))
    _, first = next(run)
    assert isinstance(first, ReadReply)
    process = int((first.skipped or "").split(" ")[1])
    began = time.monotonic()
    pool.close()
    pool.close()
    assert time.monotonic() - began < 5
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with pytest.raises(InvalidArgument, match="closed"):
        list(pool.run(requests(tmp_path, ["a"])))


def test_a_module_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    """A broken installation is one error for all, not one line for each file."""
    with (
        WorkerPool(
            ReadReply, module="no_such_worker", workers=1, timeout_s=5, memory_bytes=200 * MIB
        ) as pool,
        pytest.raises(ReadingError, match=r"no_such_worker did not start: .*No module named"),
    ):
        list(pool.run(requests(tmp_path, ["a"])))


def test_an_interrupt_before_the_first_thread_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C at the moment when a thread would start is not covered by an error of the pool's."""

    def interrupted(thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with (
        pytest.raises(KeyboardInterrupt),
        WorkerPool(ReadReply, workers=1, timeout_s=5, memory_bytes=200 * MIB) as pool,
    ):
        list(pool.run(requests(tmp_path, ["a"])))


def test_limits_must_be_positive() -> None:
    """A pool without workers, time or memory could do nothing."""
    with pytest.raises(InvalidArgument, match="greater than 0"):
        WorkerPool(ReadReply, workers=0, timeout_s=1, memory_bytes=1)


def test_a_large_document_passes(tmp_path: Path) -> None:
    """A reply many times the size of a pipe arrives whole."""
    (tmp_path / "a.txt").write_text("lamp öl " * 500_000, encoding="utf-8")
    request = ReadRequest(
        path=os.fsencode(tmp_path / "a.txt"), source="a.txt", root="r", max_file_bytes=16 * MIB
    )
    with WorkerPool(ReadReply, workers=1, timeout_s=20, memory_bytes=300 * MIB) as pool:
        ((_, reply),) = pool.run([request])
    assert isinstance(reply, ReadReply)
    assert reply.document is not None
    assert (reply.document.root, reply.document.source) == ("r", "a.txt")
    assert reply.document.text == "lamp öl " * 500_000
    assert reply.size == len("lamp öl " * 500_000) + 500_000
    assert reply.digest is not None
    assert reply.mtime_ns == (tmp_path / "a.txt").stat().st_mtime_ns


SCRIPT = """
import os, sys
from ragkit.reading.messages import ReadReply, ReadRequest
from ragkit.reading.pool import WorkerPool

def read(path):
    request = ReadRequest(path=os.fsencode(path), source="a.md", root="", max_file_bytes=1 << 20)
    pool = WorkerPool(ReadReply, workers=2, timeout_s=30, memory_bytes=1 << 28)
    with pool:
        return [answer.document.title for _, answer in pool.run([request] * 3)]
"""


def run_script(code: str, folder: Path, *, cwd: Path | None = None) -> str:
    """Output of a script file that runs with ragkit on its path."""
    (folder / "a.md").write_text("# Lamp\n", encoding="utf-8")
    (folder / "script.py").write_text(SCRIPT + textwrap.dedent(code), encoding="utf-8")
    finished = subprocess.run(
        [sys.executable, "-W", "error", str(folder / "script.py"), str(folder / "a.md")],
        env={"PYTHONPATH": str(HOME), "PATH": os.defpath},
        cwd=cwd or folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.stderr == ""
    return finished.stdout


def test_a_script_without_a_main_guard_works(tmp_path: Path) -> None:
    """The worker does not run the script again."""
    assert run_script("print(read(sys.argv[1]))", tmp_path) == "['Lamp', 'Lamp', 'Lamp']\n"


def test_a_thread_of_a_one_liner_works(tmp_path: Path) -> None:
    """Code from ``python -c``, in a thread, with a relative sys.path, reads as well."""
    (tmp_path / "a.md").write_text("# Lamp\n", encoding="utf-8")
    code = SCRIPT + textwrap.dedent(
        """
        import threading
        thread = threading.Thread(target=lambda: print(read(sys.argv[1])))
        thread.start(); thread.join()
        """
    )
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path / "a.md")],
        cwd=HOME,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (finished.stdout, finished.stderr) == ("['Lamp', 'Lamp', 'Lamp']\n", "")


def test_a_daemon_works(tmp_path: Path) -> None:
    """A process that forked twice, left its session and closed its streams reads as well."""
    run_script(
        """
        if os.fork():
            os.wait(); sys.exit()
        os.setsid()
        if os.fork():
            os._exit(0)
        os.chdir("/")
        for descriptor in (0, 1, 2):
            os.close(descriptor)
        found = read(sys.argv[1])
        with open(sys.argv[1] + ".part", "w") as file:
            file.write(repr(found))
        os.rename(sys.argv[1] + ".part", sys.argv[1] + ".out")
        os._exit(0)
        """,
        tmp_path,
    )
    out = tmp_path / "a.md.out"
    deadline = time.monotonic() + 30
    while not out.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert out.read_text() == "['Lamp', 'Lamp', 'Lamp']"


def test_a_running_event_loop_does_not_matter(tmp_path: Path) -> None:
    """Inside a coroutine, as in Jupyter, the pool needs no loop of its own."""
    (tmp_path / "a.txt").write_text("lamp", encoding="utf-8")

    async def cell() -> list[ReadReply | WorkerFailure]:
        with WorkerPool(ReadReply, workers=1, timeout_s=20, memory_bytes=200 * MIB) as pool:
            return [answer for _, answer in pool.run(requests(tmp_path, ["lamp"]))]

    (reply,) = asyncio.run(cell())
    assert isinstance(reply, ReadReply)
    assert reply.document is not None
    assert reply.document.text == "lamp"


def test_modules_in_the_working_directory_are_not_imported(tmp_path: Path) -> None:
    """A folder to index may hold a msgspec.py; a worker started from there runs none of it."""
    for name in ("msgspec", "json", "runpy", "logging", "yaml", "selectolax", "pypdfium2"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('evil')", encoding="utf-8")
    inner = tmp_path / "elsewhere"
    inner.mkdir()
    assert run_script("print(read(sys.argv[1]))", inner, cwd=tmp_path).count("Lamp") == 3


def test_the_worker_imports_the_same_packages(module: str, tmp_path: Path) -> None:
    """The child's ragkit and msgspec are the parent's."""
    (found,) = answers(module, tmp_path, ["path"])
    assert found == f"{msgspec.__file__}|{ragkit.__file__}"


def test_workers_know_no_secret(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys and tokens of the environment stay with the parent; the rest goes over."""
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-lamp")
    monkeypatch.setenv("SOME_TOKEN", "lamp")
    monkeypatch.setenv("LAMP_COLOUR", "green")
    (found,) = answers(module, tmp_path, ["environment"])
    assert "LAMP_COLOUR" in found.split()
    assert not [name for name in found.split() if "KEY" in name or "TOKEN" in name]


def alive(process: int) -> bool:
    """Whether a process runs; one that only waits for its parent to notice does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_workers_die_with_their_parent(module: str, tmp_path: Path) -> None:
    """After SIGKILL of the parent, an idle worker ends by itself."""
    code = f"""
    import time
    sys.path.append({str(next(p for p in sys.path if Path(p, module + ".py").exists()))!r})
    request = ReadRequest(
        path=os.fsencode(sys.argv[1]), source="a", root="", max_file_bytes=1 << 20
    )
    pool = WorkerPool(
        ReadReply, module={module!r}, workers=1, timeout_s=30, memory_bytes=1 << 28
    )
    ((_, answer),) = pool.run([request])
    print(answer.skipped.split()[-2], flush=True)
    time.sleep(60)
    """
    (tmp_path / "a.md").write_text("a", encoding="utf-8")
    (tmp_path / "script.py").write_text(SCRIPT + textwrap.dedent(code), encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "a.md")],
        env={"PYTHONPATH": str(HOME)},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert alive(worker)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(worker)


def test_an_interrupt_in_the_terminal_leaves_workers_alone(module: str, tmp_path: Path) -> None:
    """A worker is in a session of its own and ignores SIGINT: the parent decides."""
    with WorkerPool(
        ReadReply, module=module, workers=1, timeout_s=20, memory_bytes=200 * MIB
    ) as pool:
        listed = requests(tmp_path, ["a", "b"])
        ((_, first),) = pool.run(listed[:1])
        assert isinstance(first, ReadReply)
        process = int((first.skipped or "").split()[1])
        assert os.getsid(process) == process
        os.kill(process, signal.SIGINT)
        ((_, second),) = pool.run(listed[1:])
        assert isinstance(second, ReadReply)
        assert (second.skipped or "").split()[1:] == [str(process), "2"]


def test_many_threads_may_share_a_pool(tmp_path: Path) -> None:
    """Two threads that iterate at once each get their own answers."""
    listed = requests(tmp_path, [f"lamp {number}" for number in range(40)])
    found: dict[int, list[str]] = {}
    with WorkerPool(ReadReply, workers=2, timeout_s=20, memory_bytes=200 * MIB) as pool:

        def read(part: int) -> None:
            found[part] = [
                answer.document.text
                for _, answer in pool.run(listed[part::2])
                if isinstance(answer, ReadReply) and answer.document is not None
            ]

        threads = [threading.Thread(target=read, args=(part,)) for part in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found[0] == [f"lamp {number}" for number in range(0, 40, 2)]
    assert found[1] == [f"lamp {number}" for number in range(1, 40, 2)]


def test_the_protocol_is_frames_of_msgpack(tmp_path: Path) -> None:
    """``python -m ragkit.reading.worker`` takes limits, says it is ready, and answers."""
    (tmp_path / "a.md").write_text("# Lamp\n", encoding="utf-8")
    limits = msgspec.msgpack.encode(Limits(memory_bytes=300 * MIB, timeout_s=10))
    request = msgspec.msgpack.encode(
        ReadRequest(path=os.fsencode(tmp_path / "a.md"), source="a.md", root="", max_file_bytes=MIB)
    )
    sent = b"".join(FRAME_HEADER.pack(0, len(body)) + body for body in (limits, request))
    finished = subprocess.run(
        [sys.executable, "-m", "ragkit.reading.worker"],
        input=sent,
        cwd=HOME,
        capture_output=True,
        timeout=30,
        check=True,
    )
    header = FRAME_HEADER.size
    assert FRAME_HEADER.unpack(finished.stdout[:header]) == (READY, 0)
    kind, length = FRAME_HEADER.unpack(finished.stdout[header : 2 * header])
    assert (kind, length) == (REPLY, len(finished.stdout) - 2 * header)
    reply = msgspec.msgpack.decode(finished.stdout[2 * header :], type=ReadReply)
    assert reply.document is not None
    assert reply.document.title == "Lamp"
