"""Export of a trained model to files that work without this package.

`python -m jointprune.export CHECKPOINT --dataset NAME` writes a folder: `model.pt2` (torch.export)
and `model.onnx` hold the same program; `model.json`, also stored inside both, describes its inputs
and its output; `read_a_clip.py` is an example that prints the class of a `.pose` file. CHECKPOINT
is the file that `python -m jointprune.train` printed, or the `model.ckpt` of a run in `data/runs`.

The program takes clips as recorded, of any number of frames, and resamples them itself.
`torch.export.load` unpickles, so a `model.pt2` of unknown origin can run code. A `model.onnx`
cannot: give others that file.
"""

from jointprune.export.program import export_model
