"""The run log is read whole while it is written, and as far as it goes whatever became of its files."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.records import METRIC, Metric, Param, WriterClosed
from reticent.runlog import Cursor, LogWriter, RunReader
from reticent_redact import Redactor, SealedText

redactor = Redactor()


def sealed(text: str) -> SealedText:
    return redactor.seal(text, channel="test")


def new_writer(directory: Path) -> LogWriter:
    return LogWriter(directory, sealed("host"))


def log_metric(writer: LogWriter, key: str, step: int, value: float) -> None:
    packed = METRIC.pack(time.time(), step, value, writer.intern(key, sealed(key)))
    try:
        writer.write_metric(packed)
    except ValueError:
        writer.append_metric(packed)


def log_param(writer: LogWriter, key: str, value: str = "1") -> None:
    writer.append(Param(time=time.time(), key=sealed(key), value=sealed(value)))


def read_all(reader: RunReader, limit: int = 1000) -> tuple[list[str], list[tuple[str, int]]]:
    params: list[str] = []
    points: list[tuple[str, int]] = []
    while True:
        entries, blocks = reader.read(limit, limit)
        params += [entry.record.key for entry in entries if isinstance(entry.record, Param)]
        points += [(metric.key, metric.step) for block in blocks for metric in block]
        if not entries and not blocks:
            return params, points


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "r1"


@pytest.fixture
def closing() -> Iterator[list[LogWriter]]:
    writers: list[LogWriter] = []
    yield writers
    for writer in writers:
        writer.close()


operation = st.tuples(st.sampled_from(["metric", "param", "read", "reopen"]), st.sampled_from("abc"))


@settings(max_examples=60, deadline=None)
@given(operations=st.lists(operation, max_size=60), limit=st.integers(1, 20))
def test_a_follower_reads_each_record_once_and_in_order(
    operations: list[tuple[str, str]], limit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("root") / "runs" / "r1"
    writer = new_writer(directory)
    reader = RunReader(directory)
    params: list[str] = []
    points: list[tuple[str, int]] = []
    read: tuple[list[str], list[tuple[str, int]]] = [], []
    for number, (kind, key) in enumerate(operations):
        if kind == "metric":
            log_metric(writer, key, number, 0.5)
            points.append((key, number))
        elif kind == "param":
            log_param(writer, f"{key}{number}")
            params.append(f"{key}{number}")
        elif kind == "reopen":
            writer.close()
            reader = RunReader(directory, reader.cursor)
        else:
            some = read_all(reader, limit)
            read[0].extend(some[0])
            read[1].extend(some[1])
    writer.close()
    some = read_all(reader, limit)
    assert (read[0] + some[0], read[1] + some[1]) == (params, points)
    assert reader.finished()
    assert reader.skipped == []


@settings(max_examples=150, deadline=None)
@given(
    which=st.integers(0, 1),
    place=st.floats(0, 1, exclude_max=True),
    garbage=st.one_of(st.none(), st.binary(min_size=1, max_size=50)),
)
def test_damage_costs_what_it_hit_and_is_reported(
    which: int, place: float, garbage: bytes | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("root") / "runs" / "r1"
    writer = new_writer(directory)
    for step in range(40):
        log_param(writer, f"p{step}")
        log_metric(writer, "loss", step, step / 2)
    writer.close()
    file = sorted(directory.iterdir())[which]
    before = file.read_bytes()
    start = int(place * len(before))
    after = before[:start] if garbage is None else before[:start] + garbage + before[start + len(garbage) :]
    file.write_bytes(after)
    reader = RunReader(directory)
    params, points = read_all(reader)
    complete = params == [f"p{step}" for step in range(40)] and points == [("loss", step) for step in range(40)]
    assert len(params) == len(set(params))
    if file.suffix == ".metrics":
        assert len(params) == 40  # damage in one file costs nothing in another
        assert garbage is None or len(points) >= 40 - 1 - -(-len(garbage) // METRIC.size)
        untouched = max(0, start // METRIC.size - 1)
        assert [step for _, step in points[:untouched]] == list(range(untouched))
    elif garbage is None:  # the writer's process lives: what is missing may still come
        assert params == [f"p{step}" for step in range(len(params))]
    elif after != before:
        assert complete or reader.skipped


def test_a_damaged_line_does_not_hide_the_next(directory: Path) -> None:
    writer = new_writer(directory)
    for number in range(3):
        log_param(writer, f"p{number}")
    writer.close()
    file = next(directory.glob("*.events"))
    file.write_bytes(file.read_bytes().replace(b'"p1"', b'"pX"'))
    reader = RunReader(directory)
    assert read_all(reader)[0] == ["p0", "p2"]
    (skipped,) = reader.skipped
    assert skipped.reason == "damaged event line"


def test_a_torn_tail_waits_for_its_rest(directory: Path, closing: list[LogWriter]) -> None:
    writer = new_writer(directory)
    closing.append(writer)
    log_param(writer, "whole")
    log_param(writer, "torn")
    file = next(directory.glob("*.events"))
    content = file.read_bytes()
    file.write_bytes(content[:-10])
    reader = RunReader(directory)
    assert read_all(reader)[0] == ["whole"]
    file.write_bytes(content)
    assert read_all(reader)[0] == ["torn"]
    assert reader.skipped == []


def test_an_event_file_that_grew_after_a_torn_line_goes_on(directory: Path) -> None:
    writer = new_writer(directory)
    log_param(writer, "before")
    file = next(directory.glob("*.events"))
    with file.open("ab") as torn:
        torn.write(b'0123abcd {"type":"par')
    events = writer._events
    assert events is not None
    events._torn = True  # what a write that failed half-way leaves
    log_param(writer, "after")
    writer.close()
    reader = RunReader(directory)
    assert read_all(reader)[0] == ["before", "after"]
    assert len(reader.skipped) == 1


def test_a_zeroed_page_in_a_segment_is_reported_and_passed(directory: Path) -> None:
    writer = new_writer(directory)
    for step in range(300):
        log_metric(writer, "loss", step, 0.0)
    writer.close()
    segment = next(directory.glob("*.metrics"))
    content = bytearray(segment.read_bytes())
    content[32 * 101 : 32 * 103] = b"\xff" * 64
    content[32 * 200 : 32 * 202] = bytes(64)
    segment.write_bytes(content)
    reader = RunReader(directory)
    steps = [step for _, step in read_all(reader)[1]]
    assert steps == [*range(100), *range(102, 199), *range(201, 300)]
    assert [skipped.reason for skipped in reader.skipped] == ["damaged metric records"]


def test_a_truncated_segment_in_the_middle_is_reported(directory: Path) -> None:
    writer = new_writer(directory)
    for step in range(8000):  # three segments
        log_metric(writer, "loss", step, 0.0)
    writer.close()
    second = sorted(directory.glob("*.metrics"))[1]
    second.write_bytes(second.read_bytes()[: 32 + 32 * 10 + 7])
    reader = RunReader(directory)
    steps = [step for _, step in read_all(reader)[1]]
    assert steps == [*range(2047), *range(2047, 2057), *range(2047 + 4095, 8000)]
    assert [skipped.reason for skipped in reader.skipped] == ["truncated segment"]


def test_a_segment_of_the_other_byte_order_is_read(directory: Path) -> None:
    writer = new_writer(directory)
    log_metric(writer, "loss", 7, 0.25)
    writer.close()
    segment = next(directory.glob("*.metrics"))
    head, body = segment.read_bytes()[:32], segment.read_bytes()[32:]
    swapped = b"".join(body[start : start + 8][::-1] for start in range(0, len(body), 8))
    segment.write_bytes(head[:5] + bytes([1 - head[5]]) + head[6:] + swapped)
    _, (block,) = RunReader(directory).read()
    (metric,) = block
    assert (metric.key, metric.step, metric.value) == ("loss", 7, 0.25)


def test_values_are_kept_to_the_bit(directory: Path) -> None:
    writer = new_writer(directory)
    values = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308]
    for step, value in enumerate(values):
        log_metric(writer, "m", step - 3, value)
    writer.close()
    _, (block,) = RunReader(directory).read()
    found: list[Metric] = list(block)
    assert [repr(metric.value) for metric in found] == [repr(value) for value in values]
    assert [metric.step for metric in found] == [-3, -2, -1, 0, 1, 2]


def test_the_count_at_the_end_is_the_number_of_points(directory: Path) -> None:
    writer = new_writer(directory)
    for step in range(5000):
        log_metric(writer, "loss", step, 0.0)
    writer.close()
    entries, _ = RunReader(directory).read()
    assert [entry.record.metrics for entry in entries if isinstance(entry.record, WriterClosed)] == [5000]


def test_files_are_private(directory: Path, closing: list[LogWriter]) -> None:
    writer = new_writer(directory)
    closing.append(writer)
    log_metric(writer, "loss", 1, 1.0)
    assert [oct(path.stat().st_mode & 0o777) for path in sorted(directory.iterdir())] == ["0o600", "0o600"]
    assert oct(directory.stat().st_mode & 0o777) == "0o700"


def test_an_empty_cursor_and_a_missing_directory_read_as_nothing(tmp_path: Path) -> None:
    reader = RunReader(tmp_path / "runs" / "none", Cursor())
    assert reader.read() == ([], [])
    assert reader.finished()
