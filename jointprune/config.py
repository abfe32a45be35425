"""The hyperparameters of one training run, checked before anything is trained."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real

from jointprune.checks import integer, is_finite
from jointprune.joint_groups import check_whole_groups
from jointprune.models import ENCODERS
from jointprune.skeleton import GROUP_OF, JOINT_NAMES, hand_index

MASKS = (
    "open", "hard-concrete", "stg", "concrete", "group-lasso", "any-subset", "quick-start"
)  # fmt: skip

# Masks whose gates can be shared; "open" gates all are 1.
GROUPED = ("open", "hard-concrete", "stg")


@dataclass(frozen=True)
class TrainingConfig:
    """All hyperparameters of one training run; the defaults are those of the paper.

    `data/results/settings.json` shows how they were chosen. The names `num_pose_points` and
    `skel_learning_rate` come from the quick start (QUICK_START.md). Penalties are in nats.

    Raises
    ------
    ValueError
        For a value that is impossible or does not fit the others.

    Examples
    --------
    >>> TrainingConfig(mask="hard-concrete", budget=12).hidden
    256
    """

    num_pose_points: int = 42  # joints of the input
    joints: tuple[str, ...] = JOINT_NAMES  # their names, in order
    num_classes: int = 26
    exemplars: int = 16  # if no class has more training clips, classes are also matched to these
    coords: int = 2
    frames: int = 8  # each clip is resampled to this many
    hidden: int = 256  # width of a frame token, of a joint in the graph encoder
    layers: int = 1
    heads: int = 4
    feed_forward: int = 1  # width of the transformer's feed-forward layers, in multiples of hidden
    dropout: float = 0.2
    encoder: str = "transformer"  # a key of models.ENCODERS
    epochs: int = 50
    batch_size: int = 64
    skel_learning_rate: float = 2e-3
    weight_decay: float = 0.01
    label_smoothing: float = 0.3
    mask: str = "open"  # kind of gates, one of MASKS
    gate_groups: str = "joint"  # joints that share a gate, a key of skeleton.GROUP_OF
    init_keep_prob: float = 0.9
    gate_learning_rate: float = 0.06  # of the penalty's gates, which have a few hundred steps
    penalty: float = 1.0  # nats for keeping all joints open; not used with a budget
    shrinkage: float = 0.6  # lambda of the group lasso, times the root of a block's size
    ramp_end: float = 0.75  # share of training after which the penalty stays constant
    budget: int = 0  # joints to keep; 0: the penalty alone decides
    balanced: bool = False  # half of the clips drawn in training are two-handed, if any are
    precision: str = "auto"  # of training, one of training.PRECISIONS

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            # Numbers and strings of NumPy as well, which neither JSON nor torch can write.
            if field.type is int:
                number = integer(value, 0, 2**31 - 1, f"as {field.name}")
                object.__setattr__(self, field.name, number)
            if field.type is float:
                if isinstance(value, bool) or not isinstance(value, Real) or not is_finite(value):
                    raise ValueError(f"expected a finite number for {field.name}, got {value!r}")
                object.__setattr__(self, field.name, float(value))
            if field.type is str and isinstance(value, str):
                object.__setattr__(self, field.name, str(value))
        object.__setattr__(self, "joints", tuple(map(str, self.joints)))
        if not isinstance(self.balanced, bool):
            raise ValueError(f"expected True or False for balanced, got {self.balanced!r}")
        hand_index(self.joints)  # refuses names of other joints, which no encoder can read
        for what, name, known in (
            ("a mask", self.mask, MASKS),
            ("an encoder", self.encoder, [*ENCODERS]),
            ("gate_groups", self.gate_groups, [*GROUP_OF]),
        ):
            if name not in known:
                raise ValueError(f"expected {what}, got {name!r}: choose one of {known}")
        if self.mask == "group-lasso" and self.encoder == "graph":
            raise ValueError(
                "expected an encoder with one input projection for the mask 'group-lasso', got "
                "'graph': choose 'transformer' or 'recurrent'"
            )
        if len(self.joints) != self.num_pose_points:
            raise ValueError(
                f"expected {self.num_pose_points} joint names (num_pose_points), "
                f"got {len(self.joints)}: pass `joints`, left hand first"
            )
        if not 0 <= self.budget <= self.num_pose_points:
            raise ValueError(
                f"expected a budget of 0 to {self.num_pose_points} joints, got {self.budget}"
            )
        if self.gate_groups != "joint" and self.mask not in GROUPED:
            raise ValueError(
                f"expected gate_groups 'joint' for the mask {self.mask!r}, got "
                f"{self.gate_groups!r}: only gates of {GROUPED} can be shared"
            )
        check_whole_groups(self.budget, Counter(self.groups()).values())
        if self.heads < 1 or self.hidden < 1 or self.hidden % self.heads:
            raise ValueError(
                f"expected hidden to be a multiple of {self.heads} heads, got {self.hidden}"
            )
        for name in (
            "num_classes", "coords", "frames", "layers", "feed_forward", "epochs", "batch_size",
            "ramp_end",
        ):  # fmt: skip
            if getattr(self, name) <= 0:
                raise ValueError(f"expected {name} above 0, got {getattr(self, name)}")

    def groups(self) -> list[str]:
        """The group of each joint; joints of one group share a gate."""
        return [GROUP_OF[self.gate_groups].get(name, name) for name in self.joints]

    @classmethod
    def from_mapping(cls, config: Mapping) -> "TrainingConfig":
        """Make a configuration from a mapping; hyperparameters not in it keep their defaults."""
        known = sorted(field.name for field in fields(cls))
        if unknown := sorted(set(config) - set(known)):
            raise ValueError(f"expected hyperparameters, got {unknown}: choose from {known}")
        lists = {key: tuple(value) for key, value in config.items() if isinstance(value, list)}
        return cls(**{**config, **lists})
