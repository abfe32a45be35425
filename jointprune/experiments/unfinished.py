"""Long trainings are kept on the way, and go on from there after an interruption.

What is kept is Lightning's checkpoint (weights, optimiser, schedule, place in the loops) and the
state of all that draws, so that a training on one process ends bit by bit as if it had never
stopped. Several processes get the same batches, and draw their other noise anew.
"""

import time
import zipfile
from contextlib import nullcontext
from pathlib import Path

import lightning

from jointprune.experiments.processes import noise_of
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
        if self.drawn is not None:
            self.batches.generator.set_state(self.drawn["batches"])
            if trainer.world_size == 1:
                noise_of(model.device).set_state(self.drawn["noise"])

    def on_train_epoch_end(self, trainer, model) -> None:
        late = time.monotonic() - self.kept >= KEEP_EVERY
        last = trainer.current_epoch + 1 == trainer.max_epochs
        if not trainer.strategy.broadcast(late and not last):  # one clock for all processes
            return
        self.drawn = {
            "batches": self.batches.generator.get_state(),
            "noise": noise_of(model.device).get_state(),
        }
        # All processes take part in a checkpoint, the first one writes it.
        whole = atomic_path(self.file) if trainer.is_global_zero else nullcontext(self.file)
        with whole as path:
            trainer.save_checkpoint(path)
        self.kept = time.monotonic()

    def state_dict(self) -> dict:
        return {"drawn": self.drawn}

    def load_state_dict(self, state: dict) -> None:
        self.drawn = state["drawn"]
