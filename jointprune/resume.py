"""Long trainings are kept on the way, and go on from there after an interruption.

What is kept is Lightning's checkpoint (weights, optimiser, schedule, place in the loops) and the
state of all that draws, so that a training on one process ends bit by bit as if it had never
stopped. Several processes get the same batches and gates as without a stop, and other noise that
none of them drew before. On another kind of device, or of another number of processes, it goes on
with the same batches, and draws from its seed again.
"""

import time
import warnings
import zipfile
from contextlib import nullcontext
from pathlib import Path

import lightning

from jointprune.distributed import noise_of
from jointprune.preprocessing import ClipBatches
from jointprune.workspace import atomic_path

# Seconds between two checkpoints at least. Short runs are trained again sooner than kept.
KEEP_EVERY = 300


class Unfinished(lightning.Callback):
    """Keeps a training in `file` after an epoch, unless it was kept within KEEP_EVERY seconds.

    It has to come after the callbacks whose state is kept with it. Whoever keeps the finished
    training removes the file.
    """

    def __init__(self, file: Path, batches: ClipBatches):
        self.file, self.batches = file, batches
        self.kept, self.drawn = time.monotonic(), None

    def to_resume(self) -> Path | None:
        """The file if there is one; OSError if it is damaged."""
        if not self.file.is_file():
            return None
        try:
            with zipfile.ZipFile(self.file) as archive:  # torch itself looks at no checksum
                broken = archive.testzip()
        except zipfile.BadZipFile as error:
            broken = str(error)
        if broken:
            raise OSError(
                f"{self.file}: expected an interrupted training as it was kept, got a damaged "
                f"one ({broken}): remove it and give the same command again, which starts anew"
            )
        return self.file

    def on_train_start(self, trainer, model) -> None:
        if self.drawn is None:
            return
        self.batches.generator.set_state(self.drawn["batches"])
        if trainer.world_size == 1 and self.drawn["of"] == _of(trainer, model):
            noise_of(model.device).set_state(self.drawn["noise"])

    def on_train_epoch_end(self, trainer, model) -> None:
        late = time.monotonic() - self.kept >= KEEP_EVERY
        last = trainer.current_epoch + 1 == trainer.max_epochs
        if not trainer.strategy.broadcast(late and not last):  # one clock for all processes
            return
        self.kept = time.monotonic()
        self.drawn = {
            "batches": self.batches.generator.get_state(),
            "noise": noise_of(model.device).get_state(),
            "of": _of(trainer, model),
        }
        # All processes take part in a checkpoint and meet at its end; the first one writes it.
        whole = atomic_path(self.file) if trainer.is_global_zero else nullcontext(self.file)
        met = False
        try:
            with whole as path:
                trainer.save_checkpoint(path)
                met = True
        except OSError as error:  # a full disk, say: no reason to end what it should protect
            if not met:
                trainer.strategy.barrier()
            warnings.warn(
                f"{self.file} could not be written, training goes on: {error}", stacklevel=2
            )

    def state_dict(self) -> dict:
        return {"drawn": self.drawn}

    def load_state_dict(self, state: dict) -> None:
        self.drawn = state["drawn"]


def _of(trainer, model) -> list:
    """Whose noise it is: the kind of device, and how many processes."""
    return [model.device.type, trainer.world_size]
