"""CatBoostClassifier.fit"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.fits.data import BOOSTED, with_validation

MLFLOW = None
SIZES = BOOSTED


def prepare(rounds: int, rows: int, columns: int) -> Callable[[], object]:
    from catboost import CatBoostClassifier

    train, valid = with_validation(rows, columns)

    def fit() -> object:
        model = CatBoostClassifier(iterations=rounds, thread_count=1, verbose=False, allow_writing_files=False)
        return model.fit(*train, eval_set=valid)

    return fit
