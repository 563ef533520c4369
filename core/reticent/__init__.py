"""Autologging that keeps secrets.

    import reticent
    reticent.autolog()

Every training run is captured, sealed, durable and delivered to any tracking backend. Names are loaded on first use, so
that `import reticent` costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for true; importing it from typing would take longer than all of this
if TYPE_CHECKING:
    from typing import Any

    from reticent.api import active_run as active_run
    from reticent.api import configure as configure
    from reticent.api import end_run as end_run
    from reticent.api import flush as flush
    from reticent.api import log_artifact as log_artifact
    from reticent.api import log_artifacts as log_artifacts
    from reticent.api import log_dict as log_dict
    from reticent.api import log_figure as log_figure
    from reticent.api import log_metric as log_metric
    from reticent.api import log_metrics as log_metrics
    from reticent.api import log_model as log_model
    from reticent.api import log_param as log_param
    from reticent.api import log_params as log_params
    from reticent.api import log_text as log_text
    from reticent.api import set_tag as set_tag
    from reticent.api import set_tags as set_tags
    from reticent.api import start_run as start_run
    from reticent.autologging import autolog as autolog
    from reticent.errors import ReticentError as ReticentError
    from reticent.models import load_model as load_model
    from reticent.models import load_pyfunc as load_pyfunc
    from reticent.run import Run as Run
    from reticent.store import get_run as get_run
    from reticent.store import search_runs as search_runs
    from reticent.store import sync as sync

__version__ = "0.1.0"

_HOME = {
    "reticent.api": (
        "active_run configure end_run flush log_artifact log_artifacts log_dict log_figure log_metric log_metrics "
        "log_model log_param log_params log_text set_tag set_tags start_run"
    ),
    "reticent.autologging": "autolog",
    "reticent.errors": "ReticentError",
    "reticent.models": "load_model load_pyfunc",
    "reticent.run": "Run",
    "reticent.store": "get_run search_runs sync",
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'reticent' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value  # the next use finds it without this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
