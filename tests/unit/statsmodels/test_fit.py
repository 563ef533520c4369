"""What is captured of the fits of statsmodels' models."""

from __future__ import annotations

import json
import sqlite3
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.base.model import GenericLikelihoodModel
from statsmodels.miscmodels.ordinal_model import OrderedModel
from statsmodels.stats.diagnostic import het_breuschpagan
from statsmodels.stats.outliers_influence import variance_inflation_factor
from statsmodels.tsa.api import (
    ARIMA,
    SARIMAX,
    VAR,
    AutoReg,
    ExponentialSmoothing,
    MarkovRegression,
    UnobservedComponents,
    adfuller,
)
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

import reticent
from reticent.models import load_model
from reticent.testing import Captured, captured

OnlyRun = Callable[[], Captured]
X = ["const", "a", "b"]


def artifact(root: Path, run: Captured, name: str) -> str:
    return (root / "runs" / run.run_id / "artifacts" / name).read_text()


def origins(root: Path) -> dict[str, str]:
    reticent.flush(60)
    with sqlite3.connect(root / "reticent.db") as database:
        return dict(database.execute("SELECT key, origin FROM param"))


class Scaled(sm.OLS):
    """A model of the user's whose constructor has an argument that its fit has too."""

    def __init__(self, endog: Any, exog: Any, method: str = "mine") -> None:
        super().__init__(endog, exog)


class Normal(GenericLikelihoodModel):
    """A model of the user's."""

    def loglikeobs(self, params: Any) -> Any:
        return -0.5 * (self.endog - self.exog @ params) ** 2


def test_arguments_of_the_model_and_of_the_fit(table: pd.DataFrame, root: Path, only_run: OnlyRun) -> None:
    model = sm.GLM(table["count"], table[X], family=sm.families.Poisson(), missing="drop")
    model.fit(maxiter=50, tol=1e-9)
    params, origin = only_run().params, origins(root)
    assert params["family"] == "Poisson(link=Log)"
    assert (params["maxiter"], params["tol"], params["missing"]) == ("50", "1e-09", "drop")
    explicit = {"family", "missing", "maxiter", "tol"}
    assert {name for name, where in origin.items() if where == "explicit"} == explicit
    assert (params["method"], origin["method"]) == ("IRLS", "default")
    assert (params["offset"], origin["offset"]) == ("None", "default")
    assert (params["endog_names"], params["exog_names"]) == ("count", "['const', 'a', 'b']")
    assert origin["exog_names"] == "derived"


def test_of_the_same_name_both_are_kept(table: pd.DataFrame, only_run: OnlyRun) -> None:
    Scaled(table["y"], table[X], method="theirs").fit(method="qr")
    params = only_run().params
    assert (params["method"], params["model_method"]) == ("qr", "theirs")


def test_a_formula(table: pd.DataFrame, root: Path, only_run: OnlyRun) -> None:
    results = smf.ols("y ~ a + np.log(b ** 2)", data=table).fit(cov_type="HC1")
    run = only_run()
    assert run.params["formula"] == "y ~ a + np.log(b ** 2)"
    assert run.params["exog_names"] == str(list(results.params.index))
    assert run.datasets == [("train", "train")]
    example = json.loads(artifact(root, run, "model/input_example.json"))
    assert example["columns"] == list(table.columns)
    loaded = load_model(root / "runs" / run.run_id / "artifacts" / "model", trust=True)
    assert np.array_equal(loaded.predict(table), results.predict(table))


def test_numbers_of_least_squares_are_those_of_the_results(table: pd.DataFrame, only_run: OnlyRun) -> None:
    results = sm.OLS(table["y"], table[X]).fit()
    names = (
        "aic bic centered_tss condition_number df_model df_resid ess f_pvalue fvalue llf mse_model mse_resid mse_total"
    )
    names += " rsquared rsquared_adj scale ssr uncentered_tss nobs"
    run = only_run()
    told = {name: [(0, float(getattr(results, name)))] for name in names.split()}
    assert {name: run.metrics[name] for name in told} == told
    assert run.metrics.keys() - told.keys() == {"fit_seconds", "fit_samples_per_second", "peak_memory_mb"}


