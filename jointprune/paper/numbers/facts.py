"""Every number of the paper by macro name, in the order of the notebooks."""

from collections import Counter
from collections.abc import Iterator

from jointprune.paper.claims import STAGES, letters, percent, points
from jointprune.paper.numbers.values import (
    Number,
    count,
    free,
    in_points,
    named,
    place,
    probability,
    score,
    share,
)

Named = Iterator[tuple[str, Number]]


def collect(results: dict[str, dict]) -> dict[str, Number]:
    """The numbers by name; ValueError if two would have the same."""
    ablation = results["ablation"]
    found = [
        *_dataset(results["dataset"]),
        *_baseline(results["baseline"]),
        *_pruning(results["pruning"]),
        *_gallery(results["failures"]["cases"]),
        *_synthetic(results["synthetic"]),
        *_accuracy(ablation["accuracy"]),
        *(number for part in ("paired", "one_set") for number in _paired(ablation[part], part)),
        *_k_star(ablation["k_star"]),
        *_selections(ablation),
        *_changes(ablation["changes"]),
        *_leave_out(ablation["leave_out"]),
        *_power(ablation["power"]),
        *_encoders(ablation["encoders"]),
        *_cost(results["cost"]),
    ]
    numbers = dict(found)
    if len(numbers) < len(found):
        names = [name for name, _ in found]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(
            f"expected a name for each number, got {twice} twice: name methods and signs so that "
            "they differ in their letters and digits"
        )
    return numbers


def _interval(name: str, row: dict, source: str) -> Named:
    """The macros `name`, its Low and its High, from mean, low and high."""
    for key, suffix in (("mean", ""), ("low", "Low"), ("high", "High")):
        yield name + suffix, score(row[key], source + key)


def _dataset(facts: dict) -> Named:
    source = "data/results/dataset.json:"
    sizes = {key: facts[key] for key in ("clips", "groups", "classes")}
    sizes |= {key: len(facts[key]) for key in ("two_handed", "mirrored", "folds")}
    sizes |= {f"frames.{key}": facts["frames"][key] for key in ("min", "median", "max")}
    for key, size in sizes.items():
        yield f"JP{letters(key)}", count(size, source + key)
    for hand in ("left", "right"):
        missing, where = facts["missing"]["stored"][hand], f"{source}missing.stored.{hand}"
        yield f"JPMissing{letters(hand)}", Number(missing, percent(missing), where, "count")
    one_handed = facts["groups"] - len(facts["two_handed"])
    yield "JPOneHanded", count(one_handed, f"{source}groups - {source}two_handed")
    never = "missing.stored.never_left"
    yield "JPNeverLeft", count(facts["missing"]["stored"]["never_left"], source + never)


def _baseline(facts: dict) -> Named:
    source = "data/results/baseline.json:"
    for key in ("runs", "seeds", "parameters"):
        yield f"JPBaseline{letters(key)}", count(facts[key], source + key)
    chance = facts["chance"]
    yield "JPChance", Number(chance, percent(chance), source + "chance", "count")
    yield from _interval("JPBaselineAccuracy", facts["accuracy"], source + "accuracy.")


def _pruning(facts: dict) -> Named:
    source = "data/results/pruning.json:"
    for key in ("joints", "epochs"):
        yield f"JP{letters(key)}", count(facts[key], source + key)
    for mask in ("quick_start", "corrected", "penalty"):
        name, where = f"JP{letters(mask)}", f"{source}{mask}."
        accuracy = facts[mask]["accuracy"]["mean"]
        yield f"{name}Accuracy", score(accuracy, f"{where}accuracy.mean")
        for when in STAGES:
            ratio = facts[mask]["pruning_ratio"][when]
            yield f"{name}Ratio{letters(when)}", score(ratio, f"{where}pruning_ratio.{when}")


def _gallery(cases: list[dict]) -> Named:
    for case in cases:
        for side in ("broken", "fixed"):
            where = place("failures", "cases", case, "name") + f"{side}.value"
            name = named("Gallery", case, "name") + letters(side)
            yield name, free(case[side]["value"], where)


def _synthetic(facts: dict) -> Named:
    for key in ("clips", "signs", "signers", "k", "trainings"):
        yield f"JPSynthetic{letters(key)}", count(facts[key], f"data/results/synthetic.json:{key}")
    for row in facts["recovery"]:
        name = named("Synthetic", row, "method")
        where = place("synthetic", "recovery", row, "method")
        for key in ("precision", "recall", "low", "high", "stop_precision", "stop_recall"):
            if row[key] is not None:
                yield name + letters(key), share(row[key], where + key)
        if row["stop_k"] is not None:
            text = f"{row['stop_k']:.1f}"
            yield f"{name}StopK", Number(row["stop_k"], text, f"{where}stop_k", "joints")


def _accuracy(rows: list[dict]) -> Named:
    for row in rows:
        where = place("ablation", "accuracy", row, "method", "k")
        name = named("Accuracy", row, "method", "k")
        yield from _interval(name, row, where)
        yield f"{name}Runs", count(row["runs"], f"{where}runs")


def _paired(rows: list[dict], part: str) -> Named:
    for row in rows:
        where, name = place("ablation", part, row, "name"), named("Paired", row, "name")
        yield f"{name}Joints", count(row["a"]["k"], f"{where}a.k")
        for key in ("difference", "low", "high", "lower_bound"):
            yield name + letters(key), in_points(row[key], where + key)
        if row["margin"]:
            margin = Number(row["margin"], f"{100 * row['margin']:g}", f"{where}margin", "count")
            yield f"{name}Margin", margin
        yield f"{name}PHolm", probability(row["p_holm"], f"{where}p_holm")
        for key in ("only_a", "only_b"):
            clips = free(row["mcnemar"][key], f"{where}mcnemar.{key}")
            yield f"{name}McNemar{letters(key)}", clips
        yield f"{name}McNemarP", probability(row["mcnemar"]["p"], f"{where}mcnemar.p")


