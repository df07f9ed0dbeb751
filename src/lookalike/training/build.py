"""From a split table to an exported model: features, head, training where asked for, graph, checks.

A closed-form head on a backbone that was exported before needs no torch at all; gradient training is
brought in only where the config asks for it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from safetensors.numpy import load_file, save

from lookalike.cache import cache_folder
from lookalike.config import RunConfig
from lookalike.errors import MissingExtraError
from lookalike.models.model import GRAPH, WEIGHTS, Model, untrained, write_facts, write_seen
from lookalike.pictures.images import open_image
from lookalike.pictures.preprocess import prepare
from lookalike.records import Alarm, Floats, PairHistogram, Pixels, Skipped, Watcher
from lookalike.tables.table import ImageTable
from lookalike.training.alarms import MONITOR
from lookalike.training.attributes import train_attributes
from lookalike.training.closed_form import Candidate, LinearHead
from lookalike.training.features import table_features
from lookalike.training.folder import check_parity, making, model_facts
from lookalike.training.graph import HeadGraph, grow_head, load_graph
from lookalike.training.material import limited, with_categories, with_views
from lookalike.training.preflight import check_lengths, check_stages
from lookalike.training.processes import check_several, is_first
from lookalike.training.settled import Settled, best_options, with_val
from lookalike.training.side import Side, Trained
from lookalike.training.starting import closed_form_start, closed_form_weights, solved_in_words

PARITY_PICTURES = 16
MODEL, BASELINE = "model", "baseline"


@dataclass(frozen=True)
class Built:
    """An exported model and how it came to be.

    Attributes:
        history: metric to one value an epoch; empty for a closed-form head.
        candidates: the closed-form settings tried, where any were.
        skipped: train and val pictures that could not be used.
        alarms: what went wrong in a training by gradient.
        similarities: one an epoch, split ("train", "val") to the similarities of its pairs.
        notes: what a training by gradient brought, in sentences.
        start: metric to its value before the first epoch, where that is known.
        settled: what was chosen on val.
    """

    model: Model
    history: Mapping[str, list[float]] = field(default_factory=dict)
    candidates: Sequence[Candidate] = ()
    skipped: tuple[Skipped, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    similarities: Sequence[Mapping[str, PairHistogram]] = ()
    notes: tuple[str, ...] = ()
    start: Mapping[str, float] = field(default_factory=dict)
    settled: Settled = field(default_factory=Settled)


def build(
    table: ImageTable, config: RunConfig, *, folder: Path, resume: bool, created: str, watcher: Watcher,
    settled: Settled | None = None,
) -> Built:  # fmt: skip
    """Train what the config asks for and export it to folder/model.

    Args:
        settled: what was chosen on val before: nothing is left to choose, and train and val are both learned
            from. None: learn from train, choose on val.

    Raises:
        ModelError: a backbone's weights cannot be had, or the export does not compute what was trained.
        EvaluationError: no picture of a split could be used.
    """
    check_several(closed_form=config.attributes is None and config.network.resolved_head == "closed_form")
    learned = config.learned
    backbone = untrained(feature_spec(learned), say=watcher.say)
    check_lengths(config, feature_dim=backbone.dim)
    check_stages(config)
    learned_from = table if settled is None else with_val(table)
    train, val = _sides(config, backbone, learned_from, folder, watcher, judged=settled is None)
    start, candidates = closed_form_start(learned, train, val, options=settled.solved if settled else {})
    if config.attributes is not None:
        trained = _by_attributes(
            config, train, val, learned_from, folder, resume=resume, watcher=watcher, settled=settled
        )
    elif config.network.resolved_head == "closed_form":
        assert start is not None  # noqa: S101 - this head is always solved
        trained = _solved(start, solved_in_words(candidates, settled), watcher)
    else:
        trained = _by_gradient(
            config, train, val, start, folder, resume=resume, watcher=watcher, settled=settled
        )
    facts = {
        "classes": len(np.unique(train.labels)),
        "images": len(train.labels),
        "data": table.fingerprint(),
        "epochs": len(next(iter(trained.history.values()), [])),
        "seed": config.seed,
    }
    if is_first():
        export_model(config, backbone, trained, train, folder, created=created, training=facts)
    if trained.history:
        _meet()
    model = Model.load(folder / MODEL)
    course = trained.alarms, trained.similarities, trained.notes
    before = {} if trained.start is None else {MONITOR: trained.start}
    chosen = replace(trained.settled, solved=best_options(candidates)) if candidates else trained.settled
    skipped = tuple(dict.fromkeys(train.skipped + val.skipped))
    return Built(model, trained.history, candidates, skipped, *course, before, chosen)


def _sides(
    config: RunConfig, backbone: Model, table: ImageTable, folder: Path, watcher: Watcher, *, judged: bool
) -> tuple[Side, Side]:
    """What is learned from and, where anything is judged on it, val; else the same again."""
    labelled = config.attributes is None
    train = side_of(backbone, table, "train", watcher, labelled=labelled)
    val = side_of(backbone, table, "val", watcher, labelled=labelled) if judged else train
    train = limited(train, config.batches, seed=config.seed) if labelled else train
    return with_views(with_categories(train, config.batches), backbone, config, folder, watcher), val


def _solved(head: LinearHead, note: str, watcher: Watcher) -> Trained:
    watcher.say(note)
    graph = HeadGraph(head.power, [(head.weight, head.bias)])
    return Trained(graph, closed_form_weights(head), notes=(note,))


def feature_spec(config: RunConfig) -> dict[str, Any]:
    """The untrained model whose embedding is the feature that the head starts from."""
    network = config.network
    if network.is_plain:
        return _plain_spec(config)
    chosen = {key: getattr(network, key) for key in ("pooling", "stages", "quarters", "last_stride")}
    return {**_plain_spec(config), **chosen}


def _plain_spec(config: RunConfig) -> dict[str, Any]:
    """The untrained model that a run is compared with: the mean of the last map, whatever the run pools.

    A run's own stages and poolings are part of what it brings; were they in the baseline too, a poor choice
    of them would lower the bar.
    """
    network = config.network
    spec: dict[str, Any] = {
        "backbone": network.backbone,
        "pretrained": network.pretrained,
        "pooling": "spoc",
        "preprocess": config.preprocess.model_dump(mode="json"),
    }
    return spec if network.pretrained else {**spec, "seed": config.seed}


def side_of(
    backbone: Model, table: ImageTable, split: str, watcher: Watcher, *, labelled: bool = True
) -> Side:
    """A split's usable pictures with their frozen features."""
    part = table.select(split)
    embedded = table_features(
        backbone, part, cache_folder=cache_folder(), progress=watcher.stage(f"features of {split}")
    )
    usable = part.take(embedded.rows)
    labels = usable.labels if labelled else np.array(usable.frame["label"].fill_null("").to_list(), np.str_)
    return Side(usable, labels, embedded.embeddings.vectors, embedded.hashes, embedded.skipped)


