"""statsmodels, as a user fits with it: all that is captured is in the database, and is what statsmodels says itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import statsmodels

from .capturing import Stored, check_captures, check_floor, script

TRAINING = """
import json
import numpy as np
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.datasets import co2, longley, spector
from statsmodels.regression.rolling import RollingOLS
from statsmodels.tsa.arima.model import ARIMA
from statsmodels.tsa.forecasting.stl import STLForecast
from statsmodels.tsa.forecasting.theta import ThetaModel

data = longley.load_pandas()
X = sm.add_constant(data.exog)
ols = sm.OLS(data.endog, X).fit()
formula = smf.ols("TOTEMP ~ GNP + ARMED", data=data.data).fit(cov_type="HC1")
lasso = sm.OLS(data.endog, X).fit_regularized(alpha=0.5, L1_wt=1.0)
grades = spector.load_pandas()
logit = sm.Logit(grades.endog, sm.add_constant(grades.exog)).fit(disp=0)
weeks = co2.load_pandas().data["co2"].dropna()[-100:].reset_index(drop=True)
arima = ARIMA(weeks, order=(1, 1, 0)).fit()
months = co2.load_pandas().data["co2"].resample("MS").mean().ffill()[-120:]
rolling = RollingOLS(data.endog, X[["const", "GNP"]], window=8).fit()
theta = ThetaModel(months).fit()
forecast = STLForecast(months, ARIMA, model_kwargs={"order": (1, 1, 0)}).fit()

own = {}
for name, results in {"ols": ols, "formula": formula, "logit": logit, "arima": arima}.items():
    own[name] = {key: float(getattr(results, key)) for key in ("llf", "aic", "bic")}
    own[name]["params"] = list(results.params)
    own[name]["bse"] = list(results.bse)
own["ols"] |= {key: float(getattr(ols, key)) for key in ("rsquared", "fvalue", "ssr", "condition_number")}
own["logit"]["prsquared"] = float(logit.prsquared)  # a null model is fitted for it
for name, results in {"rolling": rolling, "forecast": forecast.model_result}.items():
    own[name] = {"params": np.asarray(results.params)[-1].tolist() if name == "rolling" else list(results.params)}
    own[name]["bse"] = np.asarray(results.bse)[-1].tolist() if name == "rolling" else list(results.bse)
own["rolling"]["rsquared"] = np.asarray(rolling.rsquared)[7:].tolist()
own["forecast"] |= {key: float(getattr(forecast.model_result, key)) for key in ("llf", "aic", "bic")}
own["theta"] = {"params": list(theta.params)}
own["lasso"] = {"params": list(lasso.params), "ssr": float(((data.endog - lasso.fittedvalues) ** 2).sum())}
with open("own.json", "w") as file:
    json.dump(own, file)
"""

NAMES = {
    "ols": "OLS",
    "formula": "OLS with a formula",
    "lasso": "fit_regularized",
    "logit": "Logit",
    "arima": "ARIMA",
    "rolling": "RollingOLS",
    "theta": "ThetaModel",
    "forecast": "STLForecast",
}
"""The runs in the order of their fits, and what they are called in the table of what is captured."""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("statsmodels")


@pytest.fixture(scope="module")
def runs(directory: Path) -> dict[str, Stored]:
    return dict(zip(NAMES, script(TRAINING, directory), strict=True))


@pytest.fixture(scope="module")
def own(runs: dict[str, Stored], directory: Path) -> dict[str, Any]:
    """What statsmodels itself says; after the runs, which write it."""
    found: dict[str, Any] = json.loads((directory / "own.json").read_text())
    return found


def test_each_fit_is_a_run(runs: dict[str, Stored]) -> None:
    models = ["OLS", "OLS", "OLS", "Logit", "ARIMA", "RollingOLS", "ThetaModel", "STLForecast"]
    assert [run.name for run in runs.values()] == models
    assert {run.status for run in runs.values()} == {"FINISHED"}
    assert [run.warnings for run in runs.values()] == [[]] * 8
    assert {run.tags["autologging"] for run in runs.values()} == {"statsmodels"}
    assert [run.models for run in runs.values()] == [["model"]] * 8


def test_everything_that_mlflow_captures(runs: dict[str, Stored]) -> None:
    check_floor(runs["ols"], "statsmodels_ols")


def test_numbers_are_those_of_the_results(runs: dict[str, Stored], own: dict[str, Any]) -> None:
    for name, told in own.items():
        numbers = {key: [(0, value)] for key, value in told.items() if isinstance(value, float)}
        if name == "lasso":
            assert runs[name].metrics["ssr"][0][1] == pytest.approx(told["ssr"])
        else:
            assert {key: runs[name].metrics[key] for key in numbers} == numbers, name


def test_each_window_has_a_point(runs: dict[str, Stored], own: dict[str, Any]) -> None:
    assert runs["rolling"].metrics["rsquared"] == list(enumerate(own["rolling"]["rsquared"], start=7))


def test_coefficients(runs: dict[str, Stored], own: dict[str, Any], directory: Path) -> None:
    for name, run in runs.items():
        file = directory / "root" / "runs" / run.run_id / "artifacts" / "coefficients.json"
        rows = json.loads(file.read_text())
        assert [row["coefficient"] for row in rows] == own[name]["params"], name
        if name not in {"lasso", "theta"}:
            assert [row["std_error"] for row in rows] == own[name]["bse"]
            assert rows[0].keys() == {
                "name", "coefficient", "std_error", "statistic", "p_value", "lower_95", "upper_95"
            }  # fmt: skip


def test_params_with_where_they_come_from(runs: dict[str, Stored]) -> None:
    assert runs["ols"].params["method"] == ("pinv", "default")
    assert runs["formula"].params["cov_type"] == ("HC1", "explicit")
    assert runs["formula"].params["formula"] == ("TOTEMP ~ GNP + ARMED", "explicit")
    assert runs["formula"].params["exog_names"] == ("['Intercept', 'GNP', 'ARMED']", "derived")
    assert runs["lasso"].params["alpha"] == ("0.5", "explicit")
    assert runs["lasso"].metrics["nonzero_params"][0][1] <= 7
    assert runs["arima"].params["order"] == ("(1, 1, 0)", "explicit")
    assert runs["rolling"].params["window"] == ("8", "explicit")
    assert runs["theta"].params["seasonal_period"] == ("12", "derived")
    assert runs["forecast"].params["model_kwargs"] == ("{'order': (1, 1, 0)}", "explicit")
    assert runs["arima"].params["seasonal_order"] == ("(0, 0, 0, 0)", "default")


def test_data_sets(runs: dict[str, Stored]) -> None:
    schema, profile = runs["ols"].datasets[("train", "train")]
    assert schema["features"]["shape"] == [16, 7]  # type: ignore[index] # JSON
    assert profile["targets"] == {"rows": 16}
    assert [list(run.datasets) for run in runs.values()] == [[("train", "train")]] * 8


def test_captures_are_those_of_the_table(runs: dict[str, Stored]) -> None:
    check_captures("statsmodels", statsmodels.__version__, {NAMES[name]: run for name, run in runs.items()})
