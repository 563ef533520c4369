"""What a pipeline may be told by who calls it or by a model's files: parameters that are known, with plain values."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Mapping
from typing import Any

from reticent.errors import ReticentError
from reticent.models.signature.tensors import is_a

_CODE = {"custom_generate", "trust_remote_code", "auto_map", "code_revision"}
"""Those by which code from elsewhere is run."""

_GENERATION = """
assistant_confidence_threshold assistant_early_exit assistant_lookbehind bad_words_ids begin_suppress_tokens
bos_token_id cache_implementation decoder_start_token_id diversity_penalty do_sample dola_layers early_stopping
encoder_no_repeat_ngram_size encoder_repetition_penalty eos_token_id epsilon_cutoff eta_cutoff
exponential_decay_length_penalty force_words_ids forced_bos_token_id forced_decoder_ids forced_eos_token_id
guidance_scale length_penalty low_memory max_cache_len max_length max_matching_ngram_size max_new_tokens max_time
min_length min_new_tokens min_p no_repeat_ngram_size num_assistant_tokens num_assistant_tokens_schedule
num_beam_groups num_beams num_return_sequences output_attentions output_hidden_states output_logits output_scores
pad_token_id penalty_alpha prefill_chunk_size prompt_lookup_num_tokens remove_invalid_values renormalize_logits
repetition_penalty return_dict_in_generate sequence_bias stop_strings suppress_tokens target_lookbehind temperature
token_healing top_h top_k top_p typical_p use_cache watermarking_config greenlist_ratio bias hashing_key
seeding_scheme context_width
compression_ratio_threshold condition_on_prev_tokens is_multilingual language logprob_threshold
no_speech_threshold num_segment_frames prompt_condition_type return_segments return_token_timestamps task
"""

_PIPELINES = """
add_special_tokens aggregation_strategy align_to_words batch_size beam_prune_logp beam_width candidate_labels
chunk_length_s clean_up_tokenization_spaces continue_final_message crop_n_points_downscale_factor
crop_overlap_ratio crops_n_layers crops_nms_thresh decoder_kwargs delimiter doc_stride forward_params
frame_sampling_rate function_to_apply generate_kwargs generation_mode grouped_entities handle_impossible_answer
handle_long_generation hotword_weight hotwords hypothesis_template ignore_labels ignore_subwords ignore_warning
image_processor_kwargs is_split_into_words lang mask_threshold max_answer_len max_hole_area max_question_len
max_seq_len max_sprinkle_area multi_label num_frames output_bboxes_mask output_rle_mask overlap_mask_area_threshold
padding points_per_batch points_per_crop pool postprocess_kwargs pred_iou_thresh prefix preprocess_params
processing_kwargs processor_kwargs prompt return_all_scores return_full_text return_language return_tensors
return_text return_timestamps return_type sampling_rate sequential skip_special_tokens src_lang
stability_score_offset stability_score_thresh stop_sequence stride stride_length_s subtask target_ids targets
tgt_lang threshold timeout tokenize_kwargs tokenizer_encode_kwargs tokenizer_kwargs topk truncation _legacy
"""

_PROCESSORS = """
add_generation_prompt enable_thinking pad_to_multiple_of padding_side return_attention_mask return_length
return_offsets_mapping return_overflowing_tokens return_special_tokens_mask return_token_type_ids
truncation_side crop_size do_center_crop do_convert_rgb do_normalize do_pad do_rescale do_resize height image_mean
image_std interpolate_pos_encoding longest_edge resample rescale_factor shortest_edge size width
"""

_KNOWN = frozenset(f"{_GENERATION} {_PIPELINES} {_PROCESSORS}".split())

_TEXTS = {
    "candidate_labels", "delimiter", "hotwords", "hypothesis_template", "ignore_labels", "prefix", "prompt",
    "stop_sequence", "stop_strings", "targets",
}  # fmt: skip
"""Those that are text, and only ever that; the others are numbers and words."""

_WORD = re.compile(r"[\w<>| .+-]*")


def refuse_unsafe(parameters: Mapping[str, Any], own: Collection[str] = ()) -> None:
    """ReticentError if one, at any depth, is not known or has no plain value; `own` are those of the user's class."""
    for name, value in parameters.items():
        if name in _CODE:
            raise ReticentError(f"the parameter {name} is refused: it runs code from elsewhere")
        if name not in _KNOWN and name not in own:
            raise ReticentError(f"the parameter {name!r} is refused: it is none of a pipeline that is known to be safe")
        _refuse_value(name, value, own)


def _refuse_value(name: str, value: Any, own: Collection[str]) -> None:
    if isinstance(value, Mapping):
        refuse_unsafe(value, own)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            _refuse_value(name, item, own)
    elif isinstance(value, str):
        _refuse_text(name, value)
    elif is_a(value, "numpy", "ndarray") or is_a(value, "numpy", "generic"):
        if value.dtype.kind not in "biuf":
            _refuse_value(name, value.tolist(), own)
    elif value is not None and not isinstance(value, int | float):
        raise ReticentError(
            f"the parameter {name!r} is refused: it is of class {type(value).__name__}, and only numbers, texts and lists "
            "of them are taken"
        )


def _refuse_text(name: str, value: str) -> None:
    if name == "hypothesis_template" and re.search(r"[{}]", value.replace("{}", "")):
        raise ReticentError("the parameter 'hypothesis_template' is refused: '{}' must be the only braces in it")
    if name not in _TEXTS and (".." in value or not _WORD.fullmatch(value)):
        raise ReticentError(f"the parameter {name!r} is refused: its text could be a path or an address")


def own_parameters(part: Any, method: str) -> list[str]:
    """What a class that is not of Transformers takes by name: it was trusted when it was loaded."""
    if type(part).__module__.partition(".")[0] == "transformers":
        return []
    return argument_names(getattr(part, method))


def argument_names(function: Any) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [name for name, found in inspect.signature(function).parameters.items() if found.kind in kinds]
