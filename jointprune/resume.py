"""Checkpoints of long trainings. They are Lightning's, and `Trainer.fit` resumes from them.

Beside weights, optimiser and progress they hold the gates so far (`training.GatePath`) and all
random states (`distributed`), so that a resumed training on one process ends bit by bit as if it
had never stopped.
"""

import time
import warnings
import zipfile
from contextlib import nullcontext
from pathlib import Path

import lightning

from jointprune.workspace import atomic_path

SAVE_EVERY = 300  # seconds between two checkpoints, at least; short trainings save none


# Not Lightning's ModelCheckpoint: by the clock it saves within epochs, where a training cannot
# resume exactly; a full disk ends the training; and it moves the file from another folder, which
# across file systems may leave half of it.
class EpochCheckpoint(lightning.Callback):
    """Saves Lightning's checkpoint after an epoch, at most every SAVE_EVERY seconds."""

    def __init__(self, file: Path):
        self.file, self.saved = file, time.monotonic()

    def on_train_epoch_end(self, trainer, model) -> None:
        late = time.monotonic() - self.saved >= SAVE_EVERY
        last = trainer.current_epoch + 1 == trainer.max_epochs
        if not trainer.strategy.broadcast(late and not last):  # by the clock of one process
            return
        self.saved = time.monotonic()
        # The first process writes; all others wait at a barrier inside `save_checkpoint`.
        whole = atomic_path(self.file) if trainer.is_global_zero else nullcontext(self.file)
        reached_barrier = False
        try:
            with whole as path:
                trainer.save_checkpoint(path)
                reached_barrier = True
        except OSError as error:  # such as a full disk
            if not reached_barrier:
                trainer.strategy.barrier()
            warnings.warn(
                f"{self.file} could not be written, training goes on: {error}", stacklevel=2
            )


def check_whole(checkpoint: Path) -> None:
    """Raise OSError if a checkpoint is damaged; torch itself compares no checksums."""
    try:
        with zipfile.ZipFile(checkpoint) as archive:
            broken = archive.testzip()
    except zipfile.BadZipFile as error:
        broken = str(error)
    if broken:
        raise OSError(
            f"{checkpoint}: expected the checkpoint of an interrupted training, got a damaged file "
            f"({broken}): remove it and give the same command again, which starts anew"
        )
