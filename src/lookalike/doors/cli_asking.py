"""What the command search asks: its pictures, items, weights and attributes become one call of the core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lookalike.doors.cli_options import picture_paths
from lookalike.errors import LookalikeError

if TYPE_CHECKING:
    from lookalike.indexing.index import Index
    from lookalike.indexing.selection import Selection
    from lookalike.records import Hits, Skipped

_FOR_TWO = {"threshold": "default", "probability": None}  # options for a picture against a picture


@dataclass(frozen=True)
class Question:
    """What is asked, as it was typed.

    Attributes:
        paths: of IMAGE...; ids: items of the index.
        plus, minus: pictures that are added to each query, or taken away.
        weights: of IMAGE..., joined by commas; with them, or with `together`, all of IMAGE... are one query.
    """

    paths: Sequence[Path]
    ids: Sequence[int]
    attributes: str | None
    plus: Sequence[str]
    minus: Sequence[str]
    together: bool
    weights: str | None

    @property
    def is_combined(self) -> bool:
        """Whether a query is made of several pictures."""
        return bool(self.plus or self.minus or self.together or self.weights is not None)

    @property
    def count(self) -> int:
        """How many queries there are."""
        return len(self.combinations()) if self.is_combined else len(self.paths) + len(self.ids)

    @property
    def changes(self) -> str:
        """Attributes that are asked for beside a picture."""
        return self.attributes or "" if self.paths or self.is_combined else ""

    def combinations(self) -> list[Mapping[str, float]]:
        """The weights of each query's pictures."""
        added = [*((name, 1.0) for name in self.plus), *((name, -1.0) for name in self.minus)]
        if self.together or self.weights is not None or not self.paths:
            return [self._summed([*zip(map(str, self.paths), self._weights(), strict=True), *added])]
        return [self._summed([(str(path), 1.0), *added]) for path in self.paths]

    def _summed(self, parts: Sequence[tuple[str, float]]) -> dict[str, float]:
        """Each picture once, with all of its weight."""
        found: dict[str, float] = {}
        for name, weight in parts:
            found[name] = found.get(name, 0.0) + weight
        if len(found) < len(parts) and not any(found.values()):
            raise LookalikeError(
                "what is asked for is taken away again",
                where="--minus" if self.minus else "--weights",
                saw=f"{next(iter(found))}, once added and once taken away",
                wanted="another picture to take away",
                do="leave it out, or name another one",
            )
        return found

    def _weights(self) -> list[float]:
        if self.weights is None:
            return [1.0] * len(self.paths)
        try:
            weights = [float(word) for word in self.weights.split(",")]
        except ValueError:
            raise self._odd_weights(self.weights) from None
        if len(weights) != len(self.paths):
            raise self._odd_weights(f"{len(weights)} weights for {len(self.paths)} pictures")
        return weights

    def _odd_weights(self, saw: str) -> LookalikeError:
        return LookalikeError(
            "weights and pictures do not fit together",
            where="--weights",
            saw=saw,
            wanted="a number for each IMAGE, joined by commas",
            do="for example --weights 1,-0.5 A.jpg B.jpg",
        )


def read_question(
    images: Sequence[str] | None,
    ids: Sequence[int] | None,
    attributes: str | None,
    plus: Sequence[str] | None,
    minus: Sequence[str] | None,
    *,
    together: bool,
    weights: str | None,
) -> tuple[Question, tuple[Skipped, ...]]:
    """Find the pictures that are named, and those among them that are none.

    Raises:
        LookalikeError: nothing is asked, or things that do not go together.
    """
    needed = together or weights is not None or not (ids or plus or minus or attributes is not None)
    paths, unfit = picture_paths(images or []) if images or needed else ([], ())
    question = Question(paths, ids or (), attributes, plus or (), minus or (), together, weights)
    if question.ids and (question.is_combined or attributes is not None):
        raise LookalikeError(
            "an item is asked for alone",
            where="--id",
            saw="a combination, or attributes, beside it",
            wanted="pictures there",
            do="name the item's file in place of its id; search --json says it",
        )
    return question, unfit


def selection_of(
    where: str | None, folder: Path | None, between: tuple[float, float] | None, at_least: float | None
) -> Selection:
    """What an answer has to be: of two lower ends, the higher one holds."""
    from lookalike.indexing.selection import Selection

    chosen = Selection(where or "", folder, *(between or ()))
    if at_least is None:
        return chosen
    if not -1.0 <= at_least <= chosen.highest:
        raise _none_so_high(at_least, chosen.highest if between else None)
    return Selection(chosen.where, folder, max(at_least, chosen.lowest), chosen.highest)


def _none_so_high(at_least: float, highest: float | None) -> LookalikeError:
    if highest is None or not -1.0 <= at_least <= 1.0:
        saw, wanted, do = f"{at_least:g}", "from -1 to 1", "for example --at-least 0.6"
    else:
        saw, wanted = f"{at_least:g}, and --between up to {highest:g}", f"at most {highest:g}"
        do = "leave --at-least or --between out"
    what = "no answer can have this similarity"
    return LookalikeError(what, where="--at-least", saw=saw, wanted=wanted, do=do)


def ask(
    index: Index, question: Question, *, judging: Mapping[str, Any], **options: Any
) -> Iterable[Hits | Skipped]:
    """Ask the core.

    Args:
        judging: threshold, probability and rerank.
        options: k, skip, copies, collapse and selection.
    """
    from lookalike.attribute_search import search_attributes, search_composed
    from lookalike.search import search_together

    if question.attributes is None and not question.is_combined:
        return _one_by_one(index, question, **judging, **options)
    if question.attributes is None:
        _refuse("a combination of pictures", judging, but=_FOR_TWO)
        return search_together(index, question.combinations(), rerank=judging["rerank"], **options)
    _refuse("attributes", judging, but={**_FOR_TWO, "rerank": None})
    if not question.paths and not question.is_combined:
        return [search_attributes(index, question.attributes, **_without(options, "copies"))]
    pictures = question.combinations() if question.is_combined else question.paths
    return search_composed(index, pictures, question.attributes, **options)


def _one_by_one(index: Index, question: Question, **options: Any) -> Iterator[Hits | Skipped]:
    from lookalike.search import search_ids, search_images

    yield from search_images(index, question.paths, **options)
    yield from search_ids(index, question.ids, **options)


def _refuse(asked: str, judging: Mapping[str, Any], *, but: Mapping[str, Any]) -> None:
    for name, nothing in but.items():
        if judging[name] != nothing:
            raise LookalikeError(
                "the option is for a picture against a picture",
                where=f"--{name}",
                saw=f"{judging[name]}, and {asked} to look for",
                do=f"leave --{name} out",
            )


def _without(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key != name}
