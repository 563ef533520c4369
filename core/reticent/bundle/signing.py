"""Ed25519 signatures of manifests, by `cryptography`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reticent.errors import BundleError, MissingExtraError


def sign(content: bytes, key_file: Path) -> bytes:
    """The signature by the private key in a file (PEM or OpenSSH)."""
    _, private = _kinds()
    key = _loaded(key_file, "private")
    if not isinstance(key, private):
        raise BundleError(f"{key_file} holds no private Ed25519 key: openssl genpkey -algorithm ed25519 makes one")
    return bytes(key.sign(content))


def verify(content: bytes, signature: bytes | None, key_file: Path) -> None:
    """BundleError if the signature is not by the key whose public half is in a file (PEM or OpenSSH)."""
    public, _ = _kinds()
    from cryptography.exceptions import InvalidSignature

    key = _loaded(key_file, "public")
    if not isinstance(key, public):
        raise BundleError(f"{key_file} holds no public Ed25519 key")
    if signature is None:
        raise BundleError("the bundle is not signed; nothing of it was taken")
    try:
        key.verify(signature, content)
    except InvalidSignature:
        raise BundleError(f"the bundle is not signed by the key in {key_file}; nothing of it was taken") from None


def _kinds() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    except ImportError:
        raise MissingExtraError("signatures need cryptography: pip install 'reticent[sign]'") from None
    return Ed25519PublicKey, Ed25519PrivateKey


def _loaded(path: Path, half: str) -> object:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        content = path.read_bytes()
        if half == "public":
            pem = content.lstrip().startswith(b"-----")
            return (serialization.load_pem_public_key if pem else serialization.load_ssh_public_key)(content)
        ssh = b"OPENSSH PRIVATE KEY" in content
        return (serialization.load_ssh_private_key if ssh else serialization.load_pem_private_key)(content, None)
    except OSError as error:
        raise BundleError(f"the key file {path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):  # what they say may quote the key
        raise BundleError(f"{path} holds no {half} Ed25519 key that can be read without a password") from None
