"""What is captured of fits that are no `Model`'s: rolling regressions, forecasts, and what fits many models to one end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.base.distributed_estimation import DistributedModel
from statsmodels.imputation.bayes_mi import MI, BayesGaussMI
from statsmodels.imputation.mice import MICE, MICEData
from statsmodels.regression.rolling import RollingOLS, RollingWLS
from statsmodels.stats.anova import AnovaRM
from statsmodels.tsa.api import ARIMA, VECM
from statsmodels.tsa.forecasting.stl import STLForecast
from statsmodels.tsa.forecasting.theta import ThetaModel

import reticent
from reticent.models import load_model, load_pyfunc
from reticent.testing import Captured, captured

OnlyRun = Callable[[], Captured]
X = ["const", "a", "b"]


@pytest.fixture
def months() -> pd.Series:
    season = 5 * np.sin(np.arange(120) / 12 * 2 * np.pi)
    values = np.cumsum(np.random.default_rng(0).normal(size=120)) + 50 + season
    return pd.Series(values, index=pd.date_range("2010-01-01", periods=120, freq="MS"), name="level")


@pytest.fixture
def incomplete(table: pd.DataFrame) -> pd.DataFrame:
    return table[["y", "a", "b"]].mask(np.random.default_rng(2).random((80, 3)) < 0.1)


def coefficients(root: Path, run: Captured) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(artifact(root, run, "coefficients.json").read_text())
    return found


def artifact(root: Path, run: Captured, name: str) -> Path:
    return root / "runs" / run.run_id / "artifacts" / name


def test_a_rolling_regression_has_a_point_for_each_window(table: pd.DataFrame, root: Path, only_run: OnlyRun) -> None:
    results = RollingOLS(table["y"], table[X], window=30).fit(cov_type="HC0")
    run = only_run()
    assert (run.status, run.warnings, run.tags["autologging"]) == ("FINISHED", [], "statsmodels")
    assert (run.params["window"], run.params["cov_type"], run.params["expanding"]) == ("30", "HC0", "False")
    assert (run.params["endog_names"], run.params["exog_names"]) == ("y", "['const', 'a', 'b']")
    assert run.datasets == [("train", "train")]
    ends = list(range(29, 80))
    for name in ("rsquared", "ssr", "aic", "nobs"):
        assert run.metrics[name] == [(row, float(getattr(results, name)[row])) for row in ends]
    assert run.metrics["coefficient/a"] == [(row, float(results.params["a"][row])) for row in ends]
    rows, interval = coefficients(root, run), results.conf_int().iloc[-1]
    assert [row["name"] for row in rows] == X
    assert [row["coefficient"] for row in rows] == list(results.params.iloc[-1])
    assert [row["std_error"] for row in rows] == list(results.bse.iloc[-1])
    assert [[row["lower_95"], row["upper_95"]] for row in rows] == [
        [interval[name, "lower"], interval[name, "upper"]] for name in X
    ]
    loaded = load_model(artifact(root, run, "model"), trust=True)
    assert loaded.params.equals(results.params)


def test_a_rolling_regression_of_arrays_and_of_a_formula(table: pd.DataFrame, root: Path) -> None:
    y, x = table["y"].to_numpy(), table[X].to_numpy()
    weighted = RollingWLS(y, x, window=20, weights=np.arange(1.0, 81.0)).fit()
    RollingOLS.from_formula("y ~ a", data=table, window=20).fit()
    RollingOLS(y, x, window=20).fit(params_only=True)
    run, of_formula, bare = captured(root)
    assert of_formula.params["formula"] == "y ~ a"
    rows, interval = coefficients(root, run), weighted.conf_int()[-1]
    assert [row["lower_95"] for row in rows] == list(interval[0])
    assert [row["upper_95"] for row in rows] == list(interval[1])
    assert bare.metrics["coefficient/x1"][-1][0] == 79
    assert "rsquared" not in bare.metrics
    assert bare.warnings == []


def test_of_many_windows_some_are_told_and_the_last_one(only_run: OnlyRun) -> None:
    chance = np.random.default_rng(0)
    RollingOLS(chance.normal(size=1200), np.ones((1200, 1)), window=10).fit()
    steps = [step for step, _ in only_run().metrics["rsquared_adj"]]
    assert 100 < len(steps) <= 200
    assert steps[-1] == 1199


def test_a_rolling_regression_keeps_no_more_than_without(table: pd.DataFrame) -> None:
    model = RollingOLS(table["y"], table[X], window=30)
    results = model.fit()
    reticent.autolog(disable=True)
    assert vars(results).keys() == vars(model.fit()).keys()
    assert results._cache == {}


@pytest.mark.parametrize("use_mle", [False, True])
def test_a_theta_model_is_one_run(use_mle: bool, months: pd.Series, root: Path, only_run: OnlyRun) -> None:
    results = ThetaModel(months, difference=True).fit(use_mle=use_mle)
    run = only_run()
    assert (run.status, run.warnings) == ("FINISHED", [])
    assert (run.params["difference"], run.params["use_mle"]) == ("True", str(use_mle))
    assert (run.params["has_seasonality"], run.params["seasonal_method"]) == ("True", "multiplicative")
    assert run.params["seasonal_period"] == "12"
    assert coefficients(root, run) == [
        {"name": "b0", "coefficient": results.params["b0"]},
        {"name": "alpha", "coefficient": results.params["alpha"]},
    ]
    assert run.metrics["nobs"] == [(0, 120.0)]
    assert run.metrics.get("sigma2") == ([(0, results.sigma2)] if use_mle else None)
    assert "ThetaModel Results" in artifact(root, run, "model_summary.txt").read_text()
    assert run.datasets == [("train", "train")]
    directory = artifact(root, run, "model")
    assert load_model(directory, trust=True).forecast(6).equals(results.forecast(6))
    assert load_pyfunc(directory, trust=True).predict({"steps": 6}).equals(results.forecast(6))
    results.prediction_intervals(3)  # estimates the variance with a model of its own
    assert len(captured(root)) == 1


def test_a_forecast_without_seasons_has_the_numbers_of_its_model(
    months: pd.Series, root: Path, only_run: OnlyRun
) -> None:
    results = STLForecast(months, ARIMA, model_kwargs={"order": (1, 1, 0)}, robust=True).fit()
    run = only_run()
    assert (run.status, run.warnings) == ("FINISHED", [])
    assert run.params["model"] == "ARIMA"
    assert run.params["model_kwargs"] == "{'order': (1, 1, 0)}"
    assert (run.params["robust"], run.params["seasonal"]) == ("True", "7")
    inner = results.model_result
    assert {name: run.metrics[name] for name in ("llf", "aic", "bic")} == {
        name: [(0, float(getattr(inner, name)))] for name in ("llf", "aic", "bic")
    }
    assert [row["coefficient"] for row in coefficients(root, run)] == list(inner.params)
    summary = artifact(root, run, "model_summary.txt").read_text()
    assert "STL Configuration" in summary
    assert "SARIMAX Results" in summary
    directory = artifact(root, run, "model")
    assert np.array_equal(load_pyfunc(directory, trust=True).predict({"steps": 6}), results.forecast(6))


class Last:
    """A forecast of the user's, with no numbers: the last value again."""

    def __init__(self, endog: Any) -> None:
        self.last = endog.iloc[-1]

    def fit(self) -> Last:
        return self

    def forecast(self, steps: int) -> Any:
        return np.full(steps, self.last)


