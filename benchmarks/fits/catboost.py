"""CatBoostClassifier.fit"""

from __future__ import annotations

from collections.abc import Callable

MLFLOW = None
SIZES = {
    "30 rounds, 569 x 30": {"rounds": 30, "rows": 569, "columns": 30},
    "60 rounds, 20,000 x 50": {"rounds": 60, "rows": 20_000, "columns": 50},
}


def prepare(rounds: int, rows: int, columns: int) -> Callable[[], object]:
    from catboost import CatBoostClassifier

    from benchmarks.fits.data import two_classes

    X, y = two_classes(rows, columns)
    cut = rows * 4 // 5

    def fit() -> object:
        model = CatBoostClassifier(iterations=rounds, thread_count=1, verbose=False, allow_writing_files=False)
        return model.fit(X[:cut], y[:cut], eval_set=(X[cut:], y[cut:]))

    return fit
