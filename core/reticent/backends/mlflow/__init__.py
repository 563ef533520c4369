"""An MLflow server, from 2.10 on: `mlflow+http://host:5000`, `mlflow+https://host/prefix`, or `mlflow` with the address in
MLFLOW_TRACKING_URI. With `?experiment=NAME` behind it all runs go to that experiment, whichever they name.

A run's id there is MLflow's own; the tag `reticent.run_id` has ours, and by it a run is found that another process, or
another copy of its log, has brought.
"""

from reticent.backends.mlflow.backend import MlflowBackend

__all__ = ["MlflowBackend"]
