"""Transformers: a small BERT learns to read reviews, from nothing."""

from __future__ import annotations

import tempfile


def train() -> str:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        PreTrainedTokenizerFast,
        Trainer,
        TrainingArguments,
    )

    words = ["[PAD]", "[UNK]", "bad", "dull", "good", "great", "movie", "plot", "the", "was", "not"]
    vocabulary = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))  # noqa: S106 - no password
    vocabulary.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=vocabulary, pad_token="[PAD]", unk_token="[UNK]")  # noqa: S106
    reviews = [
        (f"the {noun} was {negated}{word}", int((word in ("good", "great")) != bool(negated)))
        for noun in ("movie", "plot")
        for negated in ("", "not ")
        for word in ("bad", "dull", "good", "great")
    ]
    rows = [
        {**tokenizer(text, padding="max_length", max_length=5, return_token_type_ids=False), "labels": label}
        for text, label in reviews
    ]
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    with tempfile.TemporaryDirectory() as directory:
        told = TrainingArguments(
            directory, num_train_epochs=15, learning_rate=0.005, logging_steps=2, eval_strategy="epoch", report_to=[]
        )
        model = BertForSequenceClassification(config)
        trainer = Trainer(model, told, train_dataset=rows * 4, eval_dataset=rows, processing_class=tokenizer)
        trainer.train()
        right = (trainer.predict(rows).predictions.argmax(-1) == [label for _, label in reviews]).mean()
    return f"{right:.0%} of the reviews are read right"