def test_coefficients_as_a_table(table: pd.DataFrame, root: Path, only_run: OnlyRun) -> None:
    results = sm.OLS(table["y"], table[X]).fit()
    rows = json.loads(artifact(root, only_run(), "coefficients.json"))
    assert [row["name"] for row in rows] == X
    interval = results.conf_int()
    expected = {
        "coefficient": results.params,
        "std_error": results.bse,
        "statistic": results.tvalues,
        "p_value": results.pvalues,
        "lower_95": interval[0],
        "upper_95": interval[1],
    }
    assert {name: [row[name] for row in rows] for name in expected} == {
        name: list(values) for name, values in expected.items()
    }


def test_coefficients_of_several_equations(table: pd.DataFrame, root: Path, only_run: OnlyRun) -> None:
    results = sm.MNLogit(table["kind"], table[X]).fit(disp=0)
    rows = json.loads(artifact(root, only_run(), "coefficients.json"))
    assert [row["name"] for row in rows] == [f"{equation}: {name}" for equation in (0, 1) for name in X]
    assert [row["coefficient"] for row in rows] == [*results.params[0], *results.params[1]]
    interval = results.conf_int().to_numpy()
    assert [[row["lower_95"], row["upper_95"]] for row in rows] == interval.tolist()


def untimed(summary: str) -> list[str]:
    return [line for line in summary.splitlines() if not line.startswith(("Date:", "Time:"))]


def test_the_summary(table: pd.DataFrame, root: Path, only_run: OnlyRun) -> None:
    results = sm.OLS(table["y"], table[X]).fit()
    text = artifact(root, only_run(), "model_summary.txt")
    assert untimed(text) == untimed(str(results.summary()))
    assert "R-squared:" in text
    assert "a              " in text


def test_the_summary_is_of_the_results_as_they_were(table: pd.DataFrame, root: Path, only_run: OnlyRun) -> None:
    changed = threading.Event()
    with reticent.start_run() as run:
        run.in_background("a test", lambda: assert_set(changed))
        results = sm.OLS(table["y"], table[X]).fit()
        before = untimed(str(results.summary()))
        results._results.params[:] = 77.0
        results.remove_data()
        changed.set()
    assert untimed(artifact(root, only_run(), "model_summary.txt")) == before


def assert_set(event: threading.Event) -> None:
    assert event.wait(60)


def test_no_summary_where_none_is_wanted(table: pd.DataFrame, only_run: OnlyRun) -> None:
    reticent.autolog(statsmodels={"summary": False})
    sm.OLS(table["y"], table[X]).fit()
    assert "model_summary.txt" not in only_run().artifacts


@pytest.mark.parametrize(
    ("made", "nonzero"),
    [
        (lambda table: sm.OLS(table["y"], table[X]).fit_regularized(alpha=0.5), 1),
        (lambda table: sm.GLM(table["y"], table[X]).fit_regularized(alpha=0.5), 1),
    ],
    ids=["OLS", "GLM"],
)
def test_regularized_fits(made: Any, nonzero: int, table: pd.DataFrame, root: Path, only_run: OnlyRun) -> None:
    results = made(table)
    run = only_run()
    residuals = table["y"] - results.fittedvalues
    assert run.metrics["ssr"][0][1] == pytest.approx(np.sum(residuals**2))
    assert run.metrics["mse"][0][1] == pytest.approx(np.mean(residuals**2))
    assert run.metrics["rsquared"][0][1] == pytest.approx(1 - np.sum(residuals**2) / (79 * table["y"].var()))
    assert run.metrics["llf"][0][1] == pytest.approx(results.model.loglike(results.params))
    assert run.metrics["nonzero_params"] == [(0, nonzero)]
    rows = json.loads(artifact(root, run, "coefficients.json"))
    assert [row["coefficient"] for row in rows] == list(results.params)
    assert run.params["alpha"] == "0.5"
    assert (run.models, run.warnings) == (["model"], [])


def test_a_regularized_discrete_model(table: pd.DataFrame, only_run: OnlyRun) -> None:
    results = sm.Logit(table["yes"], table[X]).fit_regularized(alpha=2, disp=0)
    run = only_run()
    assert run.metrics["llf"] == [(0, results.llf)]
    assert run.metrics["aic"] == [(0, results.aic)]


