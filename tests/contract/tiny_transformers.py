"""Models of Transformers that are made here, as small as can be: nothing is fetched."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    ViTConfig,
    ViTForImageClassification,
)

WORDS = ["the", "a", "cat", "dog", "sat", "ran", "on", "under", "mat", "red", "blue", "password", "secret", "token"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = ["the cat sat on the mat", "a red dog ran under a mat", "secret token"]
IDS = np.array([[2, 5, 7, 9, 3], [2, 6, 14, 8, 3]])


def tokenizer(**more: Any) -> Any:
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate([*SPECIAL, *WORDS])}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    named = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(
        tokenizer_object=words, **named, padding_side="left", model_input_names=["input_ids", "attention_mask"], **more
    )


def bert_config(**options: Any) -> BertConfig:
    return BertConfig(
        vocab_size=len(SPECIAL) + len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        initializer_range=1.0,  # so that different weights give different words
        **options,
    )


def bert(kind: str) -> Any:
    torch.manual_seed(0)
    kinds = {
        "model": BertModel,
        "text-classification": BertForSequenceClassification,
        "token-classification": BertForTokenClassification,
        "fill-mask": BertForMaskedLM,
        "feature-extraction": BertModel,
    }
    return kinds[kind](bert_config(num_labels=3 if "classification" in kind else 2)).eval()


def gpt2() -> Any:
    torch.manual_seed(0)
    size = len(SPECIAL) + len(WORDS)
    config = GPT2Config(
        vocab_size=size, n_positions=512, n_embd=16, n_layer=2, n_head=2, bos_token_id=2, eos_token_id=3,
        pad_token_id=0, initializer_range=1.0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    model.generation_config.update(do_sample=False, max_new_tokens=8)
    return model


def vit() -> Any:
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, image_size=8, patch_size=4,
        num_labels=3, initializer_range=1.0,
    )  # fmt: skip
    return ViTForImageClassification(config).eval()


def pipeline(task: str, **options: Any) -> Any:
    if task == "image-classification":
        processor = transformers.ViTImageProcessor(size={"height": 8, "width": 8})
        return transformers.pipeline(task, model=vit(), image_processor=processor, device=-1)
    model = gpt2() if task == "text-generation" else bert(task)
    return transformers.pipeline(task, model=model, tokenizer=tokenizer(), device=-1, **options)


def images() -> list[str]:
    """Images as they are sent to a server."""
    from PIL import Image

    texts = []
    for seed in range(2):
        image = Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8))
        file = io.BytesIO()
        image.save(file, "PNG")
        texts.append(base64.b64encode(file.getvalue()).decode())
    return texts


def texts(task: str) -> list[str]:
    if task == "fill-mask":
        return [text.replace("mat", "[MASK]").replace("token", "[MASK]") for text in TEXTS]
    return TEXTS[:1] if task == "feature-extraction" else TEXTS
