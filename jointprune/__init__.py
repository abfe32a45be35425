"""jointprune: how few hand joints does skeleton-based sign recognition need?"""

from jointprune.classifier import SignClassificationLightning, TrainingConfig, slice_joints
from jointprune.gates import JointPruningLayer, l0_penalty
from jointprune.store import SignDataset, load_dataset
from jointprune.workspace import Workspace
