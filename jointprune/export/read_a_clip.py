"""Print the class of a `.pose` file. Usage: python read_a_clip.py model.onnx CLIP.pose [left]

Needs only numpy, onnxruntime and pose-format; "left" is for a left-handed signer. The file holds
MediaPipe Holistic's components of one person, in pixels, the picture not mirrored. Make one from
a video with

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
model = onnxruntime.InferenceSession(sys.argv[1])
about = json.loads(model.get_modelmeta().custom_metadata_map["model.json"])
pose = Pose.read(Path(sys.argv[2]).read_bytes())
if pose.body.data.shape[1] != 1 or "POSE_LANDMARKS" not in [c.name for c in pose.header.components]:
    sys.exit("expected one person with POSE_LANDMARKS, whose shoulders give the scale")
xy = pose.body.data.data[:, 0, :, :2]
seen = (pose.body.confidence[:, 0] > 0) & np.isfinite(xy).all(-1)
find, mirror = pose.header.get_point_index, sys.argv[3:] == ["left"]
sides = ("RIGHT", "LEFT") if mirror else ("LEFT", "RIGHT")
hand = {"left": f"{sides[0]}_HAND_LANDMARKS", "right": f"{sides[1]}_HAND_LANDMARKS"}

ends = [find("POSE_LANDMARKS", f"{side}_SHOULDER") for side in sides]
shoulders = xy[seen[:, ends].all(1)][:, ends]
signing = np.flatnonzero(seen[:, [find(name, "WRIST") for name in hand.values()]].any(1))
if not (len(shoulders) and len(signing)):
    sys.exit("expected shoulders and a hand in some frame, got none")
width = np.median(np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=-1))
xy = (xy - np.median(shoulders.mean(1), axis=0)) / width * (-1 if mirror else 1, 1)
frames = slice(signing[0], signing[-1] + 1)
joints = [find(hand[joint["hand"]], joint["point"]) for joint in about["joints"]]
clip = {"poses": xy[None, frames, joints].astype("float32"), "present": seen[None, frames, joints]}
(probabilities,) = model.run(["probabilities"], clip)[0]
print(f"{about['labels'][probabilities.argmax()]} {probabilities.max():.3f}")
