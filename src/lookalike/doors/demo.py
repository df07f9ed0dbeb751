"""The whole way on the sample, as the commands that a user would type."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path

from lookalike.errors import TableError

SAMPLE, RECIPE = Path("examples/emoji"), Path("recipes/emoji.yaml")
SAME_THING = ("1f42c/noto.png", "1f42c/twemoji.png")
OTHER_THING = "1f420/noto.png"


@dataclass(frozen=True)
class Plan:
    """Arguments of the commands, in order, where the two pages will lie, and the command for the third."""

    commands: tuple[list[str], ...]
    report: Path
    answers: Path
    page: list[str]


def plan(out: Path | None) -> Plan:
    """Find the sample and lay out the way.

    Args:
        out: folder for what is made; None: the first free runs/demo, runs/demo2 ...

    Raises:
        TableError: the sample is not here.
    """
    home = _home()
    sample, folder = home / SAMPLE, out or _free_folder()
    model, index, answers = str(folder / "model"), str(folder / "emoji.idx"), folder / "search.html"
    a, b, other = (str(sample / name) for name in (*SAME_THING, OTHER_THING))
    commands = (
        ["describe", str(sample)],
        ["train", str(home / RECIPE), "--data", str(sample), "--out", str(folder)],
        ["index", index, str(sample), "--model", model],
        ["search", index, a, "-k", "8", "--html", str(answers)],
        ["match", model, a, b],
        ["match", model, a, other],
        ["info", index],
    )
    return Plan(commands, folder / "report.html", answers, ["serve", index])


def _home() -> Path:
    """Where the sample lies: here, or in the checkout that this package was installed from."""
    for home in (Path(), Path(__file__).parents[3]):
        if (home / SAMPLE).is_dir() and (home / RECIPE).is_file():
            return home
    raise TableError(
        "the sample is not here",
        where=Path().resolve(),
        saw=f"no {SAMPLE}",
        do="run it in a checkout, or start with your own: lookalike train RUN.yaml --data FOLDER",
    )


def _free_folder() -> Path:
    folders = (Path("runs") / f"demo{number if number > 1 else ''}" for number in count(1))
    return next(folder for folder in folders if not folder.exists())
