"""What is asked of an estimator after its fit: its score, and what `sklearn.metrics` says of its predictions, as with
scikit-learn's own estimators. Imported when that is asked."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from reticent.patching import Call


def predict(call: Call) -> Generator[None, Any, None]:
    """Around `predict` and `predict_proba`."""
    from reticent_integrations.sklearn import later

    yield from later.predict(call)


def score(call: Call) -> Generator[None, Any, None]:
    """Around `score`."""
    from reticent_integrations.sklearn import later

    yield from later.score(call)