def test_a_forecast_with_a_model_of_the_users(months: pd.Series, only_run: OnlyRun) -> None:
    STLForecast(months, Last).fit()
    run = only_run()
    assert (run.params["model"], run.status, run.warnings) == ("Last", "FINISHED", [])


def test_local_projections_are_one_run(table: pd.DataFrame, root: Path, only_run: OnlyRun) -> None:
    projections = pytest.importorskip("statsmodels.tsa.vector_ar.local_proj", reason="came with statsmodels 0.15")
    results = projections.LocalProjections(table[["a", "b"]], lags=2, horizons=4).fit()
    run = only_run()
    assert (run.params["lags"], run.params["horizons"], run.warnings) == ("2", "4", [])
    rows = {row["name"]: row for row in coefficients(root, run)}
    assert len(rows) == 10
    assert rows["b to a at 3"]["coefficient"] == results.irfs[3, 1, 0]
    assert rows["b to a at 3"]["upper_95"] == results.conf_int()[3, 1, 0, 1]
    assert run.metrics["nobs"] == [(0, 74.0)]
    assert run.models == ["model"]


def mice(frame: pd.DataFrame) -> Any:
    return MICE("y ~ a + b", sm.OLS, MICEData(frame)).fit(n_burnin=2, n_imputations=3)


