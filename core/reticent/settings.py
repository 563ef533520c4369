"""Settings: what may be set, where it comes from, and what a wrong one is told.

In order, the later wins: defaults, `reticent.toml` or `[tool.reticent]` in the nearest `pyproject.toml`, `RETICENT_*` in
the environment, `reticent.configure(...)`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from reticent import layers
from reticent.decoding import decodable
from reticent.errors import SettingsError
from reticent.forks import after_fork_in_child
from reticent.redaction import KEY_VARIABLE, Layer, Policies, RedactSettings, resolve

Positive = Annotated[float, msgspec.Meta(gt=0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]
Name = Annotated[str, msgspec.Meta(min_length=1)]


DRY_RUN_VARIABLE = "RETICENT_DRY_RUN"
"""Where the dry run of this process, or of the one that started it, has its place."""
DRY_RUN_PREFIX = "reticent-dry-run-"
"""How the name of such a place begins."""

VARIABLES = (
    "*_VISIBLE_DEVICES",
    "*_NUM_THREADS",
    "CUBLAS_WORKSPACE_CONFIG",
    "PYTHONHASHSEED",
    "RANK",
    "*_RANK",
    "WORLD_SIZE",
    "*_WORLD_SIZE",
    "SLURM_JOB_ID",
    "SLURM_JOB_NAME",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_PROCID",
    "SLURM_NTASKS",
    "PBS_JOBID",
    "LSB_JOBID",
    "CONDA_DEFAULT_ENV",
)
"""What decides how a training uses its machine, and which job it is."""


@decodable
class CaptureSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    argv: bool = True
    """The command line."""
    git: bool = True
    """Commit, branch, remote, and whether tracked files differ from the commit."""
    git_diff: bool = True
    """What differs, as the artifact git/diff.patch."""
    machine: bool = True
    """Host, platform, user, number of CPUs, and the versions of Python and of the frameworks that are imported."""
    environment: tuple[Name, ...] = VARIABLES
    """Names of environment variables, globs allowed, that are noted."""
    system_s: NonNegative = 10.0
    """How often the load of processor, memory and GPUs is noted while a run is open, in seconds; 0: never."""
    console: bool = False
    """What Python code writes to stdout and stderr while a run is open."""
    console_mb: Positive = 16.0
    """The most that is kept of the console, for each run."""


@decodable
class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    dir: str | None = None
    """The root that holds run logs and store; default: `.reticent` beside the nearest pyproject.toml or .git."""
    experiment: Name = "default"
    """The experiment of runs that name none."""
    backends: tuple[Name, ...] = ("sqlite",)
    """Where runs are delivered."""
    exit_timeout_s: NonNegative = 10.0
    """How long the end of the process may wait, in all, for work in the background and for backends."""
    disk_sync_s: Positive = 5.0
    """How often what was logged is forced to disk, against loss of power."""
    deliver_s: Positive = 1.0
    """How often each backend is given what is new."""
    batch_records: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 20_000
    """The most records in one write to a backend."""
    max_artifact_mb: Positive = 5000.0
    """Larger files are referenced, not copied."""
    max_spool_mb: NonNegative = 0.0
    """How much may wait in the run logs for backends before metrics are thinned; 0: any amount."""
    max_import_mb: Positive = 20_000.0
    """Runs of another tracker with a larger file are not imported."""
    try_models_mb: NonNegative = 50.0
    """Models up to this size are loaded again by another process, which has them predict; 0: none is."""
    redact: RedactSettings = RedactSettings()
    """What is hidden besides the secrets that are known by their form, what is left, and how."""
    capture: CaptureSettings = CaptureSettings()
    """What of a run's surroundings is kept."""
    autolog: dict[str, Any] = {}
    """Options per integration, as `reticent.autolog` takes them."""
    policies: Policies = Policies()
    """What `redact` comes to. No setting: made from that one."""


class Source(msgspec.Struct, frozen=True):
    """Settings with the place that each one came from ("default", a file, an environment variable, "configure"); of a
    table that several places have a part in, all of them."""

    settings: Settings
    origin: dict[str, str]


_current: Source | None = None
_lock = threading.RLock()
"""Of two threads that read or change them at once, one would undo what the other has set."""

_TABLES = {"capture": CaptureSettings}

FIELDS = tuple(field.name for field in msgspec.structs.fields(Settings) if field.name != "policies")


def current() -> Source:
    """The settings in force, read on first use."""
    global _current
    source = _current
    if source is None:
        with _lock:
            source = _current = _current or load(Path.cwd(), os.environ, layers.configured)
    return source


def configure(**changes: Any) -> None:
    """Change settings of this process. Raises SettingsError for an unknown name or a wrong value."""
    global _current
    with _lock:
        unchecked = {**layers.configured, **changes}
        _current = load(Path.cwd(), os.environ, unchecked)
        layers.configured.update(changes)


