"""Images, sound and what else is no text: what a client sends is never opened as a path or an address."""

from __future__ import annotations

import base64
import copy
import io
import threading
import wave
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tests.contract import tiny_transformers as tiny

from reticent.errors import ReticentError
from reticent_integrations.transformers import inputs
from reticent_integrations.transformers.flavor import flavor


def predicted(model: Any, data: Any, **params: Any) -> Any:
    assert flavor.predict is not None
    return flavor.predict(model, data, params)


def speech() -> Any:
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        vocab_size=19, num_mel_bins=4, encoder_layers=1, encoder_attention_heads=1, decoder_layers=1,
        decoder_attention_heads=1, decoder_ffn_dim=4, encoder_ffn_dim=4, d_model=4, pad_token_id=0, bos_token_id=2,
        eos_token_id=3, decoder_start_token_id=2,
    )  # fmt: skip
    return transformers.AutomaticSpeechRecognitionPipeline(
        model=transformers.WhisperForConditionalGeneration(config).eval(),
        tokenizer=tiny.tokenizer(),
        feature_extractor=transformers.WhisperFeatureExtractor(feature_size=4),
        device=-1,
    )


def sound() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(16000)
        written.writeframes(np.zeros(1600, np.int16).tobytes())
    return file.getvalue()


def of_images(name: str) -> Any:
    """A pipeline of this class; what it is made of is enough for it to open an image."""
    made = copy.copy(tiny.pipeline("image-classification"))
    made.__class__ = getattr(transformers, name)
    made.tokenizer = made.feature_extractor = tiny.tokenizer()
    made.task = "text-classification"  # what a file says of it is not to be believed
    made._preprocess_params, made._forward_params, made._postprocess_params = {}, {}, {}
    return made


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """What was asked of a server that only this machine reaches; its address is the first."""
    found: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.append(self.path)
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found.append(f"http://127.0.0.1:{server.server_port}/secret")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


_KINDS = (
    "DepthEstimationPipeline", "DocumentQuestionAnsweringPipeline", "ImageClassificationPipeline",
    "ImageFeatureExtractionPipeline", "ImageSegmentationPipeline", "ImageTextToTextPipeline", "KeypointMatchingPipeline",
    "MaskGenerationPipeline", "ObjectDetectionPipeline", "VideoClassificationPipeline",
    "ZeroShotAudioClassificationPipeline", "AudioClassificationPipeline", "AutomaticSpeechRecognitionPipeline",
    "ZeroShotImageClassificationPipeline", "ZeroShotObjectDetectionPipeline", "ImageToTextPipeline",
    "VisualQuestionAnsweringPipeline", "AnyToAnyPipeline",
)  # fmt: skip


@pytest.mark.parametrize("kind", [name for name in _KINDS if hasattr(transformers, name)])
def test_no_path_and_no_address_is_opened(kind: str, asked: list[str], tmp_path: Path) -> None:
    made = of_images(kind)
    file = tmp_path / "secret"
    file.write_bytes(sound())
    for place in (asked[0], str(file), file, "secret"):
        content = [{"type": "image", "url": place}, {"type": "text", "text": "the cat"}]
        for sent in (
            [place], [[place, place]], [{"image": place, "question": "what", "candidate_labels": ["cat"]}],
            [{"role": "user", "content": content}], {"image": place, "question": "what"}, np.array([str(place)]),
        ):  # fmt: skip
            with pytest.raises(ReticentError, match=r"not a path or an address|as a path or an address"):
                predicted(made, sent)
    assert len(asked) == 1


def test_sound_is_bytes_and_base64_but_no_list_of_files() -> None:
    made = speech()
    for sent in (sound(), base64.b64encode(sound()).decode()):
        assert inputs.opened(made, [sent]) == [sound()]
    for sent in (b"#EXTM3U\nfile:///etc/passwd", base64.b64encode(b"ffconcat version 1.0\nfile /etc/passwd").decode()):
        with pytest.raises(ReticentError, match="sound must be"):
            predicted(made, [sent])


def test_texts_beside_an_image_stay_texts() -> None:
    made = of_images("DocumentQuestionAnsweringPipeline")
    [item] = inputs.opened(
        made, [{"image": tiny.images()[0], "question": "what", "word_boxes": [["cat", [0, 0, 1, 1]]]}]
    )
    assert (item["image"].size, item["question"], item["word_boxes"]) == ((8, 8), "what", [["cat", [0, 0, 1, 1]]])


def test_nested_parameters_of_a_recogniser_of_speech_run_no_code(tmp_path: Path) -> None:
    place, mark = tmp_path / "custom_generate", tmp_path / "ran"
    place.mkdir()
    (place / "generate.py").write_text(f"open({str(mark)!r}, 'w')\ndef generate(model, **more): return None\n")
    evil = {"custom_generate": str(tmp_path), "trust_remote_code": True}
    with pytest.raises(ReticentError, match="runs code from elsewhere"):
        predicted(speech(), [np.zeros(1600, np.float32)], generate_kwargs=evil)
    assert not mark.exists()
