"""What to do next, as who asks over HTTP is told: keys in place of options, words in place of paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookalike.serving.advice import advised

PLACES = {
    Path("/srv/a.idx"): "INDEX",
    Path("/srv/m"): "MODEL",
    Path("/srv/my photos"): "DATA",
    Path("rel/m"): "default",
}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("give --where or leave out --max-bytes", "give where or leave out max_bytes"),
        ("for example --where \"label = 'cat'\"", "for example label = 'cat'"),
        ("for example --prior 0.01, where one pair", 'for example "prior": 0.01, where one pair'),
        ("for example --between -0.6 0.95", 'for example "lowest": -0.6, "highest": 0.95'),
        ("lookalike doctor /srv/a.idx --repair", "lookalike doctor INDEX --repair"),
        ("lookalike index '/srv/my photos' --model=/srv/m", "lookalike index DATA --model=MODEL"),
        ("lookalike calibrate rel/m DATA", "lookalike calibrate default DATA"),
        ("lookalike match /srv/m D; or no --prior", "lookalike match MODEL D; or no prior"),
        ("lookalike index /srv/a.idx-new.idx /srv/m/x", "lookalike index /srv/a.idx-new.idx /srv/m/x"),
        (
            "take it by --threshold a-b, or make one: lookalike calibrate /srv/m DATA --name x",
            'take it by "threshold": "a-b", or make one: lookalike calibrate MODEL DATA --name x',
        ),
    ],
    ids=["flags", "filter", "number", "range", "index", "data", "default", "after", "others", "name"],
)
def test_options_are_keys_and_a_command_can_be_typed(text: str, wanted: str) -> None:
    assert advised(text, PLACES) == wanted
