"""Images, sound and what else is no text: what a client sends is never opened as a path or an address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tests.contract import tiny_transformers as tiny

from reticent.errors import ReticentError
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


def test_nested_parameters_of_a_recogniser_of_speech_run_no_code(tmp_path: Path) -> None:
    place, mark = tmp_path / "custom_generate", tmp_path / "ran"
    place.mkdir()
    (place / "generate.py").write_text(f"open({str(mark)!r}, 'w')\ndef generate(model, **more): return None\n")
    evil = {"custom_generate": str(tmp_path), "trust_remote_code": True}
    with pytest.raises(ReticentError, match="runs code from elsewhere"):
        predicted(speech(), [np.zeros(1600, np.float32)], generate_kwargs=evil)
    assert not mark.exists()
