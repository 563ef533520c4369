"""The statsmodels integration keeps what integrations promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

from reticent.testing import Canary, ExampleCall, IntegrationContract
from reticent_integrations.statsmodels import integration


def make_data() -> tuple[Any, Any]:
    chance = np.random.default_rng(0)
    X = pd.DataFrame(chance.normal(size=(60, 3)), columns=["a", "b", "c"])
    return (X["a"] + chance.normal(size=60) > 0).astype(float), X


class TestStatsmodels(IntegrationContract):
    integration = integration
    code = "import numpy, statsmodels.api as sm; sm.OLS(numpy.arange(6.0), numpy.eye(6)[:, :2]).fit()"

    def call(self) -> ExampleCall:
        arguments = {"method": "bfgs", "maxiter": 50, "disp": 0, "callback": None}
        return ExampleCall(sm.Logit(*make_data()).fit, arguments, optional=("callback",))

    def call_with_secrets(self, canary: Canary) -> ExampleCall:
        endog, X = make_data()
        X.columns = [f"api_key={canary.keyed}", canary.shaped, canary.known]
        model = sm.OLS(endog, X)
        return ExampleCall(model.fit, {"method": "qr", "api_key": canary.keyed, "note": canary.shaped})

    def failing_call(self, error: BaseException) -> ExampleCall:
        def callback(params: Any) -> None:
            raise error

        return ExampleCall(sm.Logit(*make_data()).fit, {"disp": 0, "callback": callback})

    def outcome(self, returned: Any) -> object:
        cached = sorted(returned._results._cache)
        return returned.params.to_numpy().tobytes(), returned.bse.to_numpy().tobytes(), returned.llf, cached
