"""Steps as users write them: matrix products, and what is computed from parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

__all__ = ["STEPS"]

H = 6  # columns of x, h and most parameters

STEPS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "linear": lambda x, h, p: F.linear(x + h, p["w"], p["v"]),
    "linear nob": lambda x, h, p: F.linear(h, p["w"]),
    "@": lambda x, h, p: h @ p["w"],
    "@ slice": lambda x, h, p: h[:, :3] @ p["w"][:3],
    "@ colslice": lambda x, h, p: (h @ p["w"][:, :3]).repeat(1, 2),
    "@ .T": lambda x, h, p: h @ p["w"].T,
    "mm": lambda x, h, p: torch.mm(h, p["w"]),
    "addmm": lambda x, h, p: torch.addmm(p["v"], h, p["w"], beta=0.5, alpha=2.0),
    "addmm rows": lambda x, h, p: torch.addmm(x, h, p["w"]),
    "einsum": lambda x, h, p: torch.einsum("bi,ij->bj", h, p["w"]),
    "einsum T": lambda x, h, p: torch.einsum("bi,ji->bj", h, p["w"]),
    "einsum 3": lambda x, h, p: torch.einsum("bhi,ij->bhj", h.view(-1, 2, 3), p["w"][:3, :3]).reshape(-1, 6),
    "matmul 3d": lambda x, h, p: (h.view(-1, 2, 3) @ p["w"][:3, :3]).view(-1, 6),
    "linear 3d": lambda x, h, p: F.linear(h.view(-1, 2, 3), p["w"][:3, :3]).flatten(1),
    "einsum heads": lambda x, h, p: torch.einsum(
        "bhi,hij->bhj", h.view(-1, 2, 3), p["w"].reshape(2, 3, 6)[:, :, :3]
    ).reshape(-1, 6),
    "einsum rows": lambda x, h, p: torch.einsum("bi,bi->b", x, h)[:, None] * h,
    "einsum outer": lambda x, h, p: torch.einsum("bi,bj->bij", x, h).sum(1),
    "bmm rows": lambda x, h, p: torch.bmm(x[:, None, :], h[:, :, None])[:, :, 0] * h,
    "matvec rows": lambda x, h, p: (x.view(-1, 2, 3) @ h.view(-1, 3, 2)).sum(2).repeat(1, 3),
    "mv": lambda x, h, p: (h @ p["v"])[:, None] * x,
    "mv2": lambda x, h, p: torch.mv(h, p["v"])[:, None] * x,
    "W@h.T": lambda x, h, p: (p["w"] @ h.t()).t(),
    "bilinear": lambda x, h, p: F.bilinear(x, h, p["w"].reshape(1, 6, 6)) * h,
    "inner": lambda x, h, p: torch.inner(h, p["w"]),
    "tensordot": lambda x, h, p: torch.tensordot(h, p["w"], dims=1),
    "vecdot": lambda x, h, p: torch.linalg.vecdot(x, h)[:, None] * h,
    "addmv": lambda x, h, p: torch.addmv(x[:, 0], h, p["v"])[:, None] * x,
    "baddbmm": lambda x, h, p: torch.baddbmm(x[:, None, :], h[:, None, :], p["w"].expand(x.shape[0], 6, 6))[:, 0],
    "w product": lambda x, h, p: h @ (p["w"] @ p["w"]),
    "w masked": lambda x, h, p: h @ (p["w"] * (p["w"] > 0)),
    "w softmax": lambda x, h, p: h @ p["w"].softmax(0),
    "w chunk": lambda x, h, p: h @ p["w"].chunk(2, 1)[0].repeat(1, 2),
    "w norm": lambda x, h, p: h @ (p["w"] / p["w"].norm()),
    "w triu": lambda x, h, p: h @ torch.triu(p["w"]),
    "w exp": lambda x, h, p: h @ torch.matrix_exp(p["w"]),
    "diag": lambda x, h, p: h @ torch.diag(p["v"]),
    "chain": lambda x, h, p: h @ p["w"] @ p["w"].t(),
    "a column of ones": lambda x, h, p: torch.cat([h[:, :-1], torch.ones_like(h[:, :1])], 1) @ p["w"],
    "a column of numbers": lambda x, h, p: torch.cat([torch.full_like(h[:, :2], 0.5), h[:, 2:]], 1) @ p["w"].t(),
    "nothing but numbers": lambda x, h, p: h + torch.full_like(h, 0.5) @ p["w"],
    "conv1d": lambda x, h, p: F.conv1d(h[:, None, :], p["w"][:1, :3][None], padding=1)[:, 0],
    "matmul h h": lambda x, h, p: (x + h) @ p["w"] + (x - h) @ p["w"],
    "unfold": lambda x, h, p: h.unfold(1, 2, 2).sum(2).repeat(1, 2),
    "pad": lambda x, h, p: F.pad(h[:, :4], (1, 1)) + x,
    "pad value": lambda x, h, p: F.pad(h[:, :4], (1, 1), value=0.5) + x,
    "avg_pool": lambda x, h, p: F.avg_pool1d(h[:, None], 2)[:, 0].repeat(1, 2),
    "diagonal": lambda x, h, p: (x[:, :, None] * h[:, None, :]).diagonal(dim1=1, dim2=2),
    "tril": lambda x, h, p: (x[:, :, None] * h[:, None, :]).tril().sum(1),
    "take first": lambda x, h, p: (x * h)[:, 0:1] + (x * h)[:, [1]],
    "batch mean": lambda x, h, p: h - h.mean(0),
    "sdp attn": lambda x, h, p: F.scaled_dot_product_attention(
        h.view(-1, 2, 3), x.view(-1, 2, 3), x.view(-1, 2, 3)
    ).reshape(-1, 6),
    "maxpool": lambda x, h, p: (x + h).view(-1, 3, 2).amax(2).repeat(1, 2),
    "maxout": lambda x, h, p: (x + h).view(-1, 3, 2).max(2)[0].repeat(1, 2),
    "heads": lambda x, h, p: ((h.view(-1, 2, 3) * x.view(-1, 2, 3)).sum(2, keepdim=True) * h.view(-1, 2, 3)).reshape(
        -1, 6
    ),
    "param 2d": lambda x, h, p: (h.view(-1, 2, 3) * p["w"][:2, :3]).reshape(-1, 6),
    "param idx": lambda x, h, p: h * p["w"][0] + p["w"][:, 1],
    "param split": lambda x, h, p: h * torch.cat(p["v"].chunk(2)[::-1]),
    "params cat": lambda x, h, p: torch.cat([x, h], 1) @ torch.cat([p["w"], p["w"].t()]),
    "param row": lambda x, h, p: h * p["v"].view(1, -1),
    "param softmax": lambda x, h, p: h * p["v"].softmax(0),
    "param col": lambda x, h, p: (h.unsqueeze(2) * p["v"].view(1, 1, 6)).sum(2),
    "param where": lambda x, h, p: h * torch.where(p["v"] > 0, p["v"], 1.0),
}
