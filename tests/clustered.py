"""Features for training without pictures: classes that differ in a few directions."""

from __future__ import annotations

import numpy as np

from lookalike.training.sources import FeatureSource


def clusters(classes: int, each: int, *, seed: int, dim: int = 24) -> FeatureSource:
    """Classes that differ in a few directions only, under much noise in the others."""
    rng = np.random.default_rng(seed)
    means = np.zeros((classes, dim))
    means[:, :4] = rng.normal(size=(classes, 4)) * 2
    labels = np.repeat(np.arange(classes), each)
    spread = np.where(np.arange(dim) < 4, 0.3, 2.0)
    features = means[labels] + rng.normal(size=(len(labels), dim)) * spread
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return FeatureSource(features.astype(np.float32), labels.astype(str))


def even_clusters(seed: int) -> FeatureSource:
    """Sixteen classes of six rows, under the same noise in every direction."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(16), 6)
    means = np.zeros((16, 24))
    means[:, :4] = rng.normal(size=(16, 4)) * 2
    return FeatureSource((means[labels] + rng.normal(size=(96, 24))).astype(np.float32), labels.astype(str))