def reset() -> None:
    """Forget what `configure` set and read files and environment again."""
    global _current
    with _lock:
        layers.configured.clear()
        _current = None


def load(start: Path, environment: Mapping[str, str], configured: Mapping[str, Any]) -> Source:
    values: dict[str, Any] = {}
    origin = dict.fromkeys(FIELDS, "default")
    redact: list[Layer] = []
    files = layers.files(start)
    for place, path, layer in (*files, *_environment(environment), ("configure", None, dict(configured))):
        for key, value in layer.items():
            if key == "redact":
                redact.append(Layer(place, value, path))
                origin[key] = place
            else:
                _check(place, key, value)
                known = values.get(key)
                # Of a table, what a later place leaves out stays as an earlier one says: git = false in a file still holds.
                if isinstance(known, dict) and isinstance(value, dict):
                    values[key], origin[key] = {**known, **value}, f"{origin[key]}, {place}"
                else:
                    values[key], origin[key] = value, place
    if DRY_RUN_VARIABLE in environment:
        dry = {"dir": _dry_run_place(environment[DRY_RUN_VARIABLE]), "backends": [], "try_models_mb": 0.0}
        values |= dry
        origin |= dict.fromkeys(dry, "dry run")
    shown, policies = resolve(redact, environment)
    settings = msgspec.structs.replace(msgspec.convert(values, Settings), redact=shown, policies=policies)
    for url in settings.backends:
        if url != "sqlite":
            from reticent.backends import entry_point, refuse_secrets

            try:
                refuse_secrets(url)
                entry_point(url)
            except SettingsError as error:
                raise SettingsError(f"{origin['backends']}: setting 'backends': {error}") from None
    return Source(settings, origin)


def _dry_run_place(text: str) -> str:
    path = Path(text)
    if not (path.is_absolute() and path.name.startswith(DRY_RUN_PREFIX)):
        raise SettingsError(
            f"{DRY_RUN_VARIABLE} tells child processes of a dry run where its place is; one is begun by "
            "`reticent.autolog(dry_run=True)` or RETICENT_AUTOLOG='{\"dry_run\": true}'"
        )
    return text


def policy_of(path: Path, environment: Mapping[str, str]) -> Policies:
    """The policy in the table `redact` of a file in the form of reticent.toml or pyproject.toml. Raises SettingsError."""
    table = layers.table(path)
    table = table.get("tool", {}).get("reticent", table)
    if "redact" not in table:
        raise SettingsError(f"{path}: has no table [redact] with a policy")
    return resolve([Layer(str(path), table["redact"], path)], environment)[1]


def _environment(environment: Mapping[str, str]) -> list[tuple[str, Path | None, dict[str, Any]]]:
    layers: list[tuple[str, Path | None, dict[str, Any]]] = []
    for variable in list(environment):
        key = variable[len("RETICENT_") :].lower()
        if not variable.startswith("RETICENT_") or key == "strict" or variable in (KEY_VARIABLE, DRY_RUN_VARIABLE):
            continue
        text = environment.get(variable)
        if text is None:  # another thread has just removed it
            continue
        value: Any = text
        if key == "backends":
            value = [part.strip() for part in text.split(",") if part.strip()]
        elif key in FIELDS and key not in ("dir", "experiment"):
            try:
                value = msgspec.json.decode(text)
            except msgspec.DecodeError:
                value = text  # told below, by what the setting allows
        layers.append((variable, None, {key: value}))
    return layers


def _check(place: str, key: str, value: Any) -> None:
    if key not in FIELDS:
        raise SettingsError(f"{place}: unknown setting {key!r}; known settings: {', '.join(FIELDS)}")
    try:
        msgspec.convert({key: value}, Settings)
    except msgspec.ValidationError as error:
        # msgspec names the wanted and the found type, never the value.
        message = str(error).replace(" - at `$.", " at `").replace("`$.", "`")
        if key in _TABLES:
            message += f"; it may have {', '.join(_TABLES[key].__struct_fields__)}"
        raise SettingsError(f"{place}: setting {key!r}: {message}") from None


def root(settings: Settings, start: Path | None = None) -> Path:
    """The absolute path of the root directory; it need not exist."""
    from reticent import aside

    if aside.is_child:  # nothing that the user's modules log while they are imported is a training
        return aside.scratch()
    start = start or Path.cwd()
    if settings.dir is not None:
        return (start / Path(settings.dir).expanduser()).absolute()
    for directory in (start, *start.parents):
        if (directory / "pyproject.toml").is_file() or (directory / ".git").exists():
            return directory / ".reticent"
    return start / ".reticent"


def _forked() -> None:
    global _lock
    _lock = threading.RLock()


after_fork_in_child(_forked)
