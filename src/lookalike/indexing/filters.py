"""What an answer has to be, in words: "label = 'cat' and year >= 2020" becomes a condition over stored facts.

A text enters; a Filter leaves that names its columns and can be asked of the store's items: as SQL of fixed
pieces whose every name and value is a bound parameter, never a part of the statement. Reading items is the
store's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from lookalike.errors import StoreError
from lookalike.indexing.column_names import RESERVED, WORD, spelled, stored, stored_names
from lookalike.pictures.finding import bad_name

if TYPE_CHECKING:
    import pyparsing as pp

Value = str | float | int | bool

COMPARISONS = {"=": "=", "==": "=", "!=": "<>", "<>": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
MOST_LETTERS = 10_000
MOST_CONDITIONS = 200  # SQLite reads expressions up to a depth of 1,000
_SHOWN = 80  # letters of a filter in a message
_LONGEST_INT = 20  # sign and digits of a whole number of 64 bits; longer ones are read as floats
_UNQUOTED = re.compile(rf"{WORD}(?:[^\w\s'\"=!<>(),]+\w+)+")  # a column that has to stand in quotes
_EXAMPLE = "for example --where \"label = 'cat' and year >= 2020\""


class Condition(Protocol):
    """A part of a filter."""

    def sql(self) -> str:
        """A condition of fixed words and question marks: 1 where it holds, else 0 or NULL."""

    def values(self) -> Iterator[Any]:
        """What the question marks stand for, in their order."""

    def columns(self) -> Iterator[str]:
        """The columns that are asked about."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A column against a value; does not hold where the item has no such value, or one of another kind."""

    column: str
    sign: str
    value: Value

    def sql(self) -> str:
        """See Condition."""
        kinds = "('text')" if isinstance(self.value, str) else "('integer', 'real')"
        place = stored(self.column)
        return f"(typeof({place}) IN {kinds} AND {place} {self.sign} ?)"  # that an index of labels serves

    def values(self) -> Iterator[Any]:
        """See Condition."""
        yield from stored_names(self.column)
        yield from stored_names(self.column)
        yield _bound(self.value)

    def columns(self) -> Iterator[str]:
        """See Condition."""
        yield self.column


@dataclass(frozen=True, slots=True)
class Among:
    """A column that has one of several values."""

    column: str
    options: tuple[Value, ...]

    def sql(self) -> str:
        """See Condition."""
        return f"({stored(self.column)} IN ({', '.join('?' * len(self.options))}))"

    def values(self) -> Iterator[Any]:
        """See Condition."""
        yield from stored_names(self.column)
        yield from (_bound(value) for value in self.options)

    def columns(self) -> Iterator[str]:
        """See Condition."""
        yield self.column


@dataclass(frozen=True, slots=True)
class Unknown:
    """Whether nothing is known of a column."""

    column: str

    def sql(self) -> str:
        """See Condition."""
        return f"({stored(self.column)} IS NULL)"

    def values(self) -> Iterator[Any]:
        """See Condition."""
        yield from stored_names(self.column)

    def columns(self) -> Iterator[str]:
        """See Condition."""
        yield self.column


@dataclass(frozen=True, slots=True)
class Negation:
    """The opposite: where a condition does not hold."""

    part: Condition

    def sql(self) -> str:
        """See Condition."""
        return f"(NOT coalesce({self.part.sql()}, 0))"

    def values(self) -> Iterator[Any]:
        """See Condition."""
        return self.part.values()

    def columns(self) -> Iterator[str]:
        """See Condition."""
        return self.part.columns()


@dataclass(frozen=True, slots=True)
class Joined:
    """Several conditions, all of which hold (AND) or one of which holds (OR)."""

    word: str
    parts: tuple[Condition, ...]

    def sql(self) -> str:
        """See Condition."""
        return f"({f' {self.word} '.join(part.sql() for part in self.parts)})"

    def values(self) -> Iterator[Any]:
        """See Condition."""
        return (value for part in self.parts for value in part.values())

    def columns(self) -> Iterator[str]:
        """See Condition."""
        return (column for part in self.parts for column in part.columns())


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that was understood.

    Attributes:
        text: as it was written.
        condition: what an item has to fulfil.
    """

    text: str
    condition: Condition

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Read a filter.

        A column is a word, or "anything" in double quotes; a text is 'in single quotes'. Two of these quotes
        stand for one inside them, and nothing else is special there, no backslash either. True, false and
        numbers are bare. There are = != < <= > >=, in (…), is null, not, and, or
        and parentheses. What is not known of an item fits no comparison, and what is of another kind neither:
        `not year > 2020` holds for items without a year, `year <= 2020` does not.

        Raises:
            StoreError: it is not understood; the message says from where on.

        >>> Filter.parse("label = 'cat' and not year < 2020").condition.sql().count("?")
        4
        """
        from pyparsing import ParseBaseException

        if len(text) > MOST_LETTERS:
            raise _not_understood(
                f"{text[:40]}…", f"{len(text):,} letters, at most {MOST_LETTERS:,} are read"
            )
        if bad_name(text):
            raise _not_understood(text.encode(errors="replace").decode(), "a letter that is not UTF-8")
        try:
            (condition,) = _grammar().parse_string(text, parse_all=True)
            asked = len(list(condition.columns()))
        except ParseBaseException as error:
            raise _not_understood(text, text[error.loc :].strip() or "the end") from error
        if asked > MOST_CONDITIONS:
            saw = f"{asked} comparisons, at most {MOST_CONDITIONS} are read; in (…) counts as one"
            raise _not_understood(text, saw)
        return cls(text, condition)


