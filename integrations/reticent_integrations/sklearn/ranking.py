"""Curves of a binary ranking: how many true and false positives there are above each score."""

from __future__ import annotations

from typing import Any


def ranked(positive: Any, scores: Any, weight: Any = None) -> tuple[Any, Any, Any]:
    """True positives, false positives and the thresholds, from the highest score to the lowest, one for each score."""
    import numpy as np

    order = np.argsort(scores)[::-1]
    scores, positive = scores[order], positive[order].astype(float)
    weights = 1.0 if weight is None else weight[order]
    last_of_score = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    true = np.cumsum(positive * weights)[last_of_score]
    everything = np.arange(1.0, len(scores) + 1) if weight is None else np.cumsum(weights)
    return true, everything[last_of_score] - true, scores[last_of_score]


def auc(true: Any, false: Any) -> float:
    """The area under the ROC curve. ZeroDivisionError if there are no positives, or no negatives."""
    import numpy as np

    true, false = np.append(0.0, true), np.append(0.0, false)
    area = float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2))
    return area / (float(true[-1]) * float(false[-1]))


def average_precision(true: Any, false: Any) -> float:
    """The precision at each threshold, weighted by the recall that it adds. ZeroDivisionError if there are no positives."""
    import numpy as np

    precision = true / np.maximum(true + false, 1e-300)
    return float(np.sum(np.diff(np.append(0.0, true)) * precision)) / float(true[-1])


def pairwise_auc(codes: Any, probabilities: Any) -> float:
    """The area for more than two classes: that of each pair, both ways round, weighted by how common the pair is."""
    import numpy as np

    areas, weights = [], []
    count = probabilities.shape[1]
    for one in range(count):
        for other in range(one + 1, count):
            pair = (codes == one) | (codes == other)
            is_one = codes[pair] == one
            areas.append((_auc_of(is_one, probabilities[pair, one]) + _auc_of(~is_one, probabilities[pair, other])) / 2)
            weights.append(float(np.mean(pair)))
    return float(np.average(areas, weights=weights))


def _auc_of(positive: Any, scores: Any) -> float:
    true, false, _ = ranked(positive, scores)
    return auc(true, false)
