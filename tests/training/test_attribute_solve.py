"""The closed form of pictures and attributes: against ridge regression of scikit-learn, and by its effect."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from lookalike.records import Floats
from lookalike.tables.attribute_values import Values
from lookalike.training.attribute_solve import (
    SharedSpace,
    choose_attributes,
    indicators,
    mean_of_kinds,
    prototypes,
    score,
    score_space,
    solve_attributes,
)
from lookalike.training.closed_form import apply


def planted(n: int, *, seed: int, dim: int = 20, attributes: int = 5) -> tuple[Floats, Values]:
    """Features that show their attributes along fixed directions, under noise."""
    rng = np.random.default_rng(seed)
    directions = np.random.default_rng(99).normal(size=(attributes, dim))
    values = np.where(rng.random((n, attributes)) < np.linspace(0.1, 0.6, attributes), 1, -1)
    features = values @ directions + rng.normal(size=(n, dim)) * 1.5
    return features.astype(np.float32), values.astype(np.int8)


def solved(power: float = 1.0, dim: int = 99, shrinkage: float = 0.3) -> SharedSpace:
    return solve_attributes(*planted(300, seed=0), power=power, shrinkage=shrinkage, dim=dim)


def by_definition(
    features: Floats, values: Values, *, power: float, shrinkage: float
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions of standardised attributes by scikit-learn, and the z of each attribute present, absent."""
    wide = features.astype(np.float64)
    raised = np.sign(wide) * np.abs(wide) ** power
    raised /= np.linalg.norm(raised, axis=1, keepdims=True)
    share = values.mean(axis=0)
    deviation = values.std(axis=0) + 0.05
    centred = raised - raised.mean(axis=0)
    alpha = shrinkage * np.trace(centred.T @ centred) / features.shape[1]
    model = Ridge(alpha=alpha).fit(raised, (values - share) / deviation)
    present, absent = (1 - share) / deviation, (-1 - share) / deviation
    return model.predict(raised), np.concatenate([np.diag(present), np.diag(absent)])


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_pictures_lie_at_their_predicted_standardised_attributes(power: float) -> None:
    features, values = planted(300, seed=0)
    space = solve_attributes(features, values, power=power, shrinkage=0.3, dim=99)
    predicted, queries = by_definition(features, values, power=power, shrinkage=0.3)
    wanted = predicted / np.linalg.norm(predicted, axis=1, keepdims=True)
    assert apply(space.image, features) == pytest.approx(wanted, abs=1e-4)
    assert space.attributes == pytest.approx(queries, abs=1e-5)


def test_a_query_is_the_sum_of_what_it_states_and_the_mean_elsewhere() -> None:
    space = solved()
    found = space.branch().apply(indicators(np.array([[1, 0, 0, -1, 0]], np.int8)))[0]
    wanted = space.attributes[0] + space.attributes[5 + 3]
    assert found == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-6)
    assert np.flatnonzero(np.abs(found) > 1e-6).tolist() == [0, 3]  # each attribute has its own direction


def test_a_rare_attribute_weighs_more_when_present_than_when_absent() -> None:
    space = solved()  # the first is present in one of ten
    lengths = np.linalg.norm(space.attributes, axis=1)
    assert lengths[0] > 2 * lengths[5]


def test_fewer_dimensions_keep_the_leading_directions() -> None:
    features, values = planted(400, seed=3)
    whole, part = solved(), solved(dim=4)
    assert part.image.weight.shape == (20, 4)
    assert part.attributes.shape == (10, 4)
    full = score_space(whole, features, values)
    assert full > score_space(part, features, values) > 0.8 * full
    gram_whole = (whole.image.weight @ whole.image.weight.T).astype(np.float64)
    gram_part = (part.image.weight @ part.image.weight.T).astype(np.float64)
    assert np.trace(gram_whole) > np.trace(gram_part)


def test_values_that_are_not_stated_count_as_the_mean() -> None:
    features, values = planted(300, seed=0)
    hidden = values.copy()
    hidden[::3, 2] = 0
    hidden[:, 4] = np.where(np.arange(300) < 150, hidden[:, 4], 0)
    found = solve_attributes(features, hidden, power=1.0, shrinkage=0.3, dim=99)
    share = [hidden[hidden[:, j] != 0, j].mean() for j in range(5)]
    centred = np.where(hidden != 0, hidden - np.array(share), 0.0)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    rows = (unit - unit.mean(axis=0)).astype(np.float64)
    ridge = 0.3 * np.trace(rows.T @ rows) / 20
    weight = np.linalg.solve(rows.T @ rows + ridge * np.eye(20), rows.T @ centred)
    deviation = np.sqrt(1 - np.array(share) ** 2) + 0.05
    assert found.image.weight == pytest.approx(weight / deviation, rel=1e-3, abs=1e-4)


def test_it_finds_attributes_in_new_pictures_better_than_untrained_features() -> None:
    features, values = planted(300, seed=5)
    found = score_space(solved(), features, values)
    train, train_values = planted(300, seed=0)
    kept = prototypes(train / np.linalg.norm(train, axis=1, keepdims=True), train_values)

    def embed(stated: Floats) -> Floats:
        rows = stated @ kept["prototypes"]
        unit: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit

    centred = features / np.linalg.norm(features, axis=1, keepdims=True) - kept["mean"]
    untrained = score(centred / np.linalg.norm(centred, axis=1, keepdims=True), values, embed)
    assert found > mean_of_kinds(untrained) + 0.03


def test_the_best_attempt_on_validation_is_taken() -> None:
    train, val = planted(300, seed=0), planted(200, seed=1)
    space, attempts = choose_attributes(*train, *val, dim=99, powers=(1.0, 0.5), shrinkages=(0.1, 1e6))
    assert [(tried.power, tried.shrinkage) for tried in attempts] == [
        (1.0, 0.1),
        (1.0, 1e6),
        (0.5, 0.1),
        (0.5, 1e6),
    ]
    best = max(attempts, key=lambda tried: tried.map)
    assert score_space(space, *val) == best.map
    assert space.image.power == best.power


def test_prototypes_are_the_means_with_and_without() -> None:
    features = np.arange(12, dtype=np.float32).reshape(4, 3)
    values = np.array([[1, 0], [1, 0], [-1, 1], [0, 1]], np.int8)
    kept = prototypes(features, values)
    mean = features.mean(axis=0)
    assert kept["mean"] == pytest.approx(mean)
    assert kept["prototypes"][0] == pytest.approx(features[:2].mean(axis=0) - mean)
    assert kept["prototypes"][1] == pytest.approx(features[2:].mean(axis=0) - mean)
    assert kept["prototypes"][2] == pytest.approx(features[2] - mean)
    assert not kept["prototypes"][3].any()  # nobody is known to lack the second


def test_indicators_tell_present_absent_and_open_apart() -> None:
    assert indicators(np.array([[1, -1, 0]], np.int8)).tolist() == [[1, 0, 0, 0, 1, 0]]


def test_nothing_to_judge_scores_zero() -> None:
    assert mean_of_kinds({}) == 0.0