def gauss(frame: pd.DataFrame) -> Any:
    imputer = BayesGaussMI(frame.to_numpy())
    return MI(imputer, sm.OLS, model_args_fn=lambda x: (x[:, 0], x[:, 1:]), burn=2, nrep=3).fit()


@pytest.mark.parametrize(("fit", "model"), [(mice, "model_class"), (gauss, "model")])
def test_fits_to_imputed_data_are_one_run(
    fit: Callable[[pd.DataFrame], Any], model: str, incomplete: pd.DataFrame, root: Path, only_run: OnlyRun
) -> None:
    results = fit(incomplete)
    run = only_run()
    assert (run.status, run.warnings, run.models) == ("FINISHED", [], [])
    rows = coefficients(root, run)
    assert [row["coefficient"] for row in rows] == list(results.params)
    assert [row["std_error"] for row in rows] == list(results.bse)
    assert run.params[model] == "OLS"
    assert run.datasets == [("train", "train")]
    assert "Num. imputations" in artifact(root, run, "model_summary.txt").read_text()


def test_a_fit_in_parts_is_one_run_and_takes_nothing_from_its_generator(
    table: pd.DataFrame, root: Path, only_run: OnlyRun
) -> None:
    def parts() -> Iterator[tuple[Any, Any]]:
        for first in range(2):
            yield table["y"].to_numpy()[first::2], table[X].to_numpy()[first::2]

    results = DistributedModel(2).fit(parts(), fit_kwds={"alpha": 0.1})
    run = only_run()
    assert (run.status, run.warnings, run.datasets) == ("FINISHED", [], [])
    assert run.params["partitions"] == "2"
    assert [row["coefficient"] for row in coefficients(root, run)] == list(results.params)
    assert not {"nobs", "rsquared", "llf"} & run.metrics.keys()  # those would be of a model without data


def test_the_matrices_of_a_vector_error_correction_model(table: pd.DataFrame, root: Path, only_run: OnlyRun) -> None:
    results = VECM(table[["a", "b"]].cumsum(), k_ar_diff=1).fit()
    run = only_run()
    rows = {row["name"]: row for row in coefficients(root, run)}
    assert rows["alpha[1,0]"]["coefficient"] == results.alpha[1, 0]
    assert rows["alpha[1,0]"]["std_error"] == results.stderr_alpha[1, 0]
    assert rows["gamma[0,1]"]["p_value"] == results.pvalues_gamma[0, 1]
    assert len(rows) == results.alpha.size + results.beta.size + results.gamma.size
    directory = artifact(root, run, "model")
    assert np.array_equal(load_pyfunc(directory, trust=True).predict({"steps": 4}), results.predict(4))


def test_an_analysis_of_variance_makes_no_run(root: Path) -> None:
    chance = np.random.default_rng(0)
    frame = {"y": chance.normal(size=40), "subject": np.repeat(np.arange(20), 2), "time": np.tile([0, 1], 20)}
    AnovaRM(pd.DataFrame(frame), "y", "subject", within=["time"]).fit()
    assert captured(root) == []
