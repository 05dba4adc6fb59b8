"""Muon: momentum whose matrix is made orthogonal, so that every direction of a weight matrix learns equally fast.

Keller Jordan and others, 2024. Here for the matrices inside the layers; the embedding and the norms are left to Adam.
"""

import torch


def orthogonal(gradient, steps=5):
    """U Vᵀ of the gradient's singular value decomposition, nearly, by Newton-Schulz iterations in bfloat16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = gradient.bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return (x.T if tall else x).float()


class Muon(torch.optim.Optimizer):
    def __init__(self, groups, momentum=0.95, weight_decay=0.01):
        super().__init__(groups, dict(momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                velocity = self.state[weight].setdefault("velocity", torch.zeros_like(weight))
                velocity.lerp_(weight.grad, 1 - group["momentum"])
                update = orthogonal(weight.grad.lerp(velocity, group["momentum"]))
                scale = max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"] * scale)
