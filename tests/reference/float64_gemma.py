"""Gemma's forward pass in float64, straight from the formulas: a judge for any trace that needs no model code at all.

Letters: T tokens, D hidden size, H query heads, K key/value heads, d head dimension, F feed-forward size, V vocabulary.
"""

import math

import torch


def forward(config, weights, tokens):
    """{name: tensor} of every traced value, in the order of the forward pass. `weights` have Hugging Face's names."""
    weights = {name: weight.double() for name, weight in weights.items()}
    trace = {}

    def show(name, value):
        trace[name] = value
        return value

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T

    def rms_norm(x, name):
        mean_square = show(f"{name}.mean_square", x.square().mean(-1))
        normalized = show(f"{name}.normalized", x / (mean_square + config["rms_norm_eps"]).sqrt()[:, None])
        return show(name, normalized * (1 + weights[f"{name}.weight"]))

    def attention(x, name):
        d, groups = config["head_dim"], config["num_attention_heads"] // config["num_key_value_heads"]
        parts = (f"{name}.q_proj", f"{name}.k_proj", f"{name}.v_proj")
        q, k, v = (show(part, linear(x, part).reshape(len(tokens), -1, d)) for part in parts)
        q, k = show(f"{name}.q_rope", rotate(q)), show(f"{name}.k_rope", rotate(k))
        k, v = (part.repeat_interleave(groups, dim=1) for part in (k, v))  # [T, K, d] to [T, H, d]
        scores = show(f"{name}.scores", torch.einsum("thd,shd->hts", q, k) * d**-0.5)
        probs = show(f"{name}.probs", (scores + causal_mask(len(tokens))).softmax(-1))
        context = show(f"{name}.context", torch.einsum("hts,shd->thd", probs, v))
        return show(f"{name}.o_proj", linear(context.flatten(1), f"{name}.o_proj"))

    def mlp(x, name):
        gate = show(f"{name}.gate_proj", linear(x, f"{name}.gate_proj"))
        activated = show(f"{name}.act_fn", gelu_tanh(gate))
        up = show(f"{name}.up_proj", linear(x, f"{name}.up_proj"))
        gated = show(f"{name}.gated", activated * up)
        return show(f"{name}.down_proj", linear(gated, f"{name}.down_proj"))

    x = show("model.embed_tokens", weights["model.embed_tokens.weight"][tokens])
    x = show("model.embed_scaled", x * math.sqrt(config["hidden_size"]))
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}"
        x = show(f"{layer}.residual_attn", x + attention(rms_norm(x, f"{layer}.input_layernorm"), f"{layer}.self_attn"))
        x = show(layer, x + mlp(rms_norm(x, f"{layer}.post_attention_layernorm"), f"{layer}.mlp"))
    show("lm_head", linear(rms_norm(x, "model.norm"), "model.embed_tokens"))
    return trace


def rotate(x):
    """RoPE on [T, heads, d]: the pair (j, j + d/2) of the token at position t turns by t · 10000^(-2j/d)."""
    half = x.shape[-1] // 2
    frequency = 10000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = torch.outer(torch.arange(x.shape[0], dtype=torch.float64), frequency)[:, None]
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * angle.cos() - second * angle.sin(), second * angle.cos() + first * angle.sin()], dim=-1)


def causal_mask(count):
    """[T, T]: minus infinity where the key comes after the query."""
    return torch.full((count, count), -math.inf, dtype=torch.float64).triu(1)


def gelu_tanh(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
