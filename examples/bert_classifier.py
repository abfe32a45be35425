"""Joint pruning in somebody else's classifier: HuggingFace BERT over frames, trained by Lightning.

pip install -e '.[bert]'
python examples/bert_classifier.py --dataset fingerspelling --keep 0.55
"""

import argparse

import lightning
import torch
from torch import nn
from torch.nn import functional
from transformers import BertConfig, BertModel

import jointprune as jp
from jointprune.preprocessing import Augmentation, ClipBatches

FRAMES = 8


class SignBert(lightning.LightningModule):
    """A sign classifier of clips (B, T, J, P); `prune=False` leaves the pruning layer out."""

    def __init__(
        self, num_pose_points, coords, classes, hidden=128, learning_rate=1e-3, prune=True
    ):
        super().__init__()
        self.learning_rate = learning_rate
        # Step 1 of 3: make the layer.
        self.joint_pruning = jp.JointPruningLayer(num_pose_points) if prune else nn.Identity()
        self.standardise = nn.BatchNorm1d(num_pose_points * coords, affine=False)
        config = BertConfig(
            hidden_size=hidden, num_hidden_layers=1, num_attention_heads=4,
            intermediate_size=4 * hidden, max_position_embeddings=512, vocab_size=1,
        )  # fmt: skip
        self.project = nn.Linear(num_pose_points * coords, hidden)
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.head = nn.Linear(hidden, classes)

    def forward(self, keypoints):
        # Step 2 of 3: call it on the keypoints. Standardised, a closed joint, 0, is at its mean.
        tokens = self.project(self.joint_pruning(self.standardise(keypoints.flatten(2).mT).mT))
        return self.head(self.encoder(inputs_embeds=tokens).last_hidden_state.mean(1))

    def training_step(self, batch, _):
        poses, _, labels = batch
        return functional.cross_entropy(self(poses), labels)

    def test_step(self, batch, _):
        poses, _, labels = batch
        right = (self(poses).argmax(1) == labels).float().mean()
        self.log("test_accuracy", right, batch_size=len(labels))

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), self.learning_rate)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="fingerspelling")
    parser.add_argument("--keep", type=float, default=0.55, help="joints: a share or a number")
    parser.add_argument("--epochs", type=int, default=100)
    options = parser.parse_args(arguments)
    lightning.seed_everything(0)
    data = jp.load_dataset(options.dataset)
    train, test = data.folds(4, seed=0)[0]
    model = SignBert(len(data.joints), data.poses.shape[-1], len(data.classes))
    # Step 3 of 3: add the callback, which closes 45 % of the gates during the training.
    trainer = lightning.Trainer(
        max_epochs=options.epochs, callbacks=[jp.PruneJoints(keep=options.keep)], logger=False,
        enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(model, ClipBatches(data, train, FRAMES, 32, augmentation=Augmentation()))
    trainer.test(model, ClipBatches(data, test, FRAMES, 32))
    names = [data.joints[j] for j in model.joint_pruning.kept_joints()]
    print(f"Kept {len(names)}/{len(data.joints)} joints: {', '.join(names)}")


if __name__ == "__main__":
    main()
