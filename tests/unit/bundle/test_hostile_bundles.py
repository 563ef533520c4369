"""Bundles that were made or changed to do harm: nothing of them is taken, and nothing outside of the root is touched."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import random
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reticent.bundle import export_runs, import_bundle
from reticent.errors import BundleError
from reticent.session import Session

from .conftest import session_at

Members = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture
def good(exported: Session, tmp_path: Path) -> Members:
    """What is in a bundle that is as it should be."""
    export_runs(exported, ["two"], tmp_path / "good.tar.gz")
    with tarfile.open(tmp_path / "good.tar.gz") as tar:
        return [(member, _read(tar, member)) for member in tar]


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def written(members: Members, path: Path) -> Path:
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for member, data in members:
            tar.addfile(member, io.BytesIO(data))
    return path


def entry(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(data), kind, link
    return member, data


def with_manifest(members: Members, change: Callable[[Any], object]) -> Members:
    told = json.loads(members[0][1])
    change(told)
    return [entry("manifest.json", json.dumps(told).encode()), *members[1:]]


def renamed(path: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Callable[[Members], Members]:
    """The last file under another path in the run, in the manifest too."""

    def change(members: Members) -> Members:
        members = with_manifest(members, lambda told: told["runs"][0]["files"][-1].update(path=path))
        member, data = entry(f"runs/two/{path}", members[-1][1], kind, link)
        return [*members[:-1], (member, b"" if kind != tarfile.REGTYPE else data)]

    return change


def called(run_id: str) -> Callable[[Members], Members]:
    """The run under another id, in the names of its files too."""

    def change(members: Members) -> Members:
        members = with_manifest(members, lambda told: told["runs"][0].update(run_id=run_id))
        for member, _ in members[1:]:
            member.name = member.name.replace("runs/two/", f"runs/{run_id}/")
        return members

    return change


def linked(kind: bytes, target: str) -> Callable[[Members], Members]:
    """The last file as something else under its own name."""

    def change(members: Members) -> Members:
        member, _ = entry(members[-1][0].name, b"", kind, target)
        member.devmajor, member.devminor = 1, 3
        return [*members[:-1], (member, b"")]

    return change


def larger(members: Members) -> Members:
    """More than the manifest says, and less than nothing of it is right."""
    member, data = members[-1]
    member.size += 1 << 20
    return [*members[:-1], (member, data + bytes(1 << 20))]


def bomb_in_a_header(members: Members) -> Members:
    member = members[-1][0]
    member.pax_headers = {"comment": "x" * (64 << 20)}
    return members


def sparse(members: Members) -> Members:
    member = members[-1][0]
    member.pax_headers = {
        "GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,1",
        "GNU.sparse.size": str(1 << 40), "GNU.sparse.name": member.name,
    }  # fmt: skip
    return members


def twice(told: Any) -> None:
    told["runs"][0]["files"].append(told["runs"][0]["files"][0])


HARMFUL: dict[str, Callable[[Members], Members]] = {
    "a path that leads out": renamed("artifacts/../../../../out.txt"),
    "a path at the root": renamed("/tmp/out.txt"),
    "a path with a backslash": renamed("artifacts\\..\\..\\out.txt"),
    "a file of the root": renamed("../../key"),
    "a file in staging": renamed("staging/x"),
    "a file in quarantine": renamed("quarantine/x"),
    "a file beside the log": renamed("x.txt"),
    "a hidden log": renamed(".events"),
    "the directory itself": renamed("artifacts"),
    "a symbolic link": linked(tarfile.SYMTYPE, "/etc/passwd"),
    "a hard link": linked(tarfile.LNKTYPE, "runs/two/x"),
    "a device": linked(tarfile.CHRTYPE, ""),
    "a pipe": linked(tarfile.FIFOTYPE, ""),
    "a directory": linked(tarfile.DIRTYPE, ""),
    "a sparse file": sparse,
    "other content": lambda members: [*members[:-1], (members[-1][0], b"x" * len(members[-1][1]))],
    "a file that is larger": larger,
    "a file too many": lambda members: [*members, entry("runs/two/artifacts/more.txt", b"x")],
    "a file outside": lambda members: [*members, entry("../out.txt", b"x")],
    "a file too few": lambda members: members[:-1],
    "another order": lambda members: [members[0], *reversed(members[1:])],
    "no manifest": lambda members: members[1:],
    "nothing": lambda members: [],
    "a manifest that is none": lambda members: [entry("manifest.json", b"{}"), *members[1:]],
    "a manifest of what is no text": lambda members: [entry("manifest.json", b"\xff\xfe"), *members[1:]],
    "a manifest that nests deeply": lambda members: [
        entry("manifest.json", b'{"format": 1, "x": ' + b"[" * 100_000),
        *members[1:],
    ],
    "a later format": lambda members: with_manifest(members, lambda told: told.update(format=2)),
    "a run's id that is a path": called("../two"),
    "a run's id that is hidden": called(".two"),
    "a size below nothing": lambda members: with_manifest(
        members, lambda told: told["runs"][0]["files"][0].update(size=-1)
    ),
    "a size that no disk has": lambda members: with_manifest(
        members, lambda told: told["runs"][0]["files"][0].update(size=1 << 43)
    ),
    "a file twice": lambda members: with_manifest(members, twice),
    "a run twice": lambda members: with_manifest(members, lambda told: told["runs"].append(told["runs"][0])),
    "a manifest that unfolds": lambda members: [entry("manifest.json", b"[" * (128 << 20)), *members[1:]],
    "a signature that unfolds": lambda members: [members[0], entry("manifest.sig", bytes(1 << 20)), *members[1:]],
}


@pytest.mark.parametrize("harm", HARMFUL)
def test_nothing_of_it_is_taken(harm: str, good: Members, there: Session, tmp_path: Path) -> None:
    outside = sorted(tmp_path.parent.rglob("out.txt"))
    bundle = written(HARMFUL[harm](good), tmp_path / "bad.tar.gz")
    with pytest.raises(BundleError):
        import_bundle(there, bundle)
    assert list((there.root / "runs").iterdir()) == []
    assert list((there.root / "moving").iterdir()) == []
    assert sorted(tmp_path.parent.rglob("out.txt")) == outside
    assert not Path("/tmp/out.txt").exists()


def test_a_header_is_not_read_as_a_whole_however_large(good: Members, there: Session, tmp_path: Path) -> None:
    bundle = written(bomb_in_a_header(good), tmp_path / "bad.tar.gz")
    tracemalloc.start()
    try:
        with pytest.raises(BundleError, match="unfolds to more"):
            import_bundle(there, bundle)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_as_it_should_be_it_is_taken(good: Members, there: Session, tmp_path: Path) -> None:
    """What the tests above have changed is all that is wrong with theirs."""
    assert len(import_bundle(there, written(good, tmp_path / "good.tar.gz")).new) == 1


def test_a_file_and_a_directory_of_one_name_are_refused(good: Members, there: Session, tmp_path: Path) -> None:
    def change(told: Any) -> None:
        last = told["runs"][0]["files"][-1]
        for path in ("artifacts/a", "artifacts/a/b"):
            told["runs"][0]["files"].append({**last, "path": path})

    members = with_manifest(good, change)
    members += [entry(f"runs/two/{path}", good[-1][1]) for path in ("artifacts/a", "artifacts/a/b")]
    with pytest.raises(BundleError, match="a file where it has a directory"):
        import_bundle(there, written(members, tmp_path / "bad.tar.gz"))


@pytest.mark.parametrize("seed", range(10))
def test_damaged_in_any_place_it_is_refused_or_the_same(
    seed: int, exported: Session, good: Members, tmp_path: Path
) -> None:
    """Packed anew after the damage, so that no checksum of the compression finds it."""
    chance = random.Random(seed)
    plain = bytearray(gzip.decompress((tmp_path / "good.tar.gz").read_bytes()))
    used = sum(1024 + len(data) for _, data in good) + 1024
    for number in range(30):
        damaged = bytearray(plain)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(used)] = chance.randrange(256)
        bundle = tmp_path / "damaged.tar.gz"
        bundle.write_bytes(gzip.compress(bytes(damaged), 1))
        there = session_at(tmp_path / f"there-{number}")
        try:
            import_bundle(there, bundle)
        except BundleError:
            assert list((there.root / "runs").iterdir()) == []
        else:  # the damage was to a time, an owner, or to what is behind the end
            (run,) = (there.root / "runs").iterdir()
            for path in (exported.root / "runs" / "two").rglob("*"):
                if path.is_file():
                    copy = run / path.relative_to(exported.root / "runs" / "two")
                    assert copy.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("ending", [".tar.zst", ".tar.gz", ".tar.xz"])
def test_cut_off_it_is_refused(ending: str, exported: Session, there: Session, tmp_path: Path) -> None:
    bundle = tmp_path / f"x{ending}"
    export_runs(exported, ["one"], bundle)
    whole = bundle.read_bytes()
    for length in (0, 1, 5, 6, 20, len(whole) // 3, len(whole) // 2, len(whole) - 600):
        bundle.write_bytes(whole[:length])
        with pytest.raises(BundleError):
            import_bundle(there, bundle)
        assert list((there.root / "runs").iterdir()) == []


def test_one_that_takes_much_memory_to_unpack_is_refused(there: Session, tmp_path: Path) -> None:
    bundle = tmp_path / "x.tar.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 29}]
    header = lzma.LZMACompressor(lzma.FORMAT_XZ, filters=filters)
    bundle.write_bytes(header.compress(bytes(1 << 20)) + header.flush())
    with pytest.raises(BundleError, match="emory"):
        import_bundle(there, bundle)
