"""Which functions of scikit-learn are hooked, by name."""

from __future__ import annotations

_IN_EVERY_VERSION = (
    "accuracy_score adjusted_mutual_info_score adjusted_rand_score average_precision_score balanced_accuracy_score "
    "brier_score_loss calinski_harabasz_score cohen_kappa_score completeness_score coverage_error "
    "d2_absolute_error_score d2_pinball_score d2_tweedie_score davies_bouldin_score dcg_score "
    "explained_variance_score f1_score fbeta_score fowlkes_mallows_score hamming_loss hinge_loss homogeneity_score "
    "jaccard_score label_ranking_average_precision_score label_ranking_loss log_loss matthews_corrcoef max_error "
    "mean_absolute_error mean_absolute_percentage_error mean_gamma_deviance mean_pinball_loss mean_poisson_deviance "
    "mean_squared_error mean_squared_log_error mean_tweedie_deviance median_absolute_error mutual_info_score "
    "ndcg_score normalized_mutual_info_score precision_score r2_score rand_score recall_score roc_auc_score "
    "root_mean_squared_error root_mean_squared_log_error silhouette_score top_k_accuracy_score v_measure_score "
    "zero_one_loss"
)
_SINCE_1_5 = "d2_log_loss_score d2_brier_score"
METRICS = _IN_EVERY_VERSION.split()
NEWER_METRICS = _SINCE_1_5.split()
"""The functions of `sklearn.metrics` that give one number for predictions."""

PARTS = {
    "class_likelihood_ratios": ("positive", "negative"),
    "homogeneity_completeness_v_measure": ("homogeneity", "completeness", "v_measure"),
    "precision_recall_fscore_support": ("precision", "recall", "fscore", "support"),
}
"""Those that give several, and what these are."""

TABLES = ("classification_report", "confusion_matrix", "multilabel_confusion_matrix")
"""Those that give what is kept as a file."""

CURVES = {
    "det_curve": ("false_positive_rate", "false_negative_rate", "threshold"),
    "precision_recall_curve": ("precision", "recall", "threshold"),
    "roc_curve": ("false_positive_rate", "true_positive_rate", "threshold"),
}
"""Those that give curves, and what the arrays of these are; each is kept as a file too."""

CROSS_VALIDATIONS = (
    "cross_validate",
    "cross_val_score",
    "cross_val_predict",
    "learning_curve",
    "validation_curve",
    "permutation_test_score",
)
"""Those of `sklearn.model_selection`."""
