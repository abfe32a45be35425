"""Joint pruning in a plain PyTorch loop: a GRU over frames.

python examples/plain_pytorch.py --dataset fingerspelling --keep 12
"""

import argparse

import torch
from torch import nn
from torch.nn import functional

import jointprune as jp
from jointprune.preprocessing import Augmentation, ClipBatches

FRAMES = 8


class SignGRU(nn.Module):
    """A sign classifier of clips (B, T, J, P); `prune=False` leaves the pruning layer out."""

    def __init__(self, num_joints: int, coords: int, classes: int, prune: bool = True):
        super().__init__()
        self.standardise = nn.BatchNorm1d(num_joints * coords, affine=False)
        self.pruning = jp.JointPruningLayer(num_joints) if prune else None
        self.gru = nn.GRU(num_joints * coords, 128, batch_first=True, bidirectional=True)
        self.head = nn.Linear(256, classes)

    def forward(self, poses):
        # Standardised, a closed joint, which is 0, is at its mean.
        frames = self.standardise(poses.flatten(2).mT).mT
        if self.pruning is not None:
            # Divided as in dropout: else the input, which nothing normalises, shrinks.
            frames = self.pruning(frames) / self.pruning.keep_probability().mean().detach()
        return self.head(self.gru(frames)[0].mean(1))


def train(model: SignGRU, loader, epochs: int, learning_rate: float, keep: float) -> list[float]:
    """Train a model; return the share of closed joints after each epoch."""
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate)
    budget = jp.JointBudget(model.pruning, keep, steps=epochs * len(loader))
    closed = []
    for _ in range(epochs):
        model.train()
        for poses, _, labels in loader:
            loss = functional.cross_entropy(model(poses), labels) + budget.penalty()
            optimizer.zero_grad()
            loss.backward()
            budget.step()
            optimizer.step()
        closed.append(model.pruning.get_summary()["pruning_ratio"])
    return closed


@torch.no_grad()
def accuracy(model: nn.Module, loader) -> float:
    """Share of the clips that are recognised."""
    model.eval()
    right = [model(poses).argmax(1) == labels for poses, _, labels in loader]
    return torch.cat(right).float().mean().item()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="fingerspelling")
    parser.add_argument("--keep", type=float, default=12, help="joints: a share or a number")
    parser.add_argument("--epochs", type=int, default=100)
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    data = jp.load_dataset(options.dataset)
    fit, test = data.folds(4, seed=0)[0]
    model = SignGRU(len(data.joints), data.poses.shape[-1], len(data.classes))
    loader = ClipBatches(data, fit, FRAMES, 32, augmentation=Augmentation())
    closed = train(model, loader, options.epochs, 1e-3, options.keep)
    print(f"closed after every tenth epoch: {[f'{c:.0%}' for c in closed[9::10]]}")
    print(f"accuracy: {accuracy(model, ClipBatches(data, test, FRAMES, 32)):.1%}")
    print("kept:", ", ".join(data.joints[j] for j in model.pruning.kept_joints()))


if __name__ == "__main__":
    main()
