"""Trackers as a training meets them: opened, given points, closed; and asked by their own reader what they have.

Each is set up as its documentation has it, with what is not asked here switched off: system metrics, console, reports.
Settings are the kindest to the time of a call that are no trade of safety.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

Log = Callable[[str, float, int], object]
Close = Callable[[], object]
"""Waits until all that was logged is where its reader finds it, as far as the tracker offers that."""


@dataclass(frozen=True)
class Tracker:
    package: str
    open: Callable[[Path], tuple[Log, Close]]
    found: Callable[[Path], int]
    """How many points its own reader finds, in another process."""
    calls: int
    """In a benchmark of calls: so many that it takes seconds."""


def reticent(_place: Path) -> tuple[Log, Close]:
    import reticent

    reticent.start_run("bench", run_id="bench")
    return reticent.log_metric, _reticent_closed


def reticent_run(_place: Path) -> tuple[Log, Close]:
    import reticent

    return reticent.start_run("bench", run_id="bench").log_metric, _reticent_closed


def _reticent_closed() -> None:
    import reticent

    reticent.end_run()
    assert reticent.flush(120), "not everything was stored in time"


def reticent_found(_place: Path) -> int:
    import reticent

    return len(reticent.get_run("bench").metric_history("loss"))


def mlflow(place: Path) -> tuple[Log, Close]:
    import mlflow

    _mlflow_run(place)
    return mlflow.log_metric, mlflow.end_run


def mlflow_async(place: Path) -> tuple[Log, Close]:
    import mlflow

    _mlflow_run(place)

    def log(key: str, value: float, step: int) -> None:
        mlflow.log_metric(key, value, step, synchronous=False)

    def close() -> None:
        mlflow.flush_async_logging()
        mlflow.end_run()

    return log, close


def _mlflow_run(place: Path) -> None:
    """On the server that MLFLOW_TRACKING_URI names, else in SQLite."""
    import mlflow

    if "MLFLOW_TRACKING_URI" not in os.environ:
        mlflow.set_tracking_uri(f"sqlite:///{place}/mlflow.db")
    mlflow.set_experiment(place.name)
    mlflow.start_run()


def mlflow_found(place: Path) -> int:
    from mlflow import MlflowClient

    client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{place}/mlflow.db"))
    experiment = client.get_experiment_by_name(place.name)
    runs = client.search_runs([experiment.experiment_id]) if experiment else []
    return sum(len(client.get_metric_history(run.info.run_id, "loss")) for run in runs)


def wandb(place: Path) -> tuple[Log, Close]:
    import wandb

    settings = wandb.Settings(silent=True, console="off", x_disable_stats=True, disable_git=True, disable_code=True)
    run = wandb.init(mode="offline", project="bench", dir=place, settings=settings)
    return lambda key, value, step: run.log({key: value}, step=step), run.finish


def wandb_found(place: Path) -> int:
    """The SDK has no reader of offline runs but `wandb sync`: what that sends a server on loopback."""
    import subprocess

    from tests.trackers.wandb_server import wandb_server

    runs = [str(path) for path in (place / "wandb").glob("offline-run-*")]
    with wandb_server() as server:
        key = {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": "0" * 40, "WANDB_ERROR_REPORTING": "false"}
        command = [sys.executable, "-m", "wandb", "sync", *runs]
        subprocess.run(command, env={**os.environ, **key, "HOME": str(place)}, check=True, stdout=subprocess.DEVNULL)
        return sum("loss" in row for rows in server.history.values() for row in rows.values())


def tensorboard(place: Path) -> tuple[Log, Close]:
    _without_tensorflow()
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(place / "logs"))
    return writer.add_scalar, writer.close


def tensorboardx(place: Path) -> tuple[Log, Close]:
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(place / "logs"))
    return writer.add_scalar, writer.close


def tensorboard_found(place: Path) -> int:
    _without_tensorflow()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(place / "logs"), size_guidance={"scalars": 0})
    events.Reload()
    return len(events.Scalars("loss")) if "loss" in events.Tags()["scalars"] else 0


def _without_tensorflow() -> None:
    """TensorBoard imports TensorFlow where it finds it, which takes seconds; by this module it is built without."""
    sys.modules["tensorboard.compat.notf"] = ModuleType("tensorboard.compat.notf")


def trackio(_place: Path) -> tuple[Log, Close]:
    import trackio

    trackio.init(project="bench", name="bench", embed=False, auto_log_cpu=False, auto_log_gpu=False)
    return lambda key, value, step: trackio.log({key: value}, step=step), trackio.finish


def trackio_found(_place: Path) -> int:
    from trackio.sqlite_storage import SQLiteStorage

    return sum("loss" in row for row in SQLiteStorage.get_logs("bench", "bench"))


def aim(place: Path) -> tuple[Log, Close]:
    from aim import Run

    run = Run(repo=str(place), system_tracking_interval=None, capture_terminal_logs=False)
    return lambda key, value, step: run.track(value, name=key, step=step), run.close


def aim_found(place: Path) -> int:
    from aim import Repo

    repo = Repo(str(place))
    repo._recreate_index()  # what `aim storage reindex` does: it lists no run before
    metrics = [metric for run in repo.iter_runs() for metric in run.metrics() if metric.name == "loss"]
    return sum(len(metric.data.items_list()[0]) for metric in metrics)


def dvclive(place: Path) -> tuple[Log, Close]:
    from dvclive import Live

    live = Live(str(place / "dvclive"), report=None, save_dvc_exp=False, dvcyaml=None)

    def log(key: str, value: float, step: int) -> None:
        live.step = step
        live.log_metric(key, value)

    return log, live.end


def dvclive_found(place: Path) -> int:
    from dvclive.utils import parse_tsv

    path = place / "dvclive/plots/metrics/loss.tsv"
    return len(parse_tsv(path)) if path.exists() else 0


TRACKERS = {
    "reticent.log_metric": Tracker("reticent", reticent, reticent_found, 200_000),
    "run.log_metric": Tracker("reticent", reticent_run, reticent_found, 200_000),
    "trackio": Tracker("trackio", trackio, trackio_found, 20_000),
    "tensorboardX": Tracker("tensorboardX", tensorboardx, tensorboard_found, 20_000),
    "TensorBoard (torch)": Tracker("tensorboard", tensorboard, tensorboard_found, 20_000),
    "dvclive": Tracker("dvclive", dvclive, dvclive_found, 2_000),
    "wandb, offline": Tracker("wandb", wandb, wandb_found, 5_000),
    "aim": Tracker("aim", aim, aim_found, 2_000),
    "mlflow, SQLite": Tracker("mlflow", mlflow, mlflow_found, 300),
    "mlflow, SQLite, async": Tracker("mlflow", mlflow_async, mlflow_found, 300),
    "mlflow, HTTP": Tracker("mlflow", mlflow, mlflow_found, 300),
    "mlflow, HTTP, async": Tracker("mlflow", mlflow_async, mlflow_found, 300),
}
