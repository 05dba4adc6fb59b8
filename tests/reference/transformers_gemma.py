"""Hugging Face transformers' Gemma: load weights into it, run it, record it.

`modeling` is everywhere the module transformers.models.gemma.modeling_gemma.
"""

import contextlib
import sys

import torch

import model_directory
import trace_writer
from command_line import CommandError

TANH_GELU = "gelu_pytorch_tanh"


def build_config(modeling, directory):
    """The GemmaConfig of a directory, with attention in plain PyTorch operations and Gemma's activation.

    Older config.json files say hidden_act "gelu" and mean the tanh form; some versions of transformers take the word
    literally (the exact GELU), so the activation is set here.
    """
    config = modeling.GemmaConfig.from_pretrained(directory, attn_implementation="eager")
    config.hidden_act = config.hidden_activation = TANH_GELU
    return config


def build_model(modeling, directory, tensors, dtype):
    """GemmaForCausalLM with these weights, converted to `dtype` (the rotary frequencies stay float32)."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        model = modeling.GemmaForCausalLM(build_config(modeling, directory))
    finally:
        torch.set_default_dtype(default)
    state = {**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"]}
    missing, unexpected = model.load_state_dict(state, strict=False)
    if missing or unexpected:
        raise CommandError(f"transformers' Gemma wants {missing} and does not know {unexpected}")
    return model.eval()


def record_transformers(modeling, model, recorder):
    """Returns a context: while it is open, a forward pass of the model is recorded."""
    stack = contextlib.ExitStack()
    trace_writer.watch_modules(stack, recorder, model)
    for i, layer in enumerate(model.model.layers):
        name = f"model.layers.{i}"
        for part in ("q_proj", "k_proj", "v_proj"):
            trace_writer.watch_output(stack, recorder, f"{name}.self_attn.{part}", getattr(layer.self_attn, part))
        trace_writer.watch_output(stack, recorder, f"{name}.mlp.act_fn", layer.mlp.act_fn)
    trace_writer.watch_output(stack, recorder, "lm_head", model.lm_head)
    _watch_rope(stack, recorder, modeling)
    trace_writer.watch_attention(stack, recorder)
    return stack


def _watch_rope(stack, recorder, modeling):
    """apply_rotary_pos_emb returns queries [1, H, T, d] and keys [1, K, T, d]; the table has T first."""
    def watched(apply_rotary_pos_emb):
        def call(*inputs, **keywords):
            queries, keys = apply_rotary_pos_emb(*inputs, **keywords)
            recorder.record(f"{recorder.scope}.q_rope", queries.transpose(1, 2))
            recorder.record(f"{recorder.scope}.k_rope", keys.transpose(1, 2))
            return queries, keys
        return call
    stack.enter_context(trace_writer.replaced(modeling, "apply_rotary_pos_emb", watched))


def dump(modeling, directory, tokens, out, dtype="float32", names=("*",), prompt=""):
    """Runs the model in `directory` over the tokens and writes the trace to `out`. Returns the recorded tensors."""
    config = model_directory.read_config(directory)
    tensors = model_directory.read_tensors(directory)
    model_directory.check_tensors(directory, config, tensors)
    recorder = trace_writer.Recorder(config, tokens, names)
    model = build_model(modeling, directory, tensors, dtype)
    with trace_writer.running(dtype), record_transformers(modeling, model, recorder):
        model(input_ids=torch.tensor([tokens]), use_cache=False)
    recorder.save(out, prompt=prompt, model=trace_writer.model_name(directory), precision=dtype,
                  producer=f"transformers {sys.modules['transformers'].__version__}, PyTorch {torch.__version__}")
    return recorder.values
