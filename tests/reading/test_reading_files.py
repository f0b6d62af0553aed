from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import ragkit
from ragkit import read
from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.files import read_file
from ragkit.reading.messages import ReadReply, ReadRequest


def ask(path: Path, *, max_file_bytes: int = 1 << 20) -> ReadReply:
    reply = read_file(
        ReadRequest(
            path=os.fsencode(path), source=path.name, root="", max_file_bytes=max_file_bytes
        )
    )
    assert reply is not None
    return reply


def test_a_reply_says_which_bytes_were_read(tmp_path: Path) -> None:
    """Digest, size and time are those of the opened file."""
    path = tmp_path / "a.md"
    path.write_bytes(b"# Lamp\r\n")
    os.utime(path, ns=(1, 10**18))
    reply = ask(path)
    assert reply.digest == hashlib.sha256(b"# Lamp\r\n").digest()
    assert (reply.size, reply.mtime_ns) == (8, 10**18)
    assert reply.document is not None
    assert (reply.skipped, reply.failed, reply.warnings) == (None, None, ())


def test_a_skipped_file_keeps_its_digest(tmp_path: Path) -> None:
    """A file that was read and is not to be indexed is known by its content all the same."""
    path = tmp_path / "a.mobi"
    path.write_bytes(b"PK\x03\x04")
    reply = ask(path)
    assert reply.skipped == "format not read yet: .mobi"
    assert reply.digest == hashlib.sha256(b"PK\x03\x04").digest()


def test_a_fifo_never_blocks(tmp_path: Path) -> None:
    """A named pipe that took a file's place is skipped at once."""
    os.mkfifo(tmp_path / "a.txt")
    assert ask(tmp_path / "a.txt").skipped == "not a regular file"


def test_a_link_that_took_a_files_place_is_not_followed(tmp_path: Path) -> None:
    """What the walk found as a file is not opened as a link to somewhere else."""
    (tmp_path / "a.txt").symlink_to("/etc/hostname")
    reply = ask(tmp_path / "a.txt")
    assert reply.document is None
    assert reply.failed == "became a symbolic link while the folder was indexed"


def test_a_file_that_is_gone_or_grew_is_one_line(tmp_path: Path) -> None:
    """Files change between walk and reading; each has its reason."""
    assert ask(tmp_path / "gone.txt").failed == "cannot be opened: no such file or directory"
    assert ask(tmp_path).failed == "cannot be opened: is a directory"
    (tmp_path / "a.txt").write_bytes(b"x" * 3_000_000)
    assert ask(tmp_path / "a.txt").skipped == "larger than 1 MiB"


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    """Without permission the reason is the system's, in one line."""
    path = tmp_path / "a.txt"
    path.write_text("lamp")
    path.chmod(0)
    # Root may read everything, so the question is asked as someone else.
    code = (
        "import os\n"
        "from ragkit.reading.files import read_file\n"
        "from ragkit.reading.messages import ReadRequest\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "request = ReadRequest(path=b'a.txt', source='a', root='', max_file_bytes=9)\n"
        "print(read_file(request).failed)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(ragkit.__file__).parent.parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert finished.stdout == "cannot be opened: permission denied\n"


def test_a_file_that_is_being_written_is_not_taken_half(tmp_path: Path) -> None:
    """A reading that saw two states is repeated once, and then reported."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"lamp" * 20_000_000)
    # A process, since a thread may not get its turn while the file is read.
    script = (
        "import sys\nfile = open(sys.argv[1], 'ab', buffering=0)\n"
        "file.write(b'oil')\nprint('writing', flush=True)\nwhile True: file.write(b'oil')"
    )
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        reply = ask(path, max_file_bytes=1 << 30)
        writer.kill()
    assert reply.document is None
    assert reply.failed == "changed while it was read: index again when nothing writes to it"


def test_a_file_is_read_where_it_can_do_no_harm(tmp_path: Path) -> None:
    """No native parser is loaded into the process that calls ``read``, whatever holds what."""
    (tmp_path / "a.py").write_text("def lamp():\n    return 1\n")
    (tmp_path / "a.html").write_text("<h1>Lamp</h1><p>oil")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.py", "a.py")
    script = (
        "import sys, ragkit\n"
        "print([ragkit.read(name).media_type for name in sys.argv[1:]])\n"
        "print({'tree_sitter', 'PIL', 'pypdfium2', 'selectolax'} & set(sys.modules))\n"
    )
    names = [str(tmp_path / name) for name in ("a.py", "a.html", "a.zip")]
    done = subprocess.run(
        [sys.executable, "-c", script, *names], capture_output=True, text=True, check=True
    )
    assert done.stdout == "['text/x-python', 'text/html', 'application/zip']\nset()\n"


def test_what_a_guarded_file_is_called_and_why_it_is_refused(tmp_path: Path) -> None:
    """Read in another process it keeps its name, through a link too, and errors stay the same."""
    (tmp_path / "a.py").write_text("def lamp():\n    return 1\n")
    (tmp_path / "b.py").symlink_to(tmp_path / "a.py")
    found = read(tmp_path / "b.py")
    assert (found.source, [section.title for section in found.sections]) == ("b.py", ["def lamp()"])
    (tmp_path / "noise.py").write_bytes(bytes(5000))
    with pytest.raises(DocumentSkipped, match="binary file"):
        read(tmp_path / "noise.py")
    (tmp_path / "cut.pdf").write_bytes(b"%PDF-1.4\n")
    with pytest.raises(DocumentUnreadable, match="damaged PDF"):
        read(tmp_path / "cut.pdf")
