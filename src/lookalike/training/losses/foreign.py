"""Losses of other packages, by their dotted path.

A path and options enter, a loss leaves that checks what the other one returns. Nothing is known of what is
imported but that it is called with embeddings [n, d] and labels [n].
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from lookalike.errors import BatchError, ConfigError

# What other packages call the number of classes and the length of an embedding; filled in where left out.
_CLASSES, _DIM = ("classes", "num_classes", "n_classes"), ("dim", "embedding_size", "embedding_dim")


class ForeignLoss(nn.Module):
    """A loss of another package, whose result is checked.

    Args:
        name: dotted path of a function loss(embeddings, labels, **options), or of a class that is made with
            the options and then called so, for example pytorch_metric_learning.losses.CircleLoss.
        options: what else the function or the class takes.
        classes, dim: given to a class that takes them under one of their usual names; None where not known.

    Raises:
        ConfigError: the package is not installed, has no such name, it cannot be called, or the options do
            not fit it.
    """

    def __init__(
        self, name: str, *, options: Mapping[str, Any], classes: int | None = None, dim: int | None = None
    ) -> None:
        super().__init__()
        found = _find(name)
        self.name = name
        self.loss: Callable[..., Tensor] = (
            _make(name, found, {**_sizes(found, classes, dim), **options})
            if isinstance(found, type)
            else _bound(name, found, options)
        )

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """[n, d] unit rows and [n] int64 labels to a scalar with a gradient.

        A plain 0, as losses return that find nothing in a batch, gets a gradient of 0.

        Raises:
            BatchError: the loss returns something else, or a number that does not depend on the embeddings.
        """
        value = self.loss(embeddings, labels)
        if not isinstance(value, Tensor) or value.ndim:
            shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise BatchError(
                "the loss does not return a scalar",
                where=f"loss.name: {self.name}",
                saw=f"{shape}",
                wanted="one number for the batch",
                do="name a loss that takes the mean, or wrap it in a function of your own that does",
            )
        if value.requires_grad or not (embeddings.requires_grad and torch.is_grad_enabled()):
            return value
        if value.item() == 0:
            return value + 0 * embeddings.sum()
        raise BatchError(
            "the loss cannot be learned from",
            where=f"loss.name: {self.name}",
            saw=f"{value.item():g}, which carries no gradient",
            wanted="a number that torch computed from the embeddings",
            do="take detach(), item(), numpy() and torch.no_grad() out of the loss, or name another",
        )


def _find(name: str) -> Callable[..., Any]:
    path, _, last = name.rpartition(".")
    module = _import(path, name)
    if not hasattr(module, last):
        raise ConfigError(
            "no such loss in that module",
            where="loss.name",
            saw=name,
            wanted=f"a name of {path}",
            do=_nearest(last, [other for other in dir(module) if not other.startswith("_")], f"{path}."),
        )
    found = getattr(module, last)
    if not callable(found):
        raise ConfigError(
            "the loss cannot be called",
            where="loss.name",
            saw=f"{name}, of type {type(found).__name__}",
            wanted="a function or class that is called with embeddings and labels",
            do="name the function or class itself",
        )
    return found  # type: ignore[no-any-return]


def _import(path: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(path)
    except ImportError as error:
        missing = error.name or path
        installable = missing.partition(".")[0]
        inside = f"{path}.".startswith(f"{missing}.") and "." in missing
        raise ConfigError(
            "the loss cannot be imported",
            where=f"loss.name: {name}",
            saw=str(error),
            wanted="the path of an installed module, then a dot and a name in it",
            do=f"look for the right path in the documentation of {installable}"
            if inside
            else f"pip install {installable.replace('_', '-')}",
        ) from error


def _make(name: str, kind: type, options: dict[str, Any]) -> Callable[..., Tensor]:
    try:
        made = kind(**options)
    except (TypeError, ValueError) as error:
        raise _unfit(name, options, _parameters(kind), error) from error
    if not callable(made):
        raise ConfigError(
            "the loss cannot be called",
            where="loss.name",
            saw=f"{name}, whose objects cannot be called",
            wanted="a function or class that is called with embeddings and labels",
            do="name another",
        )
    return made  # type: ignore[no-any-return]


def _bound(name: str, function: Callable[..., Any], options: Mapping[str, Any]) -> Callable[..., Tensor]:
    taken: list[str] = []
    try:
        signature = inspect.signature(function)
        taken = list(signature.parameters)[2:]
        signature.bind("embeddings", "labels", **options)
    except (TypeError, ValueError) as error:  # a ValueError where a builtin has no signature
        raise _unfit(name, options, taken, error) from error
    return partial(function, **options)


def _unfit(name: str, options: Mapping[str, Any], taken: list[str], error: Exception) -> ConfigError:
    strange = [key for key in options if taken and key not in taken]
    return ConfigError(
        "the options do not fit the loss",
        where="loss.options",
        saw=f"{dict(options)}: {error}",
        wanted=f"what {name} takes: {', '.join(taken) or 'nothing'}",
        do=_nearest(strange[0], taken, "options.") if strange else "give what is missing in loss.options",
    )


def _sizes(kind: Callable[..., Any], classes: int | None, dim: int | None) -> dict[str, int]:
    """The number of classes and the length of an embedding under the names that a class takes them by."""
    taken = _parameters(kind) if isinstance(kind, type) else []
    named = [(_CLASSES, classes), (_DIM, dim)]
    return {key: value for keys, value in named if value is not None for key in keys if key in taken}


def _parameters(kind: type) -> list[str]:
    """Names that a class is made with; where it passes keywords on, those of its parents too."""
    names: dict[str, None] = {}
    for parent in kind.__mro__[:-1]:
        if "__init__" in vars(parent):
            parameters = list(inspect.signature(vars(parent)["__init__"]).parameters.values())[1:]
            names |= {p.name: None for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
            if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
                break
    return list(names)


def _nearest(asked: str, names: list[str], prefix: str) -> str:
    near = difflib.get_close_matches(asked, names, n=1)
    return f"did you mean {prefix}{near[0]}?" if near else f"choose one of {', '.join(names)}"
