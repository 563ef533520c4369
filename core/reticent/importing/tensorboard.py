"""Runs of TensorBoard: of each directory with event files the scalars, the hparams, texts and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from reticent.errors import SourceError
from reticent.files import make_directory
from reticent.importing.past import PastRun, Point
from reticent.records import RunStatus

_EVENTS = "*tfevents*"
_SESSION = "_hparams_/session_start_info"


def runs(place: str, experiments: Sequence[str]) -> Iterator[PastRun]:
    """One run for each directory below a log directory that has event files. Its id is its place there and its first
    file's name, so a log directory may have been moved."""
    if experiments:
        raise SourceError("TensorBoard knows no experiments: name the directory of those runs instead")
    root = Path(place)
    if not root.is_dir():
        raise SourceError(f"{place!r} is no directory with event files of TensorBoard")
    try:
        import tensorboard  # noqa: F401 - only whether it is there
    except ImportError:
        raise SourceError("to read event files needs TensorBoard's own reader: pip install tensorboard") from None
    files: dict[Path, list[str]] = {}
    for file in sorted(root.rglob(_EVENTS)):
        if file.is_file():
            files.setdefault(file.parent, []).append(file.name)
    if not files:
        raise SourceError(f"there are no event files of TensorBoard below {place!r}")
    for directory, names in files.items():
        yield _past(root.resolve().name, directory, directory.relative_to(root).as_posix(), names[0])


def _past(experiment: str, directory: Path, name: str, first: str) -> PastRun:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    kinds = ("scalars", "tensors", "images", "histograms", "compressedHistograms", "audio")
    events = EventAccumulator(str(directory), size_guidance=dict.fromkeys(kinds, 0))
    events.Reload()
    tags = events.Tags()
    plugins = {tag: events.SummaryMetadata(tag).plugin_data.plugin_name for tag in tags["tensors"]}
    others = sorted({*tags["histograms"], *tags["audio"], *_other(plugins)})
    times = [event.wall_time for tag in tags["scalars"] for event in events.Scalars(tag)]
    times += [event.wall_time for tag in tags["tensors"] for event in events.Tensors(tag)]
    try:
        start = events.FirstEventTimestamp()
    except ValueError:  # there is none
        start = 0.0
    return PastRun(
        id=f"{name}/{first}",
        name=experiment if name == "." else name,
        experiment=experiment,
        status=RunStatus.FINISHED,
        start=start,
        end=max(times, default=start),
        params=_hparams(events),
        points=partial(_points, events, plugins),
        files=partial(_files, events, plugins),
        left_out=[f"histograms, audio and the like: {', '.join(others)}"] if others else [],
    )


def _other(plugins: Mapping[str, str]) -> list[str]:
    return [tag for tag, plugin in plugins.items() if plugin not in ("scalars", "text", "images", "hparams")]


def _points(events: Any, plugins: Mapping[str, str]) -> Iterator[Point]:
    from tensorboard.util.tensor_util import make_ndarray

    for tag in events.Tags()["scalars"]:
        for event in events.Scalars(tag):
            yield Point(tag, float(event.value), event.step, event.wall_time)
    for tag, plugin in plugins.items():
        if plugin == "scalars":
            for event in events.Tensors(tag):
                yield Point(tag, float(make_ndarray(event.tensor_proto)), event.step, event.wall_time)


def _hparams(events: Any) -> dict[str, str]:
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    try:
        told = events.PluginTagToContent("hparams")[_SESSION]
    except KeyError:  # it has none
        return {}
    found = HParamsPluginData.FromString(told).session_start_info.hparams
    return {key: _text(value) for key, value in found.items()}


def _text(value: Any) -> str:
    kind = value.WhichOneof("kind")
    if kind == "number_value":  # whole ones have lost that they are
        return str(int(value.number_value)) if value.number_value.is_integer() else repr(value.number_value)
    return str(getattr(value, kind)) if kind else ""


def _files(events: Any, plugins: Mapping[str, str], directory: Path) -> Iterator[Path]:
    """Texts as `text/<tag>/<step>.md`, pictures as `images/<tag>/<step>-<number>.png`."""
    from tensorboard.util.tensor_util import make_ndarray

    for tag, plugin in plugins.items():
        if plugin in ("text", "images"):
            for event in events.Tensors(tag):
                parts = make_ndarray(event.tensor_proto).reshape(-1).tolist()
                if plugin == "text":
                    yield _written(directory / "text" / _path(tag) / f"{event.step}.md", b"\n".join(map(_bytes, parts)))
                for number, picture in enumerate(parts[2:] if plugin == "images" else ()):  # first come its measures
                    yield _written(directory / "images" / _path(tag) / f"{event.step}-{number}.png", _bytes(picture))
    for tag in events.Tags()["images"]:
        for event in events.Images(tag):
            yield _written(directory / "images" / _path(tag) / f"{event.step}-0.png", event.encoded_image_string)


def _path(tag: str) -> Path:
    """A tag as a path, which may hold anything."""
    return Path(*[part for part in tag.replace("\\", "/").split("/") if part not in ("", ".", "..")] or ["untitled"])


def _bytes(text: bytes | str) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _written(path: Path, content: bytes) -> Path:
    make_directory(path.parent)
    path.write_bytes(content)
    return path
