"""Print the class of a clip. Usage: python read_a_clip.py model.onnx CLIP.pose|CLIP.npy [left]

Needs only numpy, onnxruntime and pose-format; "left" is for a left-handed signer. The clip holds
MediaPipe Holistic's points of one person, in pixels, the picture not mirrored: a `.pose` file, or
an array (frames, 543, 2 or more) of face, pose, left and right hand, NaN or 0 where missing. Make a
`.pose` file from a video with

    pip install pose-format mediapipe==0.10.14
    video_to_pose --format mediapipe -i CLIP.mp4 -o CLIP.pose

or take one of those that jointprune's import of videos keeps in data/raw/NAME-poses.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from pose_format import Pose

if len(sys.argv) < 3 or sys.argv[3:] not in ([], ["left"]):
    sys.exit(__doc__)
file, mirror = Path(sys.argv[2]), sys.argv[3:] == ["left"]
try:
    model = onnxruntime.InferenceSession(sys.argv[1])
    about = json.loads(model.get_modelmeta().custom_metadata_map["model.json"])
except Exception as error:  # onnxruntime's own are of many kinds
    sys.exit(f"expected a model.onnx of jointprune, got {sys.argv[1]} ({error})")
ways = about["scale"]["by"]  # "palms" where training clips show hands alone
try:
    if file.suffix == ".npy":
        body, xy = True, np.load(file)[..., :2]
        if xy.ndim != 3 or xy.shape[1] != 543:
            sys.exit(f"expected an array (frames, 543, 2 or more), got points of shape {xy.shape}")
        seen = np.isfinite(xy).all(-1) & (xy != 0).any(-1)
        shoulder, wrist = {"LEFT": 479, "RIGHT": 480}, {"LEFT": 501, "RIGHT": 522}
    else:
        pose = Pose.read(file.read_bytes())
        body = "POSE_LANDMARKS" in [component.name for component in pose.header.components]
        if pose.body.data.shape[1] != 1 or (not body and ways == ["shoulders"]):
            sys.exit("expected one person with POSE_LANDMARKS, whose shoulders give the scale")
        xy = pose.body.data.data[:, 0, :, :2]
        seen = (pose.body.confidence[:, 0] > 0) & np.isfinite(xy).all(-1)
        find = pose.header.get_point_index
        wrist = {side: find(f"{side}_HAND_LANDMARKS", "WRIST") for side in ("LEFT", "RIGHT")}
        shoulder = {side: find("POSE_LANDMARKS", f"{side}_SHOULDER") for side in wrist if body}
except Exception as error:  # a file of another kind fails in many ways
    sys.exit(f"expected MediaPipe's points with both hands in {file}, got {error!r}")

sides = ("RIGHT", "LEFT") if mirror else ("LEFT", "RIGHT")
hand = {"left": wrist[sides[0]], "right": wrist[sides[1]]}
blocks = [slice(start, start + 21) for start in hand.values()]
for block in blocks:  # a hand of which a joint is missing is not found
    seen[:, block] = seen[:, block].all(1, keepdims=True)
width, signing = 0, np.flatnonzero(seen[:, [*hand.values()]].any(1))
if "shoulders" in ways and body:
    points = [shoulder[side] for side in sides]
    if len(ends := xy[seen[:, points].all(1)][:, points]):
        middle = np.median(ends.mean(1), axis=0)
        width = np.median(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1))
if "palms" in ways and not width:
    if len(hands := np.concatenate([xy[seen[:, block.start], block] for block in blocks])):
        middle = hands.mean((0, 1))
        palms = np.linalg.norm(hands[:, 0] - hands[:, 9], axis=-1)
        width = np.median(palms) / about["scale"]["palm"]
if not (width and len(signing)):
    sys.exit(f"expected {' or '.join(ways)} and a hand in some frame, got none")
xy = (xy - middle) / width * (-1 if mirror else 1, 1)
frames = slice(signing[0], signing[-1] + 1)
joints = [hand[joint["hand"]] + joint["landmark"] for joint in about["joints"]]
clip = {"poses": xy[None, frames, joints].astype("float32"), "present": seen[None, frames, joints]}
(probabilities,) = model.run(["probabilities"], clip)[0]
print(f"{about['labels'][probabilities.argmax()]} {probabilities.max():.3f}")
