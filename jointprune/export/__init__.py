"""A trained model as files that need nothing of this package, from the command line.

`python -m jointprune.export RUN` writes a folder: `model.pt2` (torch.export) and `model.onnx`, one
program in two formats; `model.json`, what it reads and answers, which both hold as well; and
`read_a_sign.py`, an example that prints the sign of a `.pose` file. RUN is a folder of `data/runs`,
or a checkpoint of `python -m jointprune.train` together with the `--dataset` it was trained on.

The program takes clips as recorded, of any number of frames, and resamples them itself.
`torch.export.load` unpickles, so that a `model.pt2` out of strange hands can run code: pass on
`model.onnx`, which holds none.
"""

from jointprune.export.checks import TOLERANCE, answers, programs
from jointprune.export.folder import export_run
from jointprune.export.program import Recogniser
