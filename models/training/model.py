"""The network: llama architecture (RMSNorm, RoPE, grouped-query attention, SwiGLU), tied embeddings.

Attention is written as plain matrix products and a softmax in the input's precision, by blocks of queries that see
only the keys up to their own end: on a CPU with bf16 that is several times faster than the fused kernels.
"""

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; `head` is a multiple of 64 so that a quantised KV cache can be shifted."""

    vocabulary: int = 4096
    width: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    head: int = 64
    feed_forward: int = 704
    context: int = 2048
    rope_base: float = 10_000.0
    epsilon: float = 1e-5

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


QUERY_BLOCK = 256


class Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.q = nn.Linear(shape.width, shape.heads * shape.head, bias=False)
        self.k = nn.Linear(shape.width, shape.kv_heads * shape.head, bias=False)
        self.v = nn.Linear(shape.width, shape.kv_heads * shape.head, bias=False)
        self.o = nn.Linear(shape.heads * shape.head, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x (batch, time, width) → (batch, time, width), causal."""
        batch, time, _ = x.shape
        kv, head = self.shape.kv_heads, self.shape.head
        group = self.shape.heads // kv
        q = functional.linear(x, halves(self.q.weight, kv * group) * head**-0.5)
        k = functional.linear(x, halves(self.k.weight, kv))
        q = rotate(q.view(batch, time, kv * group, head), cos, sin)
        k = rotate(k.view(batch, time, kv, head), cos, sin)
        v = self.v(x).view(batch, time, kv, head)
        # A group of query heads shares its key head: its queries stand one after the other, (batch, kv, group, time, head).
        q = q.view(batch, time, kv, group, head).permute(0, 2, 3, 1, 4)
        k = k.permute(0, 2, 3, 1)
        v = v.transpose(1, 2)
        out = [self.block(q, k, v, start, min(start + QUERY_BLOCK, time)) for start in range(0, time, QUERY_BLOCK)]
        y = torch.cat(out, dim=3).permute(0, 3, 1, 2, 4).reshape(batch, time, kv * group * head)
        return self.o(y)

    @staticmethod
    def block(q: Tensor, k: Tensor, v: Tensor, start: int, end: int) -> Tensor:
        """Queries start…end over keys 0…end → (batch, kv, group, end - start, head)."""
        batch, kv, group, _, head = q.shape
        rows = end - start
        part = q[:, :, :, start:end].reshape(batch, kv, group * rows, head)
        scores = part @ k[..., :end]
        future = torch.full((rows, rows), -1e4, dtype=scores.dtype, device=q.device).triu(1)
        with torch.autocast(q.device.type, enabled=False):
            weights = (scores + functional.pad(future, (start, 0)).repeat(group, 1)).softmax(-1)
        return (weights @ v[:, :, :end]).view(batch, kv, group, rows, head)


def halves(weight: Tensor, heads: int) -> Tensor:
    """Rows of a projection so ordered that a pair's first parts come before its second parts, head by head.

    The file format rotates neighbouring pairs. Attention does not see a reordering that queries and keys share, and
    halves that lie together rotate much faster.
    """
    rows, width = weight.shape
    return weight.view(heads, rows // heads // 2, 2, width).transpose(1, 2).reshape(rows, width)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on pairs of halves: x (batch, time, heads, head), cos and sin (time, 1, head)."""
    x = x.float()  # In bf16 a rotation is too coarse to tell neighbouring positions apart.
    first, second = x.chunk(2, -1)
    return torch.addcmul(x * cos, torch.cat((second, first), -1), sin)


class Normalise(torch.autograd.Function):
    """RMSNorm without its weight. Sums in float32; the result in the precision that autocast asks for."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, epsilon: float, precision: torch.dtype) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        scale = (length.square() / x.shape[-1] + epsilon).rsqrt()
        y = (x * scale).to(precision)
        ctx.save_for_backward(y, scale)
        return y

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None, None]:
        y, scale = ctx.saved_tensors
        along = (grad * y).mean(-1, keepdim=True, dtype=torch.float32)
        return torch.addcmul(grad.float(), y.float(), along, value=-1).mul_(scale), None, None


class Norm(nn.Module):
    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        device = x.device.type
        precision = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        return Normalise.apply(x, self.epsilon, precision) * self.weight.to(precision)


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm = Norm(shape.width, shape.epsilon)
        self.attention = Attention(shape)
        self.ffn_norm = Norm(shape.width, shape.epsilon)
        self.gate = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.up = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.down = nn.Linear(shape.feed_forward, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, wanted: Tensor | None = None) -> Tensor:
        """x (batch, time, width) → the same, or only the `wanted` states of it: (n, width)."""
        x = x + self.attention(self.attention_norm(x), cos, sin)
        if wanted is not None:
            x = x[wanted]
        h = self.ffn_norm(x)
        return x + self.down(functional.silu(self.gate(h)) * self.up(h))


class Model(nn.Module):
    def __init__(self, shape: Shape = Shape()) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width, shape.epsilon)
        frequencies = shape.rope_base ** -(torch.arange(0, shape.head, 2) / shape.head)
        angles = torch.outer(torch.arange(shape.context), frequencies)[:, None, :]
        self.register_buffer("cos", torch.cat((angles.cos(), angles.cos()), -1), persistent=False)
        self.register_buffer("sin", torch.cat((-angles.sin(), angles.sin()), -1), persistent=False)
        self.initialise()

    def initialise(self) -> None:
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)
        for block in self.blocks:
            for last in (block.attention.o, block.down):
                nn.init.normal_(last.weight, std=0.02 / math.sqrt(2 * self.shape.layers))

    def hidden(self, ids: Tensor, wanted: Tensor) -> Tensor:
        """ids and wanted (batch, time) → normalised states (n, width) of the wanted positions."""
        x = self.embedding(ids)
        cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
        *early, last = self.blocks
        for block in early:
            x = block(x, cos, sin)
        x = last(x, cos, sin, wanted)
        return self.norm(x)

    def logits(self, states: Tensor) -> Tensor:
        """states (n, width) → (n, vocabulary)."""
        return functional.linear(states, self.embedding.weight)
