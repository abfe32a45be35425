"""LassoNet: a sparse MLP on pooled features, and the order in which joints drop out of it.

Source: Lemhadri, Ruan, Abraham and Tibshirani, "LassoNet" (JMLR 22, 2021, arXiv 1907.12207).
"""

from functools import partial

import numpy as np
import torch
from lassonet import LassoNetClassifier
from lassonet.prox import prox
from torch import Tensor

from jointprune.dataset import SignDataset
from jointprune.preprocessing import ClipBatches, normalise
from jointprune.selection.importance import inner_split
from jointprune.skeleton import hand_index

# M is the paper's. On standardised features no joint drops out near `lambda_start`; the library's
# own search for this value takes longer than a fit.
SETTINGS = {
    "M": 10, "hidden_dims": (32,), "patience": None,
    "lambda_start": 20.0, "path_multiplier": 1.05,
    "optim": (partial(torch.optim.Adam, lr=1e-3), partial(torch.optim.SGD, lr=1e-2, momentum=0.9)),
    "val_size": 0, "verbose": 0, "device": "cpu",
}  # fmt: skip


class JointLassoNet(LassoNetClassifier):
    """The library's classifier, with the proximal step of all joints in one call.

    The library loops over the groups, which takes 15 times as long and most of a fit.
    """

    def __init__(self, joints: int, **settings):
        super().__init__(**settings)
        self.joints = joints

    def _init_model(self, X, y):
        super()._init_model(X, y)
        self.model.prox = self.shrink

    @torch.no_grad()
    def shrink(self, *, lambda_: float, lambda_bar: float = 0, M: float = 1) -> None:
        """Proximal step on skip weights and first layer, in place; one column per joint."""
        weights = (self.model.skip.weight, self.model.layers[0].weight)
        blocks = [w.unflatten(1, (self.joints, -1)).transpose(1, 2) for w in weights]
        columns = (block.flatten(0, 1) for block in blocks)
        shrunk = prox(*columns, lambda_=lambda_, lambda_bar=lambda_bar, M=M)
        for weight, block, new in zip(weights, blocks, shrunk, strict=True):
            weight.copy_(new.view(block.shape).transpose(1, 2).flatten(1))


def order_of_leaving(data, train_clips, seed, k, config, workspace) -> np.ndarray:
    """Position of each joint in the order in which joints drop out as lambda rises, (J,): 0 first.

    Of joints that drop out in one step, those with smaller skip weights come first.
    """
    clips = np.sort(train_clips)
    features = standardised(joint_features(data, clips, config.frames))
    norms, _ = lassonet_path(*features, data.labels[clips], seed, config.epochs)
    steps = (norms > 0).cumprod(0).sum(0)  # steps with the joint still in
    last = norms[np.maximum(steps - 1, 0), np.arange(norms.shape[1])]
    places = np.empty(norms.shape[1])
    places[np.lexsort((last, steps))] = np.arange(norms.shape[1])
    return places


def kept(data, train_clips, seed, config, workspace) -> np.ndarray:
    """Indices of the joints of the sparsest network that is accurate on held-out training groups.

    Its accuracy is within one standard error (binomial over clips) of the best on the path.
    """
    fit, held = inner_split(data, train_clips, seed)
    learned, other = standardised(*(joint_features(data, c, config.frames) for c in (fit, held)))
    evaluated = (other, data.labels[held])
    norms, accuracy = lassonet_path(learned, data.labels[fit], seed, config.epochs, evaluated)
    best = accuracy.max()
    enough = accuracy >= best - np.sqrt(best * (1 - best) / len(held))
    return np.flatnonzero(norms[np.flatnonzero(enough)[-1]] > 0)


def joint_features(data: SignDataset, clips: np.ndarray, frames: int) -> np.ndarray:
    """Mean and standard deviation of each joint over the frames that show it, or 0.

    (clips, J, 2 * P) float32, of the coordinates that `normalise` returns with all joints.
    """
    hand = torch.eye(2)[torch.as_tensor(hand_index(data.joints))]
    batches = ClipBatches(data, clips, frames, 256)
    return np.concatenate([_pooled(p, s.float(), hand).numpy() for p, s, _ in batches])


def _pooled(poses: Tensor, seen: Tensor, hand: Tensor) -> Tensor:
    joints, coords = poses.shape[2:]
    shape = normalise(poses, seen, hand)[..., : joints * coords].view(poses.shape)
    frames = seen.sum(1).clamp(min=1)[..., None]
    mean = shape.sum(1) / frames
    square = ((shape - mean[:, None]) * seen[..., None]).square().sum(1) / frames
    return torch.cat([mean, square.sqrt()], -1)


def standardised(learned: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Standardise arrays by the first one's mean and s.d. over clips; constant columns become 0."""
    mean, deviation = learned.mean(0), learned.std(0)
    return [(x - mean) / np.where(deviation > 1e-6, deviation, 1) for x in (learned, *others)]


def lassonet_path(
    features: np.ndarray, labels: np.ndarray, seed: int, epochs: int, evaluated=None
) -> tuple[np.ndarray, np.ndarray]:
    """Norms (steps, J) of skip weights and accuracy (steps,) from the dense network to no joint.

    `features` (clips, J, columns) are standardised; `evaluated` is (features, labels) of other
    clips, by default the training clips. The norm of a joint that has dropped out is 0.

    The dense network sees all clips 4 x `epochs` times and each step of the path sees them 0.4 x
    `epochs` times: with 50 epochs about 2,000 times in all.
    """
    inputs, answers = evaluated or (features, labels)
    joints = features.shape[1]
    passes = (4 * epochs, max(1, round(0.4 * epochs)))
    norms, accuracy = [], []

    def note(net, history) -> None:
        blocks = net.model.skip.weight.detach().unflatten(1, (joints, -1))
        norms.append(blocks.square().sum((0, 2)).sqrt().numpy())
        accuracy.append(net.score(inputs.reshape(len(inputs), -1), answers))

    with torch.random.fork_rng(devices=[]):  # the library seeds torch for everyone
        net = JointLassoNet(joints, torch_seed=seed, n_iters=passes, **SETTINGS)
        # The library's warning about joints that drop out early is for its own lambda_start.
        net.path(
            features.reshape(len(features), -1), labels, callback=note, disable_lambda_warning=True
        )
    return np.array(norms), np.array(accuracy)
