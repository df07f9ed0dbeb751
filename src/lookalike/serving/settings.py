"""What a server is told when it starts: the words of a command line enter, a checked record leaves.

The record goes to worker processes as JSON. What each limit does is written where it is kept.
"""

from __future__ import annotations

import ipaddress
import json
import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from lookalike.errors import LookalikeError
from lookalike.pictures.images import MAX_PIXELS

LogFormat = Literal["text", "json"]
LOCALHOST = "localhost"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to serve an index.

    Attributes:
        index: the index file.
        host, port: where to listen; port 0 is any free one.
        token: what a request has to know; None: nothing.
        insecure: let anybody who reaches the port ask, also from other machines.
        writable: pictures can be added and removed, and thresholds saved.
        workers: processes that answer.
        origins: of other pages that may ask, for example https://shop.example; nobody else is let in by CORS.
        hosts: further names that the server is called by, for example behind a proxy.
        proxy: believe a proxy on this machine who asks, and by which scheme.
        rate: requests a minute that one client may make; None: any number.
        max_bytes: of the pictures of one request together; max_files: their number.
        max_pixels: of one picture.
        decode_seconds: that one picture may take to be decoded.
        log: how a line of the log is written.
    """

    index: Path
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = field(default=None, repr=False)
    insecure: bool = False
    writable: bool = False
    workers: int = 1
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    proxy: bool = False
    rate: int | None = None
    max_bytes: int = 20_000_000
    max_pixels: int = MAX_PIXELS
    max_files: int = 8
    decode_seconds: float = 10.0
    log: LogFormat = "text"

    def __post_init__(self) -> None:
        if not self.is_local and self.token is None and not self.insecure:
            raise _open_to_others(self)
        if self.token is not None and (len(self.token) < SHORTEST_TOKEN or not _is_plain(self.token)):
            raise _unfit_token(self.token)
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise _unfit(name, saw=f"{value:g}", wanted=f"at least {least:g}")
        if self.port > LAST_PORT:
            raise _unfit("port", saw=f"{self.port}", wanted=f"at most {LAST_PORT}")
        if self.log not in ("text", "json"):
            raise _unfit("log", saw=self.log, wanted="text or json")
        for origin in self.origins:
            _check_origin(origin)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == LOCALHOST:
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def to_json(self) -> str:
        """The settings as text, the token among them: for processes of this server alone."""
        return json.dumps(asdict(self) | {"index": str(self.index)})

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """The settings that were written by `to_json`."""
        values = json.loads(text)
        sets = {name: tuple(values[name]) for name in ("origins", "hosts")}
        return cls(**(values | sets | {"index": Path(values["index"])}))


SHORTEST_TOKEN = 16  # characters: shorter ones can be guessed
LAST_PORT = 65_535
_LEAST = {
    "port": 0,
    "workers": 1,
    "rate": 1,
    "max_bytes": 1,
    "max_pixels": 4,
    "max_files": 1,
    "decode_seconds": 0.1,
}


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _open_to_others(settings: Settings) -> LookalikeError:
    index, host = shlex.quote(str(settings.index)), shlex.quote(settings.host)
    return LookalikeError(
        "other machines could ask this server anything",
        where=f"--host {settings.host}",
        saw="no token",
        wanted="a token that they have to know, or your word that anybody may ask",
        do=f'lookalike serve {index} --host {host} --token "$(openssl rand -hex 16)"; or --insecure',
    )


def _unfit(name: str, *, saw: str, wanted: str) -> LookalikeError:
    option = f"--{name.replace('_', '-')}"
    return LookalikeError(
        "a server cannot be set up like this", where=option, saw=saw, wanted=wanted, do=f"change {option}"
    )


def _unfit_token(token: str) -> LookalikeError:
    letters = f"{len(token)} character" + ("" if len(token) == 1 else "s")
    others = " and others than these" if token and not _is_plain(token) else ""
    return LookalikeError(
        "a server cannot be set up like this",
        where="--token, or LOOKALIKE_TOKEN",
        saw=f"{letters}{others}" if token else "an empty one",
        wanted=f"at least {SHORTEST_TOKEN} printable ASCII characters without spaces",
        do='make one: --token "$(openssl rand -hex 16)"; or leave it out',
    )


def _check_origin(origin: str) -> None:
    scheme, slashes, rest = origin.partition("://")
    if scheme not in ("http", "https") or not slashes or not rest or "/" in rest or "*" in rest:
        raise LookalikeError(
            "this is not the origin of a page",
            where="--origin",
            saw=origin,
            wanted="scheme and host, and the port if it is not the usual one",
            do="for example --origin https://shop.example",
        )
