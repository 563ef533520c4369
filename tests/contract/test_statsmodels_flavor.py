"""The flavour of statsmodels keeps the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.tsa.arima.model import ARIMA
from statsmodels.tsa.forecasting.theta import ThetaModel
from statsmodels.tsa.statespace.sarimax import SARIMAX
from tests.contract.flavors import FlavorMatrix

from reticent.models import load_model
from reticent.testing import ModelCase
from reticent_integrations.statsmodels.flavor import flavor

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=list("abc"))
TARGET = FRAME.sum(axis=1) + np.random.default_rng(1).normal(size=60)
CLASSES = (TARGET > 0).astype(int)
SERIES = pd.Series(np.cumsum(TARGET.to_numpy()), index=pd.date_range("2026-01-01", periods=60, freq="D"))


class TestStatsmodelsFlavor(FlavorMatrix):
    flavor = flavor
    module = "statsmodels"
    kinds = ("OLS", "GLM", "Logit", "formula", "ARIMA", "SARIMAX")

    def case(self, kind: str) -> ModelCase:
        example = FRAME.head()
        if kind == "OLS":
            model: Any = sm.OLS(TARGET, FRAME).fit()
        elif kind == "GLM":
            model = sm.GLM(CLASSES, FRAME, family=sm.families.Binomial()).fit()
        elif kind == "Logit":
            model = sm.Logit(CLASSES, FRAME).fit(disp=0)
        elif kind == "formula":
            model = smf.ols("y ~ a + b * c + I(a ** 2)", FRAME.assign(y=TARGET)).fit()
        elif kind == "ARIMA":
            model = ARIMA(SERIES.to_numpy(), order=(1, 1, 1)).fit()
            example = pd.DataFrame({"start": [58], "end": [62]})
        else:
            model = SARIMAX(SERIES, order=(1, 0, 0)).fit(disp=0)
            example = pd.DataFrame({"start": ["2026-02-27"], "end": ["2026-03-05"]})
        return ModelCase(model, example, safe=False)

    def change(self, model: Any) -> bool:
        if hasattr(model, "smoother_results"):
            return False  # what it predicts is computed when it is fitted
        model._results.params[:] = np.arange(len(model._results.params)) + 10.0
        return True


def test_the_results_are_all_there_again(tmp_path: Path) -> None:
    contract = TestStatsmodelsFlavor()
    for kind in contract.kinds:
        model = contract.case(kind).model
        before = str(model.summary().tables[1])
        directory = contract.publish(tmp_path / "runs" / kind, model).directory
        assert str(model.summary().tables[1]) == before
        assert str(load_model(directory, trust=True).summary().tables[1]) == before


def test_a_time_series_is_asked_for_a_span() -> None:
    model = TestStatsmodelsFlavor().case("ARIMA").model
    assert flavor.predict is not None
    assert len(flavor.predict(model, {"start": 58, "end": 62}, {})) == 5
    for data in (FRAME, FRAME.head(1), np.zeros((1, 2))):
        with pytest.raises(ValueError, match="one row with the columns start and end"):
            flavor.predict(model, data, {})


def test_a_forecast_is_asked_for_a_number_of_steps() -> None:
    model = ThetaModel(SERIES, period=7).fit()
    assert flavor.predict is not None
    assert len(flavor.predict(model, pd.DataFrame({"steps": [5]}), {})) == 5
    with pytest.raises(ValueError, match="one row with the column steps"):
        flavor.predict(model, {"start": 58, "end": 62}, {})
