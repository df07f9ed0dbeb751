"""What a person at the command line is told to do, as one who asks over HTTP is told it.

A text of the core enters, a hint leaves: options are called as keys of a question, and a command names the
index, the model and folders by words, for whoever asks knows no path of this machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

_COMMAND = "lookalike "
_FILTER = re.compile(r'--where "([^"]*)"')
_RANGE = re.compile(r"--between (-?[\d.]+) (-?[\d.]+)")
_NUMBER = re.compile(r"--([a-z-]+) (-?\d+(?:\.\d+)?)")
_NAME = re.compile(r"by --([a-z-]+) ([^\s,;]+)")
_FLAG = re.compile(r"--([a-z]+(?:-[a-z]+)*)")


def advised(text: str, places: Mapping[Path, str]) -> str:
    """A step to do next, for who asks over HTTP; what follows a command, up to a semicolon, is its own.

    Args:
        places: what a command calls folders and files of this machine.

    >>> advised("by --threshold a, or lookalike calibrate /m DATA --name x", {Path("/m"): "MODEL"})
    'by "threshold": "a", or lookalike calibrate MODEL DATA --name x'
    """
    asked, command, rest = text.partition(_COMMAND)
    words, semicolon, other = rest.partition("; ")
    return _as_keys(asked) + command + _by_words(words, places) + semicolon + _as_keys(other)


def _as_keys(text: str) -> str:
    text = _FILTER.sub(lambda found: found[1], text)
    text = _RANGE.sub(lambda found: f'"lowest": {found[1]}, "highest": {found[2]}', text)
    text = _NUMBER.sub(lambda found: f'"{_key(found[1])}": {found[2]}', text)
    text = _NAME.sub(lambda found: f'by "{_key(found[1])}": {json.dumps(found[2])}', text)
    return _FLAG.sub(lambda found: _key(found[1]), text)


def _key(option: str) -> str:
    return option.replace("-", "_")


def _by_words(command: str, places: Mapping[Path, str]) -> str:
    for place in sorted(places, key=lambda place: len(str(place)), reverse=True):
        shown = re.escape(str(place))
        word = places[place]
        command = re.sub(rf"(?<![^\s'\"=])(['\"]?){shown}\1(?![^\s'\";,])", word, command)
    return command
