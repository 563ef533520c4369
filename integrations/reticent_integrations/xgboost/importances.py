"""Feature importances of a booster."""

from __future__ import annotations

from typing import Any


def scores(booster: Any, kinds: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """By type of importance, by feature; types that the booster does not have are left out."""
    from xgboost.core import XGBoostError

    found = {}
    for kind in kinds:
        try:
            by_feature = booster.get_score(importance_type=kind)
        except XGBoostError:
            continue  # linear models have no more than weights
        if by_feature:
            found[kind] = by_feature
    return found