MODELS: dict[str, tuple[Callable[[pd.DataFrame, pd.Series], Any], set[str]]] = {
    "Logit": (lambda t, _: sm.Logit(t["yes"], t[X]).fit(disp=0), {"llf", "aic", "prsquared", "llnull", "iterations"}),
    "Probit": (lambda t, _: sm.Probit(t["yes"], t[X]).fit(disp=0), {"llf", "llr", "llr_pvalue", "converged"}),
    "Poisson": (lambda t, _: sm.Poisson(t["count"], t[X]).fit(disp=0), {"llf", "prsquared"}),
    "GLM": (
        lambda t, _: sm.GLM(t["count"], t[X], family=sm.families.Poisson()).fit(),
        {"deviance", "null_deviance", "pearson_chi2", "bic", "bic_llf", "bic_deviance"},
    ),
    "GEE": (lambda t, _: sm.GEE(t["y"], t[X], groups=t["group"]).fit(), {"scale", "converged"}),
    "MixedLM": (lambda t, _: sm.MixedLM(t["y"], t[["a"]], groups=t["group"]).fit(), {"llf", "scale", "converged"}),
    "OrderedModel": (lambda t, _: OrderedModel(t["kind"], t[["a"]], distr="logit").fit(disp=0), {"llf", "aic"}),
    "RLM": (lambda t, _: sm.RLM(t["y"], t[X]).fit(), {"scale", "df_resid"}),
    "QuantReg": (lambda t, _: sm.QuantReg(t["y"], t[X]).fit(q=0.5), {"prsquared"}),
    "PHReg": (lambda t, _: sm.PHReg(t["y"].abs(), t[["a"]]).fit(), {"llf"}),
    "WLS": (lambda t, _: sm.WLS(t["y"], t[X], weights=t["a"].abs()).fit(), {"rsquared", "condition_number"}),
    "ARIMA": (lambda _, s: ARIMA(s, order=(1, 0, 0)).fit(), {"llf", "aic", "aicc", "bic", "hqic", "mse", "sse", "mae"}),
    "SARIMAX": (lambda _, s: SARIMAX(s, order=(1, 0, 0)).fit(disp=0), {"llf", "hqic", "iterations"}),
    "VAR": (lambda t, _: VAR(t[["a", "b"]]).fit(1), {"aic", "bic", "fpe", "hqic", "detomega", "llf"}),
    "ExponentialSmoothing": (lambda _, s: ExponentialSmoothing(s, trend="add").fit(), {"sse", "aic", "aicc", "bic"}),
    "ETSModel": (lambda _, s: ETSModel(s, trend="add").fit(disp=0), {"sse", "mse", "llf", "aic"}),
    "UnobservedComponents": (lambda _, s: UnobservedComponents(s, "llevel").fit(disp=0), {"llf", "aic", "mse"}),
    "MarkovRegression": (lambda _, s: MarkovRegression(s.diff()[1:], k_regimes=2).fit(disp=0), {"llf", "aic", "hqic"}),
    "AutoReg": (lambda _, s: AutoReg(s, 1).fit(), {"aic", "hqic", "sigma2", "fpe"}),
}


@pytest.mark.filterwarnings("ignore:The MLE may be on the boundary")
@pytest.mark.parametrize("name", MODELS)
def test_models_of_all_kinds(name: str, table: pd.DataFrame, series: pd.Series, root: Path, only_run: OnlyRun) -> None:
    fit, metrics = MODELS[name]
    results = fit(table, series)
    run = only_run()
    assert (run.status, run.warnings, run.models) == ("FINISHED", [], ["model"])
    assert run.tags["autologging"] == "statsmodels"
    assert metrics <= run.metrics.keys()
    assert "model_summary.txt" in run.artifacts
    rows = json.loads(artifact(root, run, "coefficients.json"))
    params = results.params
    numbers = list(params.values()) if isinstance(params, dict) else np.asarray(params).reshape(-1, order="F").tolist()
    assert len(rows) == len(numbers)
    if not isinstance(params, dict):
        assert [row["coefficient"] for row in rows] == numbers
        assert all("std_error" in row and "p_value" in row for row in rows)
        assert not any(row["name"].isdigit() for row in rows)
    assert run.datasets == [("train", "train")]


