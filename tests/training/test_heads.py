"""Every kind of head and descriptor, trained for a few steps: the folder computes what was trained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lookalike import evaluate, train
from lookalike.config import RunConfig
from lookalike.models.model import WEIGHTS, Model
from lookalike.models.shortening import cut, shorten
from lookalike.runfile import parse_config
from lookalike.tables.table import ImageTable
from lookalike.training.backbones import Features
from lookalike.training.build import _plain_spec, feature_spec
from lookalike.training.closed_form import apply, solve
from lookalike.training.export import make_untrained, sample_pixels
from lookalike.training.network import Head, Network, make_head
from lookalike.training.run import Run

TINY = {"backbone": "test_resnet", "pretrained": False, "stages": 2, "pooling": ["spoc", "gem"]}  # D 576
FULL = 576


def settings(loss: dict[str, Any] | None = None, **network: Any) -> RunConfig:
    return parse_config(
        {
            "name": "few",
            "split": {"by": "class", "train": 0.5, "val": 0.25, "test": 0.25},
            "preprocess": {"size": 64},
            "network": {**TINY, **network},
            "loss": {"name": "triplet_batch_hard", "margin": "soft", **(loss or {})},
            "batches": {"classes": 6, "images": 3},
            "training": {"epochs": 1, "device": "cpu", "workers": 0, "learning_rate": 0.01},
        }
    )


def torch_network(run: Run, config: RunConfig) -> Network:
    """The network that the folder's weights make, by their names."""
    weights = load_file(run.model.folder / WEIGHTS)
    features = Features(config.network, config.preprocess)
    network = Network(features, make_head(config.network, inputs=features.dim))
    network.load_state_dict(weights)
    return network.eval()


def assert_folder_computes(run: Run, network: Network) -> None:
    pixels = sample_pixels(run.model.preprocess)
    with torch.inference_mode():
        expected = network(torch.from_numpy(pixels)).numpy()
    assert np.allclose(run.model.embed_pixels(pixels), expected, atol=1e-4)
    assert run.model.facts["training"]["parity"] > 0.9999


@pytest.fixture(scope="module", autouse=True)
def exports_in_this_process() -> Iterator[None]:
    """Spare a new process that loads torch for every backbone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lookalike.models.model._make_untrained", make_untrained)
        yield


@pytest.fixture
def end_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any epoch counts as better than the start, so that trained weights are exported."""
    monkeypatch.setattr("lookalike.training.trainer.score", lambda *_: -1.0)


@pytest.mark.parametrize(
    ("head", "dim"),
    [
        ({"head": "cgd", "embedding_dim": 16}, 16),
        ({"head": "cgd", "head_start": "identity", "embedding_dim": None}, FULL),
        ({"head": "linear", "head_start": "identity", "embedding_dim": None}, FULL),
        ({"head": "linear", "head_start": "random", "embedding_dim": None}, FULL),
        ({"head": "feed_forward", "hidden": [8], "head_start": "identity", "embedding_dim": FULL}, FULL),
        ({"head": "feed_forward", "hidden": [8], "embedding_dim": 16}, 16),
    ],
    ids=["cgd", "cgd identity", "identity", "as long", "residual", "feed-forward"],
)
@pytest.mark.usefixtures("end_is_kept")
def test_head_is_trained_and_exported(
    few: Path, cache: Path, tmp_path: Path, head: dict[str, Any], dim: int
) -> None:
    config = settings(**head)
    run = train(config, few, out=tmp_path)
    network = torch_network(run, config)
    assert run.model.dim == network.dim == dim
    assert_folder_computes(run, network)
    torch.manual_seed(config.seed)
    start = make_head(config.network, inputs=FULL)
    trained = network.head.state_dict()
    assert any(not torch.equal(value, trained[name]) for name, value in start.state_dict().items())


