"""The model of worker/model in PyTorch: a pre-LN GPT of the GPT-2 family, cut into stages of whole units.

Unit 0 is the embedding, 1..layers are the blocks, layers + 1 is the head. A unit's initial weights depend on the seed
and its number only, so every cut of the model starts from the same weights.
"""
import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import nn


@dataclasses.dataclass
class Shape:
    layers: int
    hidden: int
    heads: int
    context: int
    vocabulary: int = 256


class Embedding(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.positions = nn.Embedding(shape.context, shape.hidden)

    def forward(self, tokens):  # [micro_batch, context] -> [micro_batch, context, hidden]
        return self.tokens(tokens) + self.positions.weight


class Block(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.heads = shape.heads
        self.attention_norm = nn.LayerNorm(shape.hidden)
        self.qkv = nn.Linear(shape.hidden, 3 * shape.hidden)
        self.attention_out = nn.Linear(shape.hidden, shape.hidden)
        self.mlp_norm = nn.LayerNorm(shape.hidden)
        self.mlp_in = nn.Linear(shape.hidden, 4 * shape.hidden)
        self.mlp_out = nn.Linear(4 * shape.hidden, shape.hidden)

    def forward(self, x):  # [micro_batch, context, hidden]
        batch, context, hidden = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(batch, context, 3, self.heads, hidden // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind()
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attention_out(y.transpose(1, 2).reshape(batch, context, hidden))
        return x + self.mlp_out(F.gelu(self.mlp_in(self.mlp_norm(x)), approximate="tanh"))


class Head(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.norm = nn.LayerNorm(shape.hidden)
        self.out = nn.Linear(shape.hidden, shape.vocabulary, bias=False)

    def forward(self, x):  # [micro_batch, context, hidden] -> [micro_batch, context, vocabulary]
        return self.out(self.norm(x))


def make_unit(shape: Shape, unit: int, seed: int) -> nn.Module:
    torch.manual_seed(seed * 10_000 + unit)
    module = Embedding(shape) if unit == 0 else Block(shape) if unit <= shape.layers else Head(shape)
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif "norm" not in name:
            is_residual = name in ("attention_out.weight", "mlp_out.weight")
            nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * shape.layers) if is_residual else 0.02)
    return module


def make_stage(shape: Shape, stage: int, stages: int, seed: int) -> nn.Sequential:
    """Stage `stage` of `stages`: an equal share of the blocks; the embedding is in the first, the head in the last."""
    first, end = (1 + i * shape.layers // stages for i in (stage, stage + 1))
    units = range(0 if stage == 0 else first, end + 1 if stage == stages - 1 else end)
    return nn.Sequential(*(make_unit(shape, unit, seed) for unit in units))


def make_optimizer(modules: list[nn.Module]) -> torch.optim.Optimizer:
    """AdamW with the job file's defaults, its fused CPU kernel, and no decay of biases and norms."""
    parameters = [p for module in modules for p in module.parameters()]
    groups = [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": 0.1},
              {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0}]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=3e-4, betas=(0.9, 0.95), eps=1e-8, fused=True)


def loss(logits, targets):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())
