"""statsmodels: the fit of every model, `fit_regularized` too: regressions, GLMs, discrete and mixed models, time series,
rolling regressions, forecasts.

Captured are the arguments of the model and of the fit, the formula and the names of variables, all single numbers of the
results, the coefficients with errors, p-values and intervals as a table, the summary, the data and the results. A fit
that statsmodels makes for itself, as for a test or a null model, is no training.
"""

from __future__ import annotations

from reticent.patching import Integration, Patch
from reticent_integrations.statsmodels import asides

_METHODS = ("fit", "fit_regularized", "fit_constrained", "fit_map", "fit_vb")
_ASIDE = f"{__name__}.fit:aside"
_CONSTRUCT = f"{__name__}.params:construct"

_OUTSIDE = {
    "regression.rolling:RollingWLS": "rolling",
    "tsa.forecasting.theta:ThetaModel": "theta",
    "tsa.forecasting.stl:STLForecast": "forecast",
    "tsa.vector_ar.local_proj:LocalProjections": "projections",
    "imputation.mice:MICE": "imputed",
    "imputation.bayes_mi:MI": "imputed",
    "base.distributed_estimation:DistributedModel": "partitioned",
}
"""What is fitted and is no `Model`, with the hook around its fit."""

integration = Integration(
    "statsmodels",
    module="statsmodels",
    requires=">=0.14",
    patches=(
        *(Patch(f"statsmodels.base.model:Model.{name}", f"{__name__}.fit:fit", subclasses=True) for name in _METHODS),
        Patch("statsmodels.base.model:Model.__init__", _CONSTRUCT, subclasses=True),
        *(Patch(f"statsmodels.{one}.__init__", _CONSTRUCT, subclasses=True) for one in _OUTSIDE),
        *(
            Patch(f"statsmodels.{one}.fit", f"{__name__}.outside:{hook}", subclasses=True)
            for one, hook in _OUTSIDE.items()
        ),
        Patch("statsmodels.base.model:Results.summary", _ASIDE, subclasses=True),
        Patch("statsmodels.base.model:Results.summary2", _ASIDE, subclasses=True),
        *(Patch(target, _ASIDE, optional=True) for target in asides.TARGETS),
    ),
    options=f"{__name__}.options:StatsmodelsOptions",
    demo="reticent_integrations.statsmodels.demo",
)
