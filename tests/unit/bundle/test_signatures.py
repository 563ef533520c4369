"""Bundles that are signed, and those that should be."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reticent.bundle import export_runs, import_bundle
from reticent.errors import BundleError, MissingExtraError
from reticent.session import Session

KINDS = {
    "PEM": (form.Encoding.PEM, form.PrivateFormat.PKCS8, form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo),
    "OpenSSH": (form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.Encoding.OpenSSH, form.PublicFormat.OpenSSH),
}


def key_pair(directory: Path, kind: str = "PEM") -> tuple[Path, Path]:
    directory.mkdir(exist_ok=True)
    key = Ed25519PrivateKey.generate()
    private, private_format, public, public_format = KINDS[kind]
    (directory / "private").write_bytes(key.private_bytes(private, private_format, form.NoEncryption()))
    (directory / "public").write_bytes(key.public_key().public_bytes(public, public_format))
    return directory / "private", directory / "public"


@pytest.mark.parametrize("kind", KINDS)
def test_a_bundle_that_the_key_has_signed_is_taken(
    kind: str, exported: Session, there: Session, tmp_path: Path
) -> None:
    private, public = key_pair(tmp_path / "keys", kind)
    export_runs(exported, ["one"], tmp_path / "x.tar.zst", private)
    imported = import_bundle(there, tmp_path / "x.tar.zst", public)
    assert imported.signed
    assert [run.run_id for run in imported.new] == ["one"]


def test_one_that_is_not_signed_or_by_another_key_is_refused(exported: Session, there: Session, tmp_path: Path) -> None:
    private, public = key_pair(tmp_path / "keys")
    _, other = key_pair(tmp_path / "others")
    export_runs(exported, ["one"], tmp_path / "unsigned.tar.gz")
    export_runs(exported, ["one"], tmp_path / "signed.tar.gz", private)
    with pytest.raises(BundleError, match="is not signed; nothing"):
        import_bundle(there, tmp_path / "unsigned.tar.gz", public)
    with pytest.raises(BundleError, match="is not signed by the key in"):
        import_bundle(there, tmp_path / "signed.tar.gz", other)
    assert not list((there.root / "runs").iterdir())


def test_what_is_no_key_is_told_without_what_it_holds(exported: Session, there: Session, tmp_path: Path) -> None:
    private, public = key_pair(tmp_path / "keys")
    export_runs(exported, ["one"], tmp_path / "x.tar.gz", private)
    other = tmp_path / "curve"
    curve = ec.generate_private_key(ec.SECP256R1())
    other.write_bytes(curve.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))
    locked = tmp_path / "locked"
    encryption = form.BestAvailableEncryption(b"a password")
    locked.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, encryption)
    )
    for key, told in (
        (public, "holds no private"),
        (other, "holds no private Ed25519"),
        (locked, "without a password"),
    ):
        with pytest.raises(BundleError, match=told):
            export_runs(exported, ["one"], tmp_path / "y.tar.gz", key)
    for key in (private, tmp_path / "nowhere"):
        with pytest.raises(BundleError, match=r"holds no public|cannot be read"):
            import_bundle(there, tmp_path / "x.tar.gz", key)
    assert not (tmp_path / "y.tar.gz").exists()


def test_without_cryptography_the_extra_is_named(
    exported: Session, there: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = key_pair(tmp_path / "keys")
    export_runs(exported, ["one"], tmp_path / "x.tar.gz", private)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    with pytest.raises(MissingExtraError, match=r"reticent\[sign\]"):
        export_runs(exported, ["one"], tmp_path / "y.tar.gz", private)
    with pytest.raises(MissingExtraError, match=r"reticent\[sign\]"):
        import_bundle(there, tmp_path / "x.tar.gz", public)
