"""Gemma in PyTorch, written for training: the same mathematics and the same weight names as Hugging Face's Gemma."""

import math

import torch
from torch import nn
from torch.nn import functional as F

CONFIG = {
    "architectures": ["GemmaForCausalLM"], "model_type": "gemma", "vocab_size": 2048, "hidden_size": 192,
    "num_hidden_layers": 5, "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 64, "intermediate_size": 640,
    "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh", "rms_norm_eps": 1e-06, "rope_theta": 10000.0,
    "rope_scaling": None, "max_position_embeddings": 512, "attention_bias": False, "attention_dropout": 0.0,
    "initializer_range": 0.02, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0, "use_cache": True,
    "tie_word_embeddings": True, "torch_dtype": "bfloat16"}


class RMSNorm(nn.Module):
    """x / sqrt(mean(x²) + eps) * (1 + weight), in float32."""

    def __init__(self, size, eps):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(size))

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * (1 + self.weight)


def rope_angles(length, head_dim, theta):
    """cos and sin, [length, head_dim / 2]: position t turns pair j by the angle t * theta^(-2j / head_dim)."""
    frequency = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angle = torch.arange(length, dtype=torch.float32)[:, None] * frequency
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    """Turns the pairs (j, j + d/2) of x [..., T, d]."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


class Attention(nn.Module):
    """H query heads share K key/value heads. In training K = 1, so keys and values broadcast over all the query heads."""

    def __init__(self, c):
        super().__init__()
        self.heads, self.shared, self.dim = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        hidden = c["hidden_size"]
        self.q_proj = nn.Linear(hidden, self.heads * self.dim, bias=False)
        self.k_proj = nn.Linear(hidden, self.shared * self.dim, bias=False)
        self.v_proj = nn.Linear(hidden, self.shared * self.dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.dim, hidden, bias=False)

    def forward(self, x, cos, sin, mask):
        batch, length, _ = x.shape
        split = lambda y, heads: y.view(batch, length, heads, self.dim).transpose(1, 2)
        q = rotate(split(self.q_proj(x), self.heads), cos, sin) * self.dim ** -0.5
        k = rotate(split(self.k_proj(x), self.shared), cos, sin)
        v = split(self.v_proj(x), self.shared)
        if 1 < self.shared < self.heads:
            k, v = (y.repeat_interleave(self.heads // self.shared, dim=1) for y in (k, v))
        if self.shared == 1:                                # one matrix product for all heads: [B, H*T, d] x [B, d, T]
            q = q.reshape(batch, self.heads * length, self.dim)
            scores = (q @ k[:, 0].transpose(-1, -2)).view(batch, self.heads, length, length) + mask
            probs = scores.float().softmax(-1).to(v.dtype)
            context = (probs.view(batch, self.heads * length, length) @ v[:, 0]).view(batch, self.heads, length, self.dim)
        else:
            context = (q @ k.transpose(-1, -2) + mask).float().softmax(-1).to(v.dtype) @ v
        return self.o_proj(context.transpose(1, 2).reshape(batch, length, -1))


class MLP(nn.Module):
    """GeGLU: down(gelu_tanh(gate x) * up x)."""

    def __init__(self, c):
        super().__init__()
        self.gate_proj = nn.Linear(c["hidden_size"], c["intermediate_size"], bias=False)
        self.up_proj = nn.Linear(c["hidden_size"], c["intermediate_size"], bias=False)
        self.down_proj = nn.Linear(c["intermediate_size"], c["hidden_size"], bias=False)

    def forward(self, x):
        return self.down_proj(F.gelu(self.gate_proj(x), approximate="tanh") * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.self_attn, self.mlp = Attention(c), MLP(c)
        self.input_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.post_attention_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])

    def forward(self, x, cos, sin, mask):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Gemma(nn.Module):
    def __init__(self, config=CONFIG):
        super().__init__()
        self.config = c = dict(config)
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.model.layers = nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))
        self.model.norm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.angles = rope_angles(c["max_position_embeddings"], c["head_dim"], c["rope_theta"])
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                last = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(weight, std=weight.shape[1] ** -0.5 * (0.5 / math.sqrt(c["num_hidden_layers"]) if last else 1.0))
        nn.init.normal_(self.model.embed_tokens.weight, std=0.03)

    def hidden(self, tokens, story=None):
        """Final hidden states [B, T, D]. `story` numbers the story of each token: attention stays within a story."""
        length, device = tokens.shape[1], tokens.device
        allowed = torch.ones(length, length, dtype=torch.bool, device=device).tril()[None]
        if story is not None:
            allowed = allowed & (story[:, :, None] == story[:, None, :])
        mask = torch.zeros(allowed.shape, device=device).masked_fill(~allowed, -1e9)[:, None]
        cos, sin = (angle[:length].to(device) for angle in self.angles)
        x = self.model.embed_tokens(tokens) * self.config["hidden_size"] ** 0.5
        for layer in self.model.layers:
            x = layer(x, cos, sin, mask)
        return self.model.norm(x)

    def forward(self, tokens, story=None):
        return F.linear(self.hidden(tokens, story), self.model.embed_tokens.weight)

    def loss(self, tokens, targets, story, weights):
        """Mean cross entropy over the targets that are not -100, each counted with its weight."""
        hidden = self.hidden(tokens, story)
        wanted = targets.reshape(-1) != -100
        logits = F.linear(hidden.reshape(-1, hidden.shape[-1])[wanted], self.model.embed_tokens.weight)
        losses = F.cross_entropy(logits.float(), targets.reshape(-1)[wanted], reduction="none")
        counts = weights.reshape(-1)[wanted]
        return (losses * counts).sum() / counts.sum()
