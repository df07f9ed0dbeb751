from __future__ import annotations

import pickle

import pytest

from lookalike.errors import BatchError, ImageError, LookalikeError, MissingExtraError, SkipReason


def test_message_has_four_beats_on_one_line() -> None:
    error = LookalikeError("it broke", where="a.yaml: key", saw="3\nlines", wanted="2", do="mend it")
    assert str(error) == "it broke - a.yaml: key - saw 3 lines, wanted 2 - mend it"


@pytest.mark.parametrize(
    "error",
    [
        BatchError("no positives", where="batch", saw="8 labels", do="use P x K"),
        ImageError("bad", reason=SkipReason.EMPTY, where="a.png", saw="0 bytes", do="restore it"),
        MissingExtraError("torch", extra="train"),
    ],
)
def test_errors_cross_processes(error: LookalikeError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__


def test_missing_extra_names_the_command() -> None:
    assert "pip install 'lookalike[train]'" in str(MissingExtraError("torch", extra="train"))