def _k_star(rows: list[dict]) -> Named:
    """K* of each number of joints and margin in points: JPKStarOfFortyTwoAtTwo."""
    for row in rows:
        where = place("ablation", "k_star", row, "joints", "margin")
        margin = f"{100 * row['margin']:g}"
        name = f"JPKStarOf{letters(row['joints'])}At{letters(margin)}"
        yield name, _budget(row["k"], f"{where}k")
        pruned = Number(row["pruned"], percent(row["pruned"]), f"{where}pruned", "free")
        yield f"{name}Pruned", pruned
        for key in ("low", "median", "high"):
            yield name + letters(key), _budget(row["bootstrap"][key], f"{where}bootstrap.{key}")


def _budget(k: float, source: str) -> Number:
    return Number(k, f"{k:g}", source, "budget")


def _selections(facts: dict) -> Named:
    """Stability, calibration, and on which hand the joints lie."""
    for row in facts["stability"]:
        name = named("Stability", row, "method", "k")
        where = place("ablation", "stability", row, "method", "k")
        for key, suffix in (("index", ""), ("low", "Low"), ("high", "High"), ("floor", "Floor"),
                            ("apart", "Apart")):  # fmt: skip
            if row[key] is not None:  # one seed alone has no floor
                yield name + suffix, share(row[key], where + key)
    for row in facts["calibration"]:
        where = place("ablation", "calibration", row, "method", "k")
        yield named("CalibrationError", row, "method", "k"), score(row["ece"], f"{where}ece")
    for row in facts["hands"]:
        where = place("ablation", "hands", row, "k")
        for hand in ("left", "right"):
            mean = Number(row[hand], f"{row[hand]:.1f}", where + hand, "joints")
            yield named("Hand", {"hand": hand, **row}, "hand", "k"), mean


def _changes(facts: dict) -> Named:
    for kind in ("sign", "group"):
        spelled = distinct_letters([row["name"] for row in facts[kind]])
        for row in facts[kind]:
            name = f"JPChange{letters(kind)}{spelled[row['name']]}"
            where = place("ablation", f"changes.{kind}", row, "name")
            difference = row["difference"]
            yield name, free(difference, f"{where}difference", points(difference))
            for key in ("low", "high"):
                yield name + letters(key), free(row[key], where + key, points(row[key]))
            yield f"{name}PHolm", probability(row["p_holm"], f"{where}p_holm")


def _leave_out(rows: list[dict]) -> Named:
    """Points lost without a joint, finger or hand; retrained ones where they were."""
    for row in rows:
        name, where = named("Without", row, "name"), place("ablation", "leave_out", row, "name")
        for key, suffix in (("loss", ""), ("low", "Low"), ("high", "High"),
                            ("retrained_loss", "Retrained")):  # fmt: skip
            if row[key] is not None:
                yield name + suffix, in_points(row[key], where + key)


def _power(facts: dict) -> Named:
    """What the comparison of 12 learned joints with all could find."""
    source = "data/results/ablation.json:power."
    for key in ("clips", "groups", "seeds"):
        yield f"JPPower{letters(key)}", count(facts[key], source + key)
    for key in ("alpha", "power"):
        yield f"JPPower{letters(key)}", Number(facts[key], percent(facts[key]), source + key,
                                               "count")  # fmt: skip
    yield "JPPowerLoss", score(facts["loss"], f"{source}loss")


def distinct_letters(names: list[str]) -> dict[str, str]:
    """Each name in letters; those that would be the same, or nothing, with their place added."""
    plain = {name: letters(name) for name in sorted(names)}
    count = Counter(plain.values())
    return {
        name: word if word and count[word] == 1 else f"{word}Number{letters(place)}"
        for place, (name, word) in enumerate(plain.items())
    }


def _encoders(rows: list[dict]) -> Named:
    for row in rows:
        keys = ("encoder", "joints", "k")
        name, where = named("Encoder", row, *keys), place("ablation", "encoders", row, *keys)
        yield from _interval(name, row, where)
        if row["overlap"] is not None:
            overlap = Number(
                row["overlap"], percent(row["overlap"]), f"{where}overlap", "agreement"
            )
            yield f"{name}Overlap", overlap


def _cost(facts: dict) -> Named:
    for row in facts["rows"]:
        name = named("Cost", row, "encoder", "k")
        where = place("cost", "rows", row, "encoder", "k")
        for key in ("parameters", "flops", "input_bytes"):
            yield name + letters(key), count(row[key], where + key)
        for key, unit, size in (("flops", "Mega", 1e6), ("parameters", "Kilo", 1e3)):
            yield f"{name}{unit}{letters(key)}", free(row[key], where + key,
                                                      f"{row[key] / size:.3g}")  # fmt: skip
        latency = row["latency_ms"]
        yield f"{name}Latency", free(latency, f"{where}latency_ms", f"{latency:.3g}")
    yield "JPCostFrames", count(facts["frames"], "data/results/cost.json:frames")
    part = facts["projection_share"]
    source = "data/results/cost.json:projection_share"
    yield "JPCostProjection", Number(part, percent(part), source, "count")