def _bound(value: Value) -> Value:
    """As SQLite has it, which knows true and false as 1 and 0."""
    return int(value) if isinstance(value, bool) else value


@cache
def _grammar() -> pp.ParserElement:
    import pyparsing as pp  # not above: most searches have no filter, and this takes a tenth of their start

    word = pp.CaselessKeyword
    reserved = pp.MatchFirst(map(word, RESERVED))
    column = _quoted('"') | (~reserved + pp.Regex(WORD))
    text = _quoted("'")
    truth = word("true").set_parse_action(lambda: [True]) | word("false").set_parse_action(lambda: [False])
    number = pp.Regex(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?(?![\w.])").set_parse_action(_number)
    value = text | number | truth
    sign = pp.one_of(list(COMPARISONS))
    compared = column + sign - value  # from the sign on nothing else can be meant: a fault is told there
    listed = pp.Suppress("(") + pp.Group(pp.DelimitedList(value)) + pp.Suppress(")")
    among = column + pp.Optional(word("not")) + pp.Suppress(word("in")) - listed
    unknown = column + pp.Suppress(word("is")) - pp.Optional(word("not")) + pp.Suppress(word("null"))
    asked = among.set_parse_action(_among) | unknown.set_parse_action(_unknown)
    levels = [
        (word("not"), 1, pp.OpAssoc.RIGHT, lambda found: _negated(found[0][1])),
        (word("and"), 2, pp.OpAssoc.LEFT, _joined("AND")),
        (word("or"), 2, pp.OpAssoc.LEFT, _joined("OR")),
    ]
    grammar: pp.ParserElement = pp.infix_notation(asked | compared.set_parse_action(_compared), levels)
    return grammar.parse_with_tabs()


def _quoted(quote: str) -> pp.ParserElement:
    """What stands between two quotes, to the letter; two of them are one."""
    import pyparsing as pp

    found = pp.Regex(f"{quote}(?:[^{quote}]|{quote}{quote})*{quote}")
    return found.set_parse_action(lambda parts: [parts[0][1:-1].replace(2 * quote, quote)])


def _compared(found: Any) -> Condition:
    column, sign, value = found
    return Comparison(column, COMPARISONS[sign], value)


def _number(found: Any) -> float | int:
    text = found[0]
    if not text.lstrip("+-").isdigit() or len(text) > _LONGEST_INT:
        return float(text)
    number = int(text)
    return number if -(2**63) <= number < 2**63 else float(text)  # as SQLite reads them


def _joined(sql_word: str) -> Callable[[Any], Joined]:
    return lambda found: Joined(sql_word, tuple(found[0][::2]))


def _among(found: Any) -> Condition:
    options = Among(found[0], tuple(found[-1]))
    return _negated(options) if len(found) == 3 else options


def _unknown(found: Any) -> Condition:
    asked = Unknown(found[0])
    return _negated(asked) if len(found) == 2 else asked


def _negated(part: Condition) -> Condition:
    return part.part if isinstance(part, Negation) else Negation(part)


def _not_understood(text: str, saw: str) -> StoreError:
    odd = _UNQUOTED.match(saw)
    if odd:
        do = f"a column that is no plain word stands in double quotes: {spelled(odd[0])}"
    else:
        do = f"texts stand in single quotes: {_EXAMPLE}" if saw[:1] not in ("", "'", ")") else _EXAMPLE
    return StoreError(
        "the filter is not understood",
        where=text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…",
        saw=saw[:_SHOWN],
        wanted="column = 'text' or column >= number, joined by and, or, not",
        do=do,
    )
