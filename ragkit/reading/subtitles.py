"""Subtitles (WebVTT, SubRip): what is said, as paragraphs that begin with their time."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ragkit.reading.composing import Composer, one_line
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.decoding import decode
from ragkit.reading.structure import split_lines

__all__ = ["read_subtitles"]

_TIMES = re.compile(
    r"\s*(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})\s*-->\s*"
    r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
)
_SPEAKER = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]{1,100})>")
_TAG = re.compile(r"</?[a-zA-Z0-9][^<>]{0,200}>|\{\\[^{}]{0,100}\}")
_SENTENCE_END = (".", "!", "?", "…", "。", "！", "？")
_PAUSE_S = 4.0
_PARAGRAPH_CHARACTERS = 400
_LONGEST_PARAGRAPH_CHARACTERS = 1200


@dataclass(frozen=True, slots=True)
class _Cue:
    start_s: float
    end_s: float
    speaker: str
    words: str


def read_subtitles(raw: RawFile) -> Reading:
    """Read subtitles; a paragraph ends with a pause, another speaker, or a sentence far enough.

    Lines that a rolling caption repeats are read once. What has no cue is read as plain text.
    """
    decoded = decode(raw.data)
    composer = Composer()
    composer.warnings += decoded.warnings
    for start_s, speaker, words in _paragraphs(_cues(split_lines(decoded.text))):
        said = f"{speaker}: {words}" if speaker else words
        composer.paragraph(f"[{_clock(start_s)}] {said}")
    if not composer.blocks:
        composer.plain(decoded.text.removeprefix("WEBVTT"))
    return composer.reading(raw, title=None)


def _cues(lines: list[str]) -> Iterator[_Cue]:
    index = 0
    shown: list[str] = []
    while index < len(lines):
        match = _TIMES.match(lines[index])
        index += 1
        if match is None:
            continue
        words: list[str] = []
        speaker = ""
        while index < len(lines) and lines[index].strip() and not _TIMES.match(lines[index]):
            line = lines[index]
            voice = _SPEAKER.search(line)
            speaker = one_line(voice.group(1)) if voice else speaker
            words.append(one_line(html.unescape(_TAG.sub("", line))))
            index += 1
        fresh = [line for line in words if line and line not in shown]
        shown = words
        if fresh:
            start_s, end_s = _seconds(match, 1), _seconds(match, 5)
            yield _Cue(start_s, end_s, speaker, " ".join(fresh))


def _paragraphs(cues: Iterator[_Cue]) -> Iterator[tuple[float, str, str]]:
    """(start in seconds, speaker, words) of cues that belong together."""
    held: list[_Cue] = []
    length = 0
    for cue in cues:
        if held and _parts(held[-1], cue, length):
            yield held[0].start_s, held[0].speaker, " ".join(item.words for item in held)
            held, length = [], 0
        held.append(cue)
        length += len(cue.words) + 1
    if held:
        yield held[0].start_s, held[0].speaker, " ".join(item.words for item in held)


def _parts(before: _Cue, after: _Cue, length: int) -> bool:
    if before.speaker != after.speaker or after.start_s - before.end_s > _PAUSE_S:
        return True
    ended = before.words.endswith(_SENTENCE_END)
    return length > (_PARAGRAPH_CHARACTERS if ended else _LONGEST_PARAGRAPH_CHARACTERS)


def _seconds(match: re.Match[str], first: int) -> float:
    hours, minutes, seconds, fraction = (match.group(first + n) or "0" for n in range(4))
    return 3600 * int(hours) + 60 * int(minutes) + int(seconds) + int(fraction.ljust(3, "0")) / 1000


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
