"""What a client sends to a pipeline. Transformers opens texts as paths and addresses where it expects images or sound,
so that none reaches it there: they are Base64, or refused."""

from __future__ import annotations

import base64
import binascii
import io
import os
from collections.abc import Callable, Mapping
from typing import Any

from reticent.errors import ReticentError
from reticent.models.signature.tensors import is_a

_OF_TEXT = {
    "ConversationalPipeline", "FeatureExtractionPipeline", "FillMaskPipeline", "NerPipeline",
    "QuestionAnsweringPipeline", "SummarizationPipeline", "TableQuestionAnsweringPipeline", "Text2TextGenerationPipeline",
    "TextClassificationPipeline", "TextGenerationPipeline", "TokenClassificationPipeline", "TranslationPipeline",
    "ZeroShotClassificationPipeline",
}  # fmt: skip
"""Pipelines of Transformers that open nothing of what they are given."""

_OF_SOUND = {"AudioClassificationPipeline", "AutomaticSpeechRecognitionPipeline", "ZeroShotAudioClassificationPipeline"}

_TEXTS = {"candidate_labels", "content", "question", "query", "role", "text", "type", "word_boxes"}
"""Keys of texts that stay texts beside an image."""

_SOUND = (b"RIFF", b"RF64", b"FORM", b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xf1",
          b"\x1a\x45\xdf\xa3")  # fmt: skip
"""How files of sound begin. Lists of other files, which a decoder would open, begin otherwise."""


def opened(pipeline: Any, items: list[Any]) -> list[Any]:
    """The inputs with nothing in them that a pipeline would open from elsewhere."""
    kind = _kind(pipeline)
    if kind is None or kind in _OF_TEXT:
        return items
    if kind == "TextToAudioPipeline":
        return [item if isinstance(item, str) else _opened(item, None, _refused) for item in items]
    read = _sound if kind in _OF_SOUND else _refused if kind == "VideoClassificationPipeline" else _image
    return [_opened(item, None, read) for item in items]


def _kind(pipeline: Any) -> str | None:
    """The class of Transformers that a pipeline is of, whatever it says of its task; None for one of the user's alone."""
    for kind in type(pipeline).__mro__:
        if kind.__module__.startswith("transformers.pipelines."):
            return None if kind.__module__ == "transformers.pipelines.base" else kind.__name__
    return None


def _opened(value: Any, key: str | None, read: Callable[[bytes | str], Any]) -> Any:
    if isinstance(value, Mapping):
        return {name: _opened(item, str(name), read) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_opened(item, key, read) for item in value]
    if isinstance(value, str):
        return value if key in _TEXTS else read(value)
    if isinstance(value, os.PathLike):
        return _refused(os.fspath(value))
    if isinstance(value, bytes):
        return read(value)
    if is_a(value, "numpy", "ndarray"):
        if value.dtype.kind in "OUS":
            return _opened(value.tolist(), key, read)
        if read is _image and key in (None, "image", "images"):
            from PIL import Image

            return Image.fromarray(value)
    return value


def _image(value: bytes | str) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(io.BytesIO(_decoded(value)))
    except (binascii.Error, ValueError, UnidentifiedImageError):
        raise ReticentError(
            "an image must be bytes, Base64, an array or a PIL image, not a path or an address"
        ) from None


def _sound(value: bytes | str) -> bytes:
    try:
        content = _decoded(value)
    except (binascii.Error, ValueError):
        content = b""
    if content.startswith(_SOUND) or content[4:8] == b"ftyp":
        return content
    raise ReticentError(
        "sound must be an array, or bytes or Base64 of a file of wav, flac, ogg, mp3, mp4 or webm, not a path or an address"
    )


def _decoded(value: bytes | str) -> bytes:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


def _refused(_: bytes | str) -> Any:
    raise ReticentError("this pipeline would open what it is given as a path or an address: only arrays are taken")
