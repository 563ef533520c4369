"""What fits models for its own ends: tests, diagnostics, plots, null models. A target that a version lacks is left out; what
does so by calling one of these is not here."""

from __future__ import annotations

_FUNCTIONS = {
    "base.model": "_LLRMixin.llnull ResultMixin.bootstrap",
    "discrete.discrete_model": "DiscreteResults.llnull",
    "emplike.aft_el": "AFTResults.params AFTResults.test_beta AFTResults.ci_beta",
    "gam.gam_cross_validation.gam_cross_validation": "BaseCV.fit MultivariateGAMCV.fit MultivariateGAMCVPath.fit",
    "gam.generalized_additive_model": "GLMGam.select_penweight GLMGam.select_penweight_kfold",
    "genmod.generalized_estimating_equations": "GEEResults.sensitivity_params GEEResults.params_sensitivity",
    "genmod.generalized_linear_model": "GLMResults.null",
    "graphics.gofplots": "qqline",
    "graphics.regressionplots": "plot_partregress plot_ccpr ceres_resids added_variable_resids",
    "imputation.mice": "MICE.next_sample MICEData.update MICEData.update_all",
    "regression.mixed_linear_model": "MixedLMResults.profile_re",
    "stats.anova": "AnovaRM.fit",
    "stats.diagnostic": "compare_cox compare_j compare_encompassing acorr_lm acorr_breusch_godfrey het_breuschpagan"
    " het_white het_goldfeldquandt linear_lm linear_rainbow linear_reset",
    "stats.mediation": "Mediation.fit",
    "stats.multitest": "local_fdr",
    "stats.oaxaca": "OaxacaBlinder.__init__ OaxacaBlinder.two_fold OaxacaBlinder.three_fold OaxacaBlinder.variance",
    "stats.regularized_covariance": "RegularizedInvCovariance.fit",
    "stats.outliers_influence": "reset_ramsey variance_inflation_factor OLSInfluence._res_looo GLMInfluence._res_looo"
    " OLSInfluence._ols_xnoti OLSInfluence._get_drop_vari",
    "tsa.ar_model": "ar_select_order",
    "tsa.ardl.model": "UECMResults.bounds_test",
    "tsa.forecasting.theta": "ThetaModelResults.sigma2",
    "tsa.filters.hamilton_filter": "hamilton_filter",
    "tsa.stattools": "adfuller kpss coint grangercausalitytests arma_order_select_ic diebold_mariano_test",
    "tsa.stattools._leybourne": "LeybourneMcCabeStationarity.run",
    "tsa.stattools._stattools": "ZivotAndrewsUnitRoot.run",
    "tsa.vector_ar.svar_model": "SVARResults.sirf_errband_mc",
    "tsa.vector_ar.var_model": "VARResults.irf_resim",
    "tsa.vector_ar.vecm": "coint_johansen VECMResults.test_granger_causality VECMResults.test_inst_causality",
    "treatment.treatment_effects": "TreatmentEffect.__init__ TreatmentEffect.ipw TreatmentEffect.ra TreatmentEffect.aipw"
    " TreatmentEffect.aipw_wls TreatmentEffect.ipw_ra",
}

TARGETS = tuple(f"statsmodels.{module}:{name}" for module, names in _FUNCTIONS.items() for name in names.split())
