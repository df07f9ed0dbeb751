"""What a training can be refused for before a picture is opened, so that a slip costs no minutes.

Settings and a split table enter; nothing leaves but errors. What only features can tell is checked where they
are used. Torch is brought in only where a head is trained by gradient.
"""

from __future__ import annotations

from lookalike.config import RunConfig
from lookalike.config_loss import DottedLossConfig
from lookalike.errors import ConfigError, MissingExtraError
from lookalike.tables.table import ImageTable
from lookalike.training.attribute_data import learnable
from lookalike.training.batches import chosen_rows
from lookalike.training.material import check_category


def check_settings(config: RunConfig, table: ImageTable) -> None:
    """Refuse settings that name what is not there: columns, labels, attributes, losses, tools, devices.

    Raises:
        ConfigError, TableError: the message names the key.
        MissingExtraError: a part that the settings need is not installed.
    """
    train = table.select("train")
    if config.attributes is not None:
        learnable(train, config.attributes)
    else:
        check_category(train, config.batches)
        labels = config.batches.class_list
        chosen_rows(train.labels, class_list=labels, total_examples_per_class=None, seed=config.seed)
    if not by_gradient(config):
        return
    try:
        from lookalike.training.distributed import check_device
        from lookalike.training.loggers import check_installed
        from lookalike.training.losses import make_loss
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", extra="train") from error
    check_installed(config.training.loggers)
    check_device(config.training, fine_tuned=not config.network.frozen)
    if isinstance(config.loss, DottedLossConfig):
        dim = config.network.embedding_dim or max(config.loss.dimensions, default=2)
        make_loss(config.loss, classes=2, dim=dim)


def check_lengths(config: RunConfig, *, feature_dim: int) -> None:
    """Refuse lengths of embeddings that do not fit the backbone.

    Args:
        feature_dim: D, the length of its feature.

    Raises:
        ConfigError: the message names the key.
    """
    dim = config.network.embedding_dim or feature_dim
    if max(config.loss.dimensions, default=0) > dim:
        raise ConfigError(
            "a length is longer than the embedding",
            where="loss.dimensions",
            saw=str(max(config.loss.dimensions)),
            wanted=f"at most {dim}",
            do="take it out",
        )
    if by_gradient(config) and config.network.resolved_start == "identity":
        from lookalike.training.network import make_head

        make_head(config.network, inputs=feature_dim)


def check_stages(config: RunConfig) -> None:
    """Refuse stages and picture sizes that a backbone which is to be fine-tuned does not have.

    Raises:
        ConfigError: the message names the key.
    """
    training = config.training
    if (
        config.network.frozen
        or not by_gradient(config)
        or (training.unfreeze == "all" and not training.sizes)
    ):
        return
    from lookalike.training.backbones import Features
    from lookalike.training.gradient import check_sizes
    from lookalike.training.optimisers import unfreeze

    features = Features(config.network, config.preprocess)
    unfreeze(features, training)
    check_sizes(features, training.sizes)


def by_gradient(config: RunConfig) -> bool:
    """Whether a run learns step by step, and is not solved in closed form."""
    return config.network.resolved_head != "closed_form" or (
        config.attributes is not None and config.attribute_start != "closed_form"
    )