@pytest.fixture(scope="module")
def closed(few: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A closed-form head on two stages of two poolings."""
    return train(settings(embedding_dim=None), few, out=tmp_path_factory.mktemp("closed"))


def test_closed_form_takes_the_feature_s_length(closed: Run) -> None:
    assert closed.model.dim == FULL
    assert closed.model.facts["outputs"] == {"embedding": FULL, "feature": 96}


def test_run_is_compared_with_the_plain_backbone(closed: Run) -> None:
    from lookalike.models.model import untrained

    plain = untrained(_plain_spec(settings()))
    rich = untrained(feature_spec(settings()))
    table = ImageTable.read(closed.folder / "split.parquet")
    assert closed.evaluation is not None
    bare = evaluate(plain, table, split="test", draws=10)
    assert closed.evaluation.report.baseline == plain.name == "test_resnet, untrained"
    for name, figure in closed.evaluation.figures.items():
        assert figure.baseline == pytest.approx(bare.figures[name].value, abs=1e-6)
    both = evaluate(rich, table, split="test", draws=10)
    assert both.figures["map@r"].baseline == pytest.approx(bare.figures["map@r"].value, abs=1e-6)
    assert both.figures["map@r"].value != pytest.approx(bare.figures["map@r"].value, abs=1e-6)


def test_first_numbers_of_a_closed_form_are_the_closed_form_of_fewer() -> None:
    """So model.json may list them without a training for it."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(12), 6)
    features = (rng.normal(size=(12, 20))[labels] + rng.normal(size=(72, 20))).astype(np.float32)
    for dim in (16, 11):  # with and without dimensions that the classes do not determine
        whole = solve(features, labels, power=0.5, shrinkage=1.0, dim=dim)
        short = solve(features, labels, power=0.5, shrinkage=1.0, dim=7)
        assert np.allclose(cut(apply(whole, features), 7), apply(short, features), atol=1e-5)


@pytest.mark.usefixtures("end_is_kept")
def test_fine_tuned_descriptors_are_exported_with_their_power(few: Path, cache: Path, tmp_path: Path) -> None:
    config = settings(
        loss={"dimensions": [8], "auxiliary": {"weight": 0.5}},
        **{"frozen": False, "head": "cgd", "embedding_dim": 16},
    )
    run = train(config, few, out=tmp_path)
    network = torch_network(run, config)
    assert (network.features.pooling.power != 3.0).all()  # type: ignore[union-attr]
    assert_folder_computes(run, network)
    assert run.model.dimensions == (8,)
    assert shorten(run.model, 8).embed_pixels(sample_pixels(run.model.preprocess)).shape == (8, 8)
    assert Model.load(tmp_path / "baseline").name == "test_resnet, untrained"
    assert run.evaluation is not None
    assert run.evaluation.report.baseline == "test_resnet, untrained"


def test_run_whose_graph_has_no_plain_feature_keeps_the_plain_backbone_beside(
    few: Path, cache: Path, tmp_path: Path
) -> None:
    run = train(settings(last_stride=1, stages=1, pooling="spoc"), few, out=tmp_path)
    assert run.model.facts["outputs"] == {"embedding": 128}
    assert run.evaluation is not None
    assert run.evaluation.report.baseline == "test_resnet, untrained"
    assert Model.load(tmp_path / "baseline").name == "test_resnet, untrained"


def test_plain_settings_ask_for_the_same_untrained_model() -> None:
    """A cache folder of an older release serves: what it was asked for is spelled the same."""
    config = parse_config({"network": {"pooling": ["spoc"]}})
    preprocess = {"size": None, "resize": "crop", "crop": 1.0}
    expected = {
        "backbone": "efficientnet_lite0",
        "pretrained": True,
        "pooling": "spoc",
        "preprocess": preprocess,
    }
    assert feature_spec(config) == _plain_spec(config) == expected
    for other in ({"stages": 2}, {"pooling": ["mac"]}, {"last_stride": 1}):
        assert feature_spec(parse_config({"network": other})) != expected
        assert _plain_spec(parse_config({"network": other})) == expected


@pytest.mark.parametrize("power", [1.0, 0.5])
def test_a_head_takes_rows_of_any_length_as_its_graph_does(power: float) -> None:
    torch.manual_seed(0)
    head = Head(6, 4, hidden=(5,), power=power).eval()
    rows = torch.randn(8, 6) * torch.tensor([0.1, 1.0, 3.0, 9.0]).repeat(2)[:, None]
    with torch.inference_mode():
        np.testing.assert_allclose(head(rows).numpy(), head.as_graph().apply(rows.numpy()), atol=1e-5)