def _meet() -> None:
    """Wait until the first of several processes has written the model."""
    from lookalike.training.distributed import wait_for_all

    wait_for_all()


def _by_gradient(
    config: RunConfig,
    train: Side,
    val: Side,
    start: LinearHead | None,
    folder: Path,
    *,
    resume: bool,
    watcher: Watcher,
    settled: Settled | None,
) -> Trained:
    try:
        from lookalike.training.gradient import train_by_gradient
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", extra="train") from error
    return train_by_gradient(
        config, train, val, start, folder, resume=resume, watcher=watcher, settled=settled
    )


def _by_attributes(
    config: RunConfig,
    train: Side,
    val: Side,
    table: ImageTable,
    folder: Path,
    *,
    resume: bool,
    watcher: Watcher,
    settled: Settled | None,
) -> Trained:
    if config.network.is_plain:
        plain = train.features
    else:
        plain = side_of(untrained(_plain_spec(config)), table, "train", watcher, labelled=False).features
    return train_attributes(
        config, train, val, plain=plain, folder=folder, resume=resume, watcher=watcher, settled=settled
    )


def export_model(
    config: RunConfig,
    backbone: Model,
    trained: Trained,
    train: Side,
    folder: Path,
    *,
    created: str,
    training: dict[str, Any],
) -> Model:
    """Write folder/model, whole and checked on real pictures, and folder/baseline where it is needed."""
    # whether the graph gives the plain untrained feature too
    compared = trained.features_graph is None and config.network.last_stride == 2
    plain = backbone if config.network.is_plain or compared else untrained(_plain_spec(config))
    base = trained.features_graph or load_graph(backbone.folder / GRAPH)
    pixels = _some_pixels(backbone, train.table)
    head = trained.compute or trained.head.apply
    expected = trained.embed(pixels) if trained.embed else head(backbone.embed_pixels(pixels))
    with making(folder / MODEL) as place:
        onnx.save(grow_head(base, trained.head, keep_feature=compared), str(place / GRAPH))
        training["parity"] = check_parity(place / GRAPH, pixels, expected)
        facts = model_facts(
            name=config.name,
            graph=place / GRAPH,
            dim=expected.shape[1],
            preprocess=backbone.preprocess,
            network=config.network,
            created=created,
            baseline=plain.facts["baseline"] or plain.name,
            feature_dim=plain.facts["outputs"].get("feature", plain.dim) if compared else None,
            dimensions=config.loss.dimensions,
            training=training,
        )
        if trained.attributes is not None:
            facts["attributes"] = trained.attributes.write(place)
        (place / WEIGHTS).write_bytes(save(_all_weights(backbone, trained)))
        write_seen(place, train.hashes)
        write_facts(place, facts)
    if not compared:
        shutil.copytree(plain.folder, folder / BASELINE, dirs_exist_ok=True)
    return Model.load(folder / MODEL)


def _all_weights(backbone: Model, trained: Trained) -> dict[str, Floats]:
    """Those of the whole graph: a frozen backbone's are the exported ones."""
    frozen = trained.features_graph is None
    weights = load_file(backbone.folder / WEIGHTS) if frozen else {}
    return {**{f"features.{name}": value for name, value in weights.items()}, **trained.weights}


def _some_pixels(backbone: Model, table: ImageTable) -> Pixels:
    """A few real pictures, evenly from the table."""
    rows = np.unique(np.linspace(0, len(table) - 1, PARITY_PICTURES).astype(int))
    target = backbone.preprocess.decode_target
    images = (open_image(table.paths[row], target=target, box=table.boxes[row]) for row in rows)
    return np.stack([prepare(image, backbone.preprocess) for image in images])
