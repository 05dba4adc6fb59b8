"""Google's official PyTorch Gemma, from the gemma_pytorch repository: import it, load weights, run it, record it."""

import contextlib
import dataclasses
import importlib
import itertools
import os
import sys
import types
from functools import partial

import torch
from torch.nn import functional

import model_directory
import trace_writer
from command_line import CommandError, require

MASKED = -2.3819763e38  # what the official generate() writes into its mask: finite also in bfloat16


def import_official(checkout):
    """The official gemma.model and gemma.config modules.

    A first-generation model needs neither the vision tower nor a tokenizer, so both get an empty stand-in: the official
    code then imports without Pillow and sentencepiece, and builds a model without a tokenizer file. Checkouts from
    before June 2024 want the package immutabledict, for which dict does as well.
    """
    if not os.path.isfile(os.path.join(checkout, "gemma", "model.py")):
        raise CommandError(f"{checkout}: gemma/model.py not found there, expected a checkout of google/gemma_pytorch")
    sys.dont_write_bytecode = True
    sys.path.insert(0, checkout)
    package = require("gemma", "from the checkout given with --gemma-pytorch")
    _stand_in("immutabledict", immutabledict=dict)
    package.tokenizer = _stand_in("gemma.tokenizer", Tokenizer=lambda _path: None)
    vision_config = _stand_in("gemma.siglip_vision.config", SiglipVisionModelConfig=object)
    package.siglip_vision = _stand_in("gemma.siglip_vision", config=vision_config)
    try:
        return importlib.import_module("gemma.model"), importlib.import_module("gemma.config")
    except ImportError as error:
        raise CommandError(f"{checkout}: the official code does not import: {error}") from None
    finally:
        sys.path.remove(checkout)


def _stand_in(name, **attributes):
    module = types.ModuleType(name)
    vars(module).update(attributes)
    sys.modules[name] = module
    return module


def official_config(gemma_config, config, dtype):
    """The official GemmaConfig for a Hugging Face config.json."""
    theta = config.get("rope_theta", 10000.0)
    if theta != 10000.0:
        raise CommandError(f"config.json: rope_theta is {theta}, expected 10000.0: the official code has no other")
    if config["hidden_size"] % config["num_attention_heads"] != 0:
        raise CommandError(f"config.json: hidden_size {config['hidden_size']} is no multiple of num_attention_heads "
                           f"{config['num_attention_heads']}: the official code refuses such a model")
    return dataclasses.replace(
        gemma_config.get_model_config("2b"), dtype=dtype, vocab_size=config["vocab_size"],
        max_position_embeddings=config.get("max_position_embeddings", 8192),
        num_hidden_layers=config["num_hidden_layers"], num_attention_heads=config["num_attention_heads"],
        num_key_value_heads=config["num_key_value_heads"], hidden_size=config["hidden_size"],
        intermediate_size=config["intermediate_size"], head_dim=config["head_dim"],
        rms_norm_eps=config.get("rms_norm_eps", 1e-6))


def official_state(config, tensors):
    """Hugging Face's tensors under the official names: q, k and v rows one under the other in qkv_proj [(H+2K)d, D]."""
    state = {"embedder.weight": tensors["model.embed_tokens.weight"], "model.norm.weight": tensors["model.norm.weight"]}
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}"
        parts = [tensors[f"{layer}.self_attn.{part}_proj.weight"] for part in "qkv"]
        state[f"{layer}.self_attn.qkv_proj.weight"] = torch.cat(parts)
        for name in ("self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "input_layernorm",
                     "post_attention_layernorm"):
            state[f"{layer}.{name}.weight"] = tensors[f"{layer}.{name}.weight"]
    return state


def build_model(official, config, state, dtype):
    """The official GemmaForCausalLM with an official state dict, in `dtype` (the rotary table stays float32)."""
    gemma_model, gemma_config = official
    default = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        model = gemma_model.GemmaForCausalLM(official_config(gemma_config, config, dtype))
    finally:
        torch.set_default_dtype(default)
    missing, unexpected = model.load_state_dict(state, strict=False)
    if set(missing) - {"freqs_cis"} or unexpected:
        raise CommandError(f"the official model wants {missing} and does not know {unexpected}")
    return model.eval()


def run_model(model, tokens):
    """One forward pass over all tokens. The cache has room for exactly T, so that the scores are [H, T, T]."""
    count, config = len(tokens), model.config
    shape = (1, count, config.num_key_value_heads, config.head_dim)
    caches = [(torch.zeros(shape, dtype=config.get_dtype()), torch.zeros(shape, dtype=config.get_dtype()))
              for _ in range(config.num_hidden_layers)]
    positions = torch.arange(count)
    mask = torch.triu(torch.full((1, 1, count, count), MASKED), diagonal=1)
    model(input_token_ids=torch.tensor([tokens]), input_positions=positions, kv_write_indices=positions,
          kv_caches=caches, mask=mask, output_positions=positions, temperatures=None,
          top_ps=torch.ones(1), top_ks=torch.full((1,), config.vocab_size))


def record_official(official, model, recorder):
    """Returns a context: while it is open, a forward pass of the model is recorded."""
    stack = contextlib.ExitStack()
    trace_writer.watch_modules(stack, recorder, model)
    for i, layer in enumerate(model.model.layers):
        _watch_qkv(stack, recorder, f"model.layers.{i}.self_attn", layer.self_attn)
    trace_writer.watch_attention(stack, recorder)
    trace_writer.watch_function(stack, recorder, "{scope}.act_fn", functional, "gelu")
    stack.enter_context(trace_writer.replaced(official[0], "apply_rotary_emb", partial(_record_rope, recorder)))
    stack.enter_context(trace_writer.replaced(torch, "matmul", partial(_record_logits, recorder)))
    return stack


def _watch_qkv(stack, recorder, name, attention):
    """qkv_proj returns [1, T, (H+2K)d]: q, k and v side by side."""
    def hook(_module, _inputs, output):
        parts = output.split([attention.q_size, attention.kv_size, attention.kv_size], dim=-1)
        for part, value in zip("qkv", parts):
            recorder.record(f"{name}.{part}_proj", value)
    stack.callback(attention.qkv_proj.register_forward_hook(hook).remove)


def _record_rope(recorder, apply_rotary_emb):
    """Called twice in an attention: queries, then keys. Copied at once: the queries are scaled in place afterwards."""
    parts = itertools.cycle("qk")

    def call(*inputs, **keywords):
        result = apply_rotary_emb(*inputs, **keywords)
        recorder.record(f"{recorder.scope}.{next(parts)}_rope", result)
        return result
    return call


def _record_logits(recorder, matmul):
    """The sampler's product of the last hidden states and the embedding, outside of all watched modules."""
    def call(*inputs, **keywords):
        result = matmul(*inputs, **keywords)
        if recorder.scope == "":
            recorder.record("lm_head", result)
        return result
    return call


def dump(official, directory, tokens, out, dtype="float32", names=("*",), prompt=""):
    """Runs the model in `directory` over the tokens and writes the trace to `out`. Returns the recorded tensors."""
    config = model_directory.read_config(directory)
    tensors = model_directory.read_tensors(directory)
    model_directory.check_tensors(directory, config, tensors)
    recorder = trace_writer.Recorder(config, tokens, names)
    model = build_model(official, config, official_state(config, tensors), dtype)
    with trace_writer.running(dtype), record_official(official, model, recorder):
        run_model(model, tokens)
    recorder.save(out, prompt=prompt, model=trace_writer.model_name(directory), precision=dtype,
                  producer=f"gemma_pytorch, PyTorch {torch.__version__}")
    return recorder.values
