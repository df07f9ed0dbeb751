"""Batches of pictures that worker processes open, with an error that can be read where one has gone.

A dataset enters, its batches leave. A picture that was there when the training was planned, and is not any
more, ends the training: without it the batches would be other ones. What is in a batch is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from lookalike.errors import ImageError, TrainingError

Item = tuple[Tensor, Tensor]  # an input and its label; batches have one axis more


def opened(
    pictures: Dataset[Item],
    *,
    workers: int,
    batches: Iterable[list[int]] | None = None,
    batch_size: int = 1,
) -> Iterable[Item]:
    """Batches of pictures; the result has a length.

    Args:
        workers: processes that open pictures; 0: this one does.
        batches: which pictures each batch is made of; None: all in order, `batch_size` at a time.

    Raises:
        TrainingError: while batches are asked for: a picture cannot be opened any more.
    """
    which: dict[str, Any] = {"batch_size": batch_size} if batches is None else {"batch_sampler": batches}
    return _Raised(DataLoader(_Caught(pictures), num_workers=workers, collate_fn=_collated, **which))


class _Caught(Dataset[Item | ImageError]):
    """Errors as items: raised in a worker, one would arrive as a traceback in another exception's text."""

    def __init__(self, pictures: Dataset[Item]) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)  # type: ignore[arg-type]  # a dataset without a length says so itself

    def __getitem__(self, place: int) -> Item | ImageError:
        try:
            return self.pictures[place]
        except ImageError as error:
            return error


@dataclass(frozen=True)
class _Raised:
    loader: DataLoader[Item | ImageError]

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Item]:
        for batch in self.loader:
            if isinstance(batch, ImageError):
                raise _gone(batch)
            yield batch


def _collated(items: Sequence[Item | ImageError]) -> Any:
    errors = [item for item in items if isinstance(item, ImageError)]
    return errors[0] if errors else default_collate(list(items))


def _gone(error: ImageError) -> TrainingError:
    return TrainingError(
        "a picture of this training cannot be opened any more",
        where=error.where,
        saw=f"{error.reason.value}: {error.saw}",
        wanted="the picture as it was when the training began",
        do="put it back and run the same command with --resume, or start again without it in another --out",
    )
