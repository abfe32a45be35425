"""jointprune: how few hand joints does skeleton-based sign recognition need?"""

from jointprune.classifier import SignClassificationLightning, slice_joints
from jointprune.config import TrainingConfig
from jointprune.experiments import EXPERIMENTS, Run, Trial, make_run, predictions, run_many
from jointprune.gates import JointPruningLayer, l0_penalty
from jointprune.selection import METHODS, rank_joints, top_joints
from jointprune.sources import load_dataset
from jointprune.stability import stability
from jointprune.store import SignDataset
from jointprune.workspace import Workspace
