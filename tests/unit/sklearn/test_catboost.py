"""CatBoost's estimators as parts of scikit-learn's: how CatBoost was built, with an e-mail address, is not published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import catboost
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import reticent
from reticent.runlog import ARTIFACTS
from reticent.testing import captured
from reticent_integrations.catboost.builds import blanked

pytestmark = pytest.mark.usefixtures("autolog")

BUILD = b"Git info:\n    Commit: " + b"0a" * 20 + b"\n    Author: somebody\n"


def parts(**options: Any) -> Any:
    model = catboost.CatBoostClassifier(iterations=3, depth=2, verbose=False, allow_writing_files=False, **options)
    return make_pipeline(StandardScaler(), model)


def content(root: Path, run_id: str) -> bytes:
    model = root / "runs" / run_id / ARTIFACTS / "model"
    return b"".join(path.read_bytes() for path in model.rglob("*") if path.is_file())


@pytest.mark.parametrize("search", [False, True])
def test_such_models_are_published(search: bool, cancer: Any, root: Path) -> None:
    model = GridSearchCV(parts(), {"catboostclassifier__l2_leaf_reg": [1, 3]}, cv=2) if search else parts()
    model.fit(*cancer)
    run = captured(root)[0]
    assert (run.status, run.models[0], run.warnings) == ("FINISHED", "model", [])
    assert "model/model.skops" in run.artifacts
    assert b"catboost_version_info" in content(root, run.run_id)
    assert b"yandex-team" not in content(root, run.run_id)
    loaded = reticent.load_model(f"runs:/{run.run_id}/model", trust=True)
    assert np.array_equal(loaded.predict_proba(cancer[0]), model.predict_proba(cancer[0]))


def test_what_stays_a_pickle_is_published_too(cancer: Any, root: Path) -> None:
    model = make_pipeline(FunctionTransformer(lambda rows: rows * 2), *(step for _, step in parts().steps))
    model.fit(*cancer)
    (run,) = captured(root)
    assert "model/model.pkl" in run.artifacts
    loaded = reticent.load_model(f"runs:/{run.run_id}/model", trust=True)
    assert np.array_equal(loaded.predict(cancer[0]), model.predict(cancer[0]))


def test_what_else_is_in_such_a_model_is_found(cancer: Any, root: Path) -> None:
    parts(metadata={"reviewer": "jane.roe" + "@" + "clinic-north.org"}).fit(*cancer)
    (run,) = captured(root)
    assert "model/model.skops" not in run.artifacts
    assert b"clinic-north" not in content(root, run.run_id)


def test_only_a_text_of_catboosts_own_is_blanked() -> None:
    length = len(BUILD).to_bytes(4, "little")
    own = b"catboost_version_info\0" + length + BUILD + b"\0"
    assert blanked(own) == own.replace(BUILD, b" " * len(BUILD))
    for other in (length + BUILD + b"\0", own[:-1] + b"\x94", own.replace(length, b"\0\0\0\1"), b"anything"):
        assert blanked(other) == other
