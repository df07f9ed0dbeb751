"""Pictures are decoded elsewhere as they are here, and what happens to that process stays there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.errors import ImageError, SkipReason
from lookalike.models.explanation import SHOWN
from lookalike.pictures.images import open_image, open_picture
from lookalike.pictures.preprocess import prepare
from lookalike.pictures.prints import look_of
from lookalike.presenting.thumbnails import thumbnail
from lookalike.records import Box
from lookalike.serving import decoder, decoding
from lookalike.serving.decoder import Limits
from lookalike.serving.decoding import Decoders
from lookalike.serving.problems import Problem
from lookalike.serving.settings import Settings
from pictures import content, exif, noise, smooth
from tiny_model import TINY

SETTINGS = Settings(Path("a.idx"), max_pixels=2_000_000, decode_seconds=30.0)
PICTURES = {
    "png": content(noise(40, 30), "PNG"),
    "jpeg": content(smooth(300, 200), "JPEG", exif=exif(6).tobytes()),
    "blank": content(Image.new("RGB", (50, 60), "white"), "PNG"),
}
BAD = {
    "empty": b"",
    "html": b"<html><script>alert(1)</script></html>",
    "torn": PICTURES["png"][:200],
    "flat": content(Image.new("RGB", (1, 9)), "PNG"),
    "huge": content(Image.new("L", (2001, 1000)), "PNG"),
}


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders(TINY, SETTINGS, count=1)
    yield made
    made.close()


def lives(decoders: Decoders) -> bool:
    """Whether a good picture is decoded."""
    return decoders.prepared(PICTURES["png"]).pixels.shape == (32, 32, 3)


@pytest.mark.parametrize("box", [None, (3, 4, 25, 28)], ids=["whole", "part"])
@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_prepared_as_they_are_here(decoders: Decoders, name: str, box: Box | None) -> None:
    picture = open_picture(PICTURES[name], target=TINY.decode_target, box=box)
    found = decoders.prepared(PICTURES[name], box=box)
    assert found.pixels.tolist() == prepare(picture.pixels, TINY).tolist()
    assert decoders.pixels(PICTURES[name], box=box).tolist() == found.pixels.tolist()
    assert found.look == look_of(picture, PICTURES[name], box=box)


@pytest.mark.parametrize("size", [16, 100])
def test_small_copies_are_those_of_galleries(decoders: Decoders, tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(PICTURES["jpeg"])
    assert decoders.small(path, size) == thumbnail(path, size)
    assert decoders.small(PICTURES["jpeg"], size, box=(0, 0, 90, 50)) == thumbnail(
        path, size, box=(0, 0, 90, 50)
    )


def test_a_picture_to_look_at_is_decoded_twice(decoders: Decoders) -> None:
    shown, prepared = decoders.viewed(PICTURES["jpeg"])
    assert shown.tolist() == open_image(PICTURES["jpeg"], target=SHOWN).tolist()
    assert prepared.tolist() == decoders.prepared(PICTURES["jpeg"]).pixels.tolist()


def test_what_is_looked_at_has_a_size_that_can_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "SHOWN_PIXELS", 500)
    limits = Limits(TINY.to_json(), 10_000, 30.0)
    header, body = decoder.answer(
        limits, {"do": "view", "path": None, "box": None, "size": 640}, PICTURES["png"]
    )
    assert header["shown"] == (26, 19, 3)
    assert len(body) == 3 * 32 * 32 + 3 * 26 * 19


@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_is_told_as_it_is_here(decoders: Decoders, name: str) -> None:
    with pytest.raises(ImageError) as here:
        open_image(BAD[name], max_pixels=SETTINGS.max_pixels)
    with pytest.raises(ImageError) as there:
        decoders.prepared(BAD[name], name="mine.png")
    ours, theirs = there.value, here.value
    assert ours.reason is theirs.reason
    assert (ours.what, ours.saw, ours.wanted, ours.do) == (theirs.what, theirs.saw, theirs.wanted, theirs.do)
    assert ours.where == "mine.png"
    assert decoders.failures == 0
    assert lives(decoders)


def test_a_file_that_is_gone_is_told(decoders: Decoders, tmp_path: Path) -> None:
    with pytest.raises(ImageError) as error:
        decoders.small(tmp_path / "gone.png", 64)
    assert error.value.reason is SkipReason.MISSING


def test_memory_that_runs_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(decoder, "open_image", greedy)
    asked = {"do": "small", "path": None, "box": None, "size": 64, "quality": 85}
    header, body = decoder.answer(Limits(TINY.to_json(), 10, 1.0), asked, b"x")
    assert (header["reason"], header["saw"], body) == ("too large", "more than fits the memory", b"")


def test_a_process_that_ended_is_replaced_before_it_is_asked(decoders: Decoders) -> None:
    assert lives(decoders)
    (before,) = decoders.processes
    os.kill(before, signal.SIGKILL)
    os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
    assert lives(decoders)
    assert decoders.processes != (before,)


def test_a_picture_that_ends_the_process_cannot_be_used(decoders: Decoders) -> None:
    assert lives(decoders)
    failures, (before,) = decoders.failures, decoders.processes
    os.kill(before, signal.SIGSTOP)
    threading.Timer(0.1, os.kill, (before, signal.SIGKILL)).start()
    with pytest.raises(ImageError) as error:
        decoders.prepared(PICTURES["png"], name="evil.png")
    assert error.value.reason is SkipReason.UNREADABLE
    assert str(error.value) == (
        "the picture cannot be used - evil.png - saw the decoder ended with SIGKILL - "
        "save it again in another format"
    )
    assert decoders.failures == failures + 1
    assert lives(decoders)


@pytest.fixture
def hasty() -> Iterator[Decoders]:
    """One process, that has half a second for a picture."""
    made = Decoders(TINY, Settings(Path("a.idx"), decode_seconds=0.5), count=1)
    made.warm()
    yield made
    made.close()


def awake(decoders: Decoders) -> int:
    """Wait until the process answers; its number."""
    while True:
        try:
            decoders.prepared(PICTURES["png"])
            return decoders.processes[0]
        except ImageError:  # on a busy machine
            time.sleep(0.1)


def test_a_picture_that_takes_too_long_cannot_be_used(hasty: Decoders) -> None:
    before = awake(hasty)
    os.kill(before, signal.SIGSTOP)
    with pytest.raises(ImageError) as error:
        hasty.prepared(PICTURES["png"], name="slow.png")
    assert error.value.reason is SkipReason.TOO_LARGE
    assert str(error.value) == (
        "the picture takes too long to decode - slow.png - saw more than 0.5 seconds - "
        "scale it down, or save it in another format"
    )
    assert awake(hasty) != before


def test_who_finds_no_process_free_is_asked_to_come_again(
    hasty: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "PATIENCE", 0.01)
    os.kill(awake(hasty), signal.SIGSTOP)
    seen: list[Exception] = []

    def ask() -> None:
        try:
            hasty.prepared(PICTURES["png"])
        except (ImageError, Problem) as error:
            seen.append(error)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (problem,) = (error for error in seen if isinstance(error, Problem))
    assert (problem.status_code, problem.code, problem.headers) == (503, "busy", {"Retry-After": "5"})


def test_closing_ends_all_processes_also_one_that_is_stopped() -> None:
    made = Decoders(TINY, SETTINGS, count=2)
    made.warm()
    processes = made.processes
    assert len(processes) == 2
    os.kill(processes[0], signal.SIGSTOP)
    made.close()
    assert not made.processes
    assert not any(Path(f"/proc/{number}").exists() for number in processes)
    with pytest.raises(ImageError, match="the server stops"):
        made.small(PICTURES["png"], 64)


def test_processes_end_with_whoever_started_them() -> None:
    code = (
        "import os; from pathlib import Path\n"
        "from lookalike.serving.decoding import Decoders; from lookalike.serving.settings import Settings\n"
        "from tiny_model import TINY\n"
        "made = Decoders(TINY, Settings(Path('a.idx')), count=2); made.warm()\n"
        "print(*made.processes, flush=True); os.kill(os.getpid(), 9)"
    )
    paths = {"PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | paths
    )
    numbers = done.stdout.split()
    assert len(numbers) == 2
    until = time.monotonic() + 30
    while any(is_there(number) for number in numbers) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(is_there(number) for number in numbers)


def is_there(number: str) -> bool:
    """Whether a process runs: one that nobody waited for does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_decoder_knows_the_pictures_room_and_has_limits() -> None:
    limits = asdict(Limits(TINY.to_json(), 1_000_000, 1.0))
    code = (
        "import sys, resource, json; from lookalike.serving import decoder\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'onnxruntime', 'fastapi', 'faiss', 'matplotlib', 'pydantic', 'torch'}, loaded\n"
        "decoder._bound(decoder.Limits(**json.loads(sys.argv[1])))\n"
        "assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0\n"
        "kept = bytearray(1 << 29)\n"
        "try: bytearray(2 << 30)\n"
        "except MemoryError: print('bounded')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(limits)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("bounded\n", "")


def test_messages_that_break_off_are_the_end() -> None:
    import io

    buffer = io.BytesIO()
    decoder.write_message(buffer, {"a": 1}, b"xyz")
    whole = buffer.getvalue()
    assert decoder.read_message(io.BytesIO(whole)) == ({"a": 1}, b"xyz")
    for end in range(len(whole)):
        assert decoder.read_message(io.BytesIO(whole[:end])) is None


def test_many_threads_get_their_own_pictures() -> None:
    pictures = [content(Image.new("RGB", (40, 40), (grey, grey, grey)), "PNG") for grey in range(12)]
    made = Decoders(TINY, SETTINGS, count=2)
    found: dict[int, int] = {}

    def ask(grey: int) -> None:
        found[grey] = int(np.unique(made.prepared(pictures[grey]).pixels).item())

    threads = [threading.Thread(target=ask, args=(grey,)) for grey in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made.close()
    assert found == {grey: grey for grey in range(12)}
