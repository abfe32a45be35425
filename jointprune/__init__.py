"""jointprune: how few hand joints does skeleton-based sign recognition need?"""

from jointprune.classifier import SignClassificationLightning, TrainingConfig, slice_joints
from jointprune.experiments import EXPERIMENTS, Run, Trial, make_run, predictions, run_many
from jointprune.gates import JointPruningLayer, l0_penalty
from jointprune.selection import METHODS, rank_joints, top_joints
from jointprune.store import SignDataset, load_dataset
from jointprune.workspace import Workspace
