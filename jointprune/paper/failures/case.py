"""The record of one failure, and random numbers that leave the caller's alone."""

from contextlib import contextmanager
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Case:
    """One failure and its mend; both numbers answer `question`, in `unit`."""

    name: str
    question: str
    unit: str
    broken: float
    fixed: float
    words: str

    def facts(self) -> dict:
        """The case as a row of failures.json; four decimals, as float32 adds noise below."""
        sides = {"broken": self.broken, "fixed": self.fixed}
        numbers = {side: {"value": round(v, 4), "words": self.unit} for side, v in sides.items()}
        return {"name": self.name, "question": self.question, "words": self.words, **numbers}


@contextmanager
def seeded():
    """torch's random numbers from seed 0 inside the block, and as they were after it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