def test_results_with_much_data_are_not_saved(table: pd.DataFrame, only_run: OnlyRun) -> None:
    reticent.autolog(statsmodels={"max_model_mb": 1})
    rows = 60_000
    sm.OLS(np.arange(rows, dtype=float), np.ones((rows, 1))).fit()
    run = only_run()
    assert run.models == []
    assert "max_model_mb=1" in run.warnings[0]


def test_results_keep_no_more_than_without(table: pd.DataFrame) -> None:
    for model in (sm.OLS(table["y"], table[X]), sm.Logit(table["yes"], table[X])):
        results = model.fit(disp=0) if isinstance(model, sm.Logit) else model.fit()
        reticent.autolog(disable=True)
        plain = model.fit(disp=0) if isinstance(model, sm.Logit) else model.fit()
        reticent.autolog()
        assert results._results._cache.keys() == plain._results._cache.keys()
        assert vars(results._results).keys() == vars(plain._results).keys()


def test_a_large_model_gets_no_null_model(root: Path, only_run: OnlyRun) -> None:
    chance = np.random.default_rng(0)
    wide = np.column_stack([np.ones(12_000), chance.normal(size=12_000)])
    sm.Logit((chance.random(12_000) > 0.5).astype(float), wide).fit(disp=0)
    run = only_run()
    assert "model_summary.txt" not in run.artifacts
    assert "llf" in run.metrics
    assert "prsquared" not in run.metrics


def test_fits_that_statsmodels_makes_for_itself_make_no_runs(
    table: pd.DataFrame, series: pd.Series, root: Path
) -> None:
    reticent.autolog(disable=True)
    logit = sm.Logit(table["yes"], table[X]).fit(disp=0)
    poisson = sm.GLM(table["count"], table[X], family=sm.families.Poisson()).fit()
    ols = sm.OLS(table["y"], table[X]).fit()
    reticent.autolog()
    assert logit.prsquared > 0
    assert poisson.null_deviance > 0
    logit.summary()
    poisson.summary()
    het_breuschpagan(ols.resid, table[X])
    variance_inflation_factor(table[X].to_numpy(), 1)
    adfuller(series)
    ols.get_influence().summary_frame()
    assert captured(root) == []


def test_no_warning_that_the_user_would_not_see_without(table: pd.DataFrame, only_run: OnlyRun) -> None:
    few = table[:6]
    before = list(warnings.filters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = sm.OLS(few["y"], few[["const", "a"]]).fit()  # too few rows for a test in the summary
        sm.GLM(table["count"], table[X], family=sm.families.Poisson()).fit()  # whose bic will be another one
    assert list(warnings.filters) == before
    with pytest.warns(match="omni_normtest is not valid"):
        results.summary()


def test_a_model_of_the_users(table: pd.DataFrame, only_run: OnlyRun) -> None:
    results = Normal(table["y"], table[X]).fit(start_params=np.zeros(3), disp=0)
    run = only_run()
    assert run.params["disp"] == "0"
    assert "start_params" not in run.params
    assert run.metrics["llf"] == [(0, results.llf)]


def test_a_second_fit_in_the_users_run_keeps_its_names_apart(table: pd.DataFrame, root: Path) -> None:
    with reticent.start_run():
        sm.OLS(table["y"], table[X]).fit()
        sm.OLS(table["y"], table[["a"]]).fit()
    (run,) = captured(root)
    assert run.metrics["df_model"] == [(0, 2.0)]
    assert run.metrics["fit_2.df_model"] == [(0, 1.0)]
    assert {"coefficients.json", "fit_2.coefficients.json"} <= set(run.artifacts)
    assert run.warnings == []


def test_a_mixed_model_tells_its_groups(root: Path) -> None:
    chance = np.random.default_rng(0)
    frame = pd.DataFrame({"y": chance.normal(size=60), "x": chance.normal(size=60), "school": list("abcdef") * 10})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        smf.mixedlm("y ~ x", frame, groups="school").fit()
    (run,) = captured(root)
    assert run.params["groups"] == "6"
    assert not {"exog_vc", "exog_re"} & run.params.keys()
