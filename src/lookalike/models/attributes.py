"""The attribute branch of a model: what is stated about a picture in, a unit vector beside the pictures' out.

A model that was trained with attributes carries attributes.onnx next to model.onnx; both give vectors of one
space, so an index of pictures answers "smiling, not male" as it answers a picture. What is not stated is left
open, which is not the same as absent. Torch is not needed; how the branch is made is training's business.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lookalike.errors import LookalikeError, ModelError
from lookalike.models.model import Model, open_session
from lookalike.records import Floats

if TYPE_CHECKING:
    import onnxruntime

    from lookalike.tables.attribute_values import Values

BRANCH, BASELINE = "attributes.onnx", "attributes_baseline.safetensors"
ENCODING = {"present": 1, "absent": -1, "not stated": 0}
WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


class AttributeBranch:
    """Turns stated attributes into unit vectors. Opening is cheap; the graph loads on first use.

    Attributes:
        names: a attributes, in the order of the graph's input.
        left_out: attributes of the training pictures that could not be learned, being the same in all.
        dim: d, the length of an embedding, the same as the model's.
    """

    def __init__(self, model: Model) -> None:
        """Find the branch of a model.

        Raises:
            ModelError: the model was trained without attributes, or the branch was changed or damaged.
        """
        facts = attribute_facts(model)
        self.folder = model.folder
        self.names: tuple[str, ...] = tuple(facts["names"])
        self.left_out: tuple[str, ...] = tuple(facts.get("left_out", ()))
        self.dim = model.dim
        _check_graph(model.folder / BRANCH, facts["sha256"])

    def encode(self, stated: Mapping[str, bool]) -> Floats:
        """Embed one query.

        Args:
            stated: name to whether it is present; what is left out is left open. At least one.

        Returns:
            [1, d] float32, of unit length.

        Raises:
            LookalikeError: nothing is stated, or an attribute that the model does not know.
        """
        return self.embed(self.values(stated))

    def values(self, stated: Mapping[str, bool]) -> Values:
        """Write what is stated as numbers: [1, a], 1 present, -1 absent, 0 not stated.

        Raises:
            LookalikeError: as in `encode`.
        """
        if not stated:
            raise _error("no attribute is stated", "nothing", do=f"state one, for example {self.names[0]}=1")
        values = np.zeros((1, len(self.names)), np.int8)
        for name, present in stated.items():
            known = find_name(name, self.names, left_out=self.left_out)
            values[0, self.names.index(known)] = 1 if present else -1
        return values

    def embed(self, values: Values) -> Floats:
        """Embed queries given as numbers.

        Args:
            values: [q, a], 1 present, -1 absent, 0 not stated; something in every row.

        Returns:
            [q, d] float32, rows of unit length.
        """
        if values.ndim != 2 or values.shape[1] != len(self.names) or not np.isin(values, (-1, 0, 1)).all():
            raise ValueError(f"values must be [q, {len(self.names)}] of -1, 0 and 1, got {values.shape}")
        if not values.any(axis=1).all():
            raise ValueError("a row states nothing")
        embedded: Floats = self._session.run(["embedding"], {"attributes": values.astype(np.float32)})[0]
        return embedded

    def parse(self, text: str) -> dict[str, bool]:
        """Read "smiling=1,male=0" for this model; see `parse_attributes`."""
        return parse_attributes(text, self.names, left_out=self.left_out)

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        return open_session(self.folder / BRANCH)


def attribute_facts(model: Model) -> Mapping[str, Any]:
    """What model.json says of the attribute branch: names, encoding, sha256 and how it was made.

    Raises:
        ModelError: the model was trained without attributes, or its facts about them are damaged.
    """
    facts: Any = model.facts.get("attributes")
    if facts is None:
        raise ModelError(
            "the model knows no attributes",
            where=model.folder,
            saw="a model that was trained by labels alone",
            wanted="one whose run file has a section attributes:",
            do="train one; recipes/emoji_attributes.yaml shows how",
        )
    if not _is_whole(facts):
        raise ModelError(
            "model.json does not say which attributes the model knows",
            where=model.folder,
            saw=f"attributes: {facts!r}"[:120],
            wanted="names, each once, and the sha256 of their branch",
            do="copy the folder again from where it was made, or train it again",
        )
    return cast("Mapping[str, Any]", facts)


def parse_attributes(text: str, names: Sequence[str], *, left_out: Sequence[str] = ()) -> dict[str, bool]:
    """Read what is stated: "smiling=1,male=0".

    Args:
        text: name=value, separated by commas; values 1, true, yes and 0, false, no. Names as the model has
            them; capitals and the difference of "_" and blank do not matter where that leaves one name only.
        names: those that the model knows; a name with a comma or "=" cannot be written here.
        left_out: those that it could not learn.

    Returns:
        Name, as the model writes it, to whether it shall be present.

    Raises:
        LookalikeError: an entry is not name=value, its name is unknown (with the nearest known one), or an
            attribute is stated twice.
    """
    stated: dict[str, bool] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        asked, equals, value = (part.strip() for part in entry.rpartition("="))
        if not equals or value.lower() not in WORDS:
            do = f"write {asked or value}=1 for present, {asked or value}=0 for absent"
            raise _error("an attribute is not name=1 or name=0", repr(entry), do=do)
        name = find_name(asked, names, left_out=left_out)
        if name in stated:
            raise _error("an attribute is stated twice", name, do="state it once")
        stated[name] = WORDS[value.lower()]
    if not stated:
        raise _error("no attribute is stated", repr(text), do=f"state one, for example {names[0]}=1")
    return stated


def find_name(asked: str, names: Sequence[str], *, left_out: Sequence[str] = ()) -> str:
    """The known name that is meant.

    Raises:
        LookalikeError: there is none, there are several that differ in capitals or "_" only, or it was left
            out of the training.
    """
    if asked in names:
        return asked
    alike = [name for name in names if _loosely(name) == _loosely(asked)]
    if len(alike) == 1:
        return alike[0]
    if not alike and _loosely(asked) in map(_loosely, left_out):
        raise _error(
            "the model could not learn this attribute",
            f"{asked!r}, which was left out because it is the same in all training pictures",
            do="train with pictures that have it and pictures that have not, or ask for other attributes",
        )
    inside = [name for name in names if _loosely(asked) and _loosely(asked) in _loosely(name)]
    near = alike or difflib.get_close_matches(asked, names, n=3, cutoff=0.6) or inside[:3]
    raise LookalikeError(
        "several attributes are meant" if alike else "unknown attribute",
        where="attributes",
        saw=repr(asked),
        wanted=f"one of the {len(names)} that the model knows",
        do=f"did you mean {' or '.join(near)}?" if near else f"the first of them: {', '.join(names[:5])}",
    )


def in_words(stated: Mapping[str, bool]) -> str:
    """What is stated, as `parse_attributes` reads it back."""
    return ",".join(f"{name}={int(present)}" for name, present in stated.items())


def _loosely(name: str) -> str:
    return name.replace("_", " ").casefold()


def _is_whole(facts: Any) -> bool:
    if not isinstance(facts, dict) or not isinstance(facts.get("sha256"), str):
        return False
    names: Any = facts.get("names")
    texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return texts and 0 < len(names) == len(set(names))


def _check_graph(graph: Path, wanted: str) -> None:
    try:
        seen = hashlib.sha256(graph.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(
            "the attribute branch cannot be read",
            where=graph,
            saw=error.strerror or str(error),
            do="copy the whole model folder again, or train it again",
        ) from error
    if seen != wanted:
        raise ModelError(
            "the attribute branch was changed or damaged",
            where=graph,
            saw=f"sha256 {seen[:12]}",
            wanted=wanted[:12],
            do="copy the folder again from where it was made, or train it again",
        )


def _error(what: str, saw: str, *, do: str) -> LookalikeError:
    return LookalikeError(what, where="attributes", saw=saw, do=do)
