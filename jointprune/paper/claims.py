"""The paper's claims as records: each sentence is worded by the result of its test.

Accuracies are printed in percent, differences in points (1 point = 0.01 accuracy).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from jointprune.paper.comparisons import ALPHA, DECLARED
from jointprune.selection import METHODS
from jointprune.workspace import DEFAULT_DATASET

ENCODER_LABELS = {
    "transformer": "flattening transformer",
    "graph": "joint-graph encoder",
    "recurrent": "recurrent encoder",
}
AT = 12  # joints: the K at which every method is retrained
# Thresholds of sentences that rest on no test.
EXPECTED = {"quarter": (0.10, 0.20), "end": (0.40, 1.0)}  # joints closed, by the quick start
RECOVERED = 0.95  # precision and recall that count as finding the informative joints
FASTER = 0.10  # share of a clip's time that has to be saved

VERDICTS = {True: "established", False: "not established"}
OPPOSITE = "opposite established"


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper, worded by its verdict, and its evidence."""

    key: str  # its name in LaTeX, made like the keys of numbers
    sentence: str
    numbers: tuple[str, ...]  # keys of rows of numbers; `*` is any one part, `**` any parts
    test: str = "none"
    verdict: str = "described"  # no test; else of VERDICTS, OPPOSITE, or "refused" (do not use it)
    dataset: str = ""  # what the numbers were measured on


def all_claims(results: dict[str, dict]) -> list[Claim]:
    """Every claim in the order of claims.md; `results` as `report.load_results` returns them."""
    ablation, group = results["ablation"], results["dataset"]["group_word"]
    claims = [
        *(_k_star(record, group) for record in ablation["k_star"]),
        _step(ablation["k_star"][0], AT, group),
        _for_a_paper(results),
        _control(ablation["control"], group),
        _baseline(results),
        *(_comparison(record, group) for record in ablation["paired"] + ablation["one_set"]),
        _methods(ablation["accuracy"]),
        _stability(ablation["stability"]),
        *(_changes(kind, results) for kind in ("sign", "group")),
        *(_course(name, course) for name, course in results["pruning"]["course"].items()),
        *_synthetic(results["synthetic"]),
        _calibration(ablation["calibration"]),
        _hands(results),
        *_encoders(ablation["encoders"]),
        *_cost(results["cost"]),
    ]
    measured_on = results["dataset"]["description"]
    return [replace(claim, dataset=claim.dataset or measured_on) for claim in claims]


def percent(share: float) -> str:
    """0.6224 as "62.2"."""
    return f"{100 * share:.1f}"


def points(difference: float) -> str:
    """A difference of accuracies, -0.0123, as "-1.2"; "0.0" without a sign."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def p_value(p: float) -> str:
    """0.01234 as "p = 0.0123"; less than 0.0001 as "p < 0.0001"."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}"


def one_row(rows: list[dict], **where) -> dict:
    """The one row whose fields equal `where`; ValueError if no row or several rows do."""
    found = [row for row in rows if all(row[key] == value for key, value in where.items())]
    if len(found) != 1:
        raise ValueError(
            f"expected one row with {where} in the results, got {len(found)} of {len(rows)}: "
            "run notebooks 03 and 04 again"
        )
    return found[0]


def comparison_key(record: dict) -> str:
    """`paired.learned-12.full`: both sides of a comparison, each a method and its K."""
    sides = (record["a"], record["b"])
    names = (s["method"] if s["method"] == "full" else f"{s['method']}-{s['k']}" for s in sides)
    return ".".join(("paired", *names))


def k_star_key(record: dict) -> str:
    """`kstar.42.2`: joints to choose from, and the margin in points."""
    return f"kstar.{record['joints']}.{100 * record['margin']:g}"


def _accuracy(row: dict) -> str:
    return f"{percent(row['mean'])} % (95 % CI {percent(row['low'])} to {percent(row['high'])})"


def _span(row: dict, sign: int = 1) -> tuple[str, str]:
    """A difference in points and its interval, as "3.0" and "95 % CI 0.8 to 5.5"."""
    difference, *ends = (points(sign * row[key]).removeprefix("+")
                         for key in ("difference", "low", "high"))  # fmt: skip
    return difference, f"95 % CI {' to '.join(ends[::sign])}"


def _points_of(margin: float) -> str:
    return f"{100 * margin:g} point" + ("" if margin == 0.01 else "s")


def _listed(names: Iterable) -> str:
    """["A", "B", "C"] as "A, B and C"; nothing as "none"."""
    *before, last = map(str, names) if names else ["none"]
    return f"{', '.join(before)} and {last}" if before else last


# Claims that rest on a test.


def _k_star(record: dict, group: str) -> Claim:
    """K*: the smallest K that costs less than the margin, or that there is none."""
    k, joints, margin, key = record["k"], record["joints"], record["margin"], k_star_key(record)
    of = _all_joints(record)
    verdict = VERDICTS[k < joints]
    if at_chance := _at_chance(record, group):
        sentence, verdict = f"No smaller number of joints is reported: {at_chance}.", "refused"
    elif k < joints:
        step = one_row(record["steps"], k=k)
        sentence = (
            f"With {k} of {of} accuracy falls by less than {_points_of(margin)} (fixed-sequence "
            f"non-inferiority test, {p_value(step['p'])}; lower bound "
            f"{points(step['lower_bound'])} points, with seeds redrawn "
            f"{points(step['crossed_bound'])}). "
            f"{_firmness(record, group)}"
        )
    else:
        first = record["steps"][0]
        sentence = (
            f"With fewer than {of} non-inferiority at a {100 * margin:g}-point margin is not "
            f"established (fixed-sequence test, first step K = {first['k']}: "
            f"{p_value(first['p'])}). {_firmness(record, group)}"
        )
    return Claim(
        key,
        sentence,
        (key, f"{key}.step.**", *((f"{key}.leave-one-*",) if record["by_seed"] else ())),
        "first, whether accuracy with all joints is above chance by more than the margin "
        "(one-sided at 5 %; chance: the most frequent label); then non-inferiority in fixed "
        "sequence from the largest K down, stopped at the first failure: "
        "a smaller K never passes (0), whatever its p; each step one-sided at 5 %; bootstrap and "
        f"sign flips clustered by {group}; the crossed bound, which resamples seeds too, is not "
        "part of the test",
        verdict,
    )


def _all_joints(record: dict) -> str:
    of = " of the signing hand" if record["method"] == "signing-hand" else ""
    return f"{record['joints']} joints{of}"


def _at_chance(record: dict, group: str) -> str:
    """Why a K* is refused: its reference is not shown to be above chance; else ""."""
    reference, bound = record["reference"], f"no lower bound from one {group}"
    if reference["works"]:
        return ""
    if reference["lower_bound"] is not None:
        bound = f"lower bound {percent(reference['lower_bound'])} %"
    return (
        f"with all {_all_joints(record)} accuracy ({percent(reference['accuracy'])} %, {bound}, "
        f"{p_value(reference['p'])}) is not shown to be above chance "
        f"({percent(reference['chance'])} %) by more than {_points_of(record['margin'])}"
    )


def _firmness(record: dict, group: str) -> str:
    """How much K* depends on the groups and seeds."""
    spread, seeds = record["bootstrap"], record["by_seed"]
    without = record["leave_one_group_out"]
    alone = "One seed was trained."
    if len(seeds) > 1:
        alone = (
            f"The {len(seeds)} seeds alone give {_listed(seeds)}; without one of them K* is "
            f"{_range(record['leave_one_seed_out'])}."
        )
    return (
        f"Without one {group} K* is {_range(without)} ({record['moved_by_one_group']} of "
        f"{len(without)} {group}s give another K*). Resampling the {group}s moves it between "
        f"{spread['low']:g} and {spread['high']:g}. {alone}"
    )


def _range(ks: list[int]) -> str:
    low, high = min(ks), max(ks)
    return f"{low} to {high}" if low < high else f"{low}"


def _step(record: dict, k: int, group: str) -> Claim:
    """What K joints cost, by the step of the fixed sequence."""
    step, margin = one_row(record["steps"], k=k), record["margin"]
    sign = 1 if step["difference"] > 0 else -1
    size, interval = _span(step, sign)
    joints, verdict = METHODS[record["method"]].joints(k), VERDICTS[step["passes"]]
    sentence = (
        f"With {joints} accuracy {'rises' if sign > 0 else 'falls'} by {size} points ({interval}). "
        f"Non-inferiority at a {100 * margin:g}-point margin is {verdict}."
    )
    if at_chance := _at_chance(record, group):
        sentence, verdict = f"No loss with {joints} is reported: {at_chance}.", "refused"
    key = k_star_key(record)
    return Claim(f"{key}.step.{k}", sentence, (f"{key}.step.{k}",), f"that of {key}", verdict)


def _for_a_paper(results: dict) -> Claim:
    """The quick start's sentence for a paper, refused unless the first K* is established."""
    record, data = results["ablation"]["k_star"][0], results["dataset"]
    k, joints, margin = record["k"], record["joints"], f"{100 * record['margin']:g}-point margin"
    sentence = (
        f"We reduced data requirements by discovering that, on held-out {data['group_word']}s, "
        f"only {k} of {joints} hand joints suffice at a {margin}, representing a "
        f"{percent(record['pruned'])} % spatial reduction in {data['description']}."
    )
    if k == joints:
        reason = _at_chance(record, data["group_word"]) or (
            f"non-inferiority of fewer than {joints} joints at a {margin} is not established"
        )
        sentence = f"Refused: {reason} in {data['description']}."
    key = k_star_key(record)
    test = f"that of {key}; it shows that joints suffice, never that they are necessary"
    return Claim("paper", sentence, (), test, "refused" if k == joints else VERDICTS[True])


def _control(control: dict, group: str) -> Claim:
    """Whether networks trained and tested on shuffled labels read chance."""
    full, learned = (one_row(control["rows"], method=name) for name in ("full", "learned"))
    near = f"below chance plus {_points_of(control['margin'])}"
    verdict, words = VERDICTS[False], f"It is not shown that both are {near}"
    if full["leaks"] or learned["leaks"]:
        verdict, words = OPPOSITE, "This is more than chance allows: test labels leak into training"
    elif max(full["high"], learned["high"]) < control["chance"] + control["margin"]:
        verdict, words = VERDICTS[True], f"Both are {near}"
    star = "a" if control["works"] else "no"
    return Claim(
        "control",
        f"With labels shuffled within each {group} accuracy is {_accuracy(full)} with all joints "
        f"and {_accuracy(learned)} with {learned['k']} learned joints; chance is "
        f"{percent(control['chance'])} %. {words}; {star} K* is reported for them.",
        ("control", "control.**"),
        f"95 % bootstrap intervals clustered by {group}, against chance (the most frequent label) "
        "plus the margin; a leak: against the most frequent label of each "
        f"{group}, with sign flips at 5 %; labels are shuffled anew for each seed",
        verdict,
    )


def _baseline(results: dict) -> Claim:
    facts, group = results["baseline"], results["dataset"]["group_word"]
    above = facts["accuracy"]["low"] > facts["chance"] and facts["p"] < ALPHA
    return Claim(
        "baseline",
        f"Accuracy with all joints on held-out {group}s is {'' if above else 'not shown to be '}"
        f"above chance: {_accuracy(facts['accuracy'])} against {percent(facts['chance'])} %.",
        ("baseline",),
        f"95 % bootstrap interval and one-sided sign flips clustered by {group}, against chance "
        "(the most frequent label)",
        VERDICTS[above],
    )


def _comparison(record: dict, group: str) -> Claim:
    """One declared comparison: a difference, or that none is established."""
    key = comparison_key(record)
    a, b = (METHODS[record[side]["method"]].joints(record[side]["k"]) for side in "ab")
    lower = record["difference"] < 0
    if record["p_holm"] >= ALPHA or record["low"] <= 0 <= record["high"]:
        size, interval = _span(record)
        verdict, sentence = VERDICTS[False], (
            f"A difference in accuracy between {a} and {b} is not established ({size} points, "
            f"{interval})."
        )  # fmt: skip
    else:
        size, interval = _span(record, -1 if lower else 1)
        word = "lower" if lower else "higher"
        sentence = f"Accuracy with {a} is {size} points {word} than with {b} ({interval})."
        verdict = OPPOSITE if lower and record["test"] == "superiority" else VERDICTS[True]
    test = (
        f"{record['test']}; bootstrap and sign flips clustered by {group}; Holm's correction over "
        "the declared comparisons; McNemar's test beside it takes clips as independent"
    )
    return Claim(key, sentence, (key,), test, verdict)


def _stability(rows: list[dict]) -> Claim:
    row = one_row(rows, method="learned", k=AT)
    keys = (f"stability.*.{AT}",)
    if row["index"] is None:
        sentence = f"The stability of {AT} learned joints is unknown: there is one selection only."
        return Claim("stability", sentence, keys, verdict=VERDICTS[False])
    verdict, words = VERDICTS[False], "are not shown to agree more than chance"
    if row["low"] > 0:
        verdict, words = VERDICTS[True], "agree more than chance"
    elif row["high"] < 0:
        verdict, words = OPPOSITE, "agree less than chance"
    return Claim(
        "stability",
        f"Learned selections of {AT} joints {words} over folds and seeds (stability index "
        f"{row['index']:.2f}, 95 % CI {row['low']:.2f} to {row['high']:.2f}; 0 is chance, 1 is "
        "identical selections).",
        keys,
        "95 % interval of the index of Nogueira, Sechidis and Brown (2018) against chance; it "
        "takes runs as independent, although runs of one seed share initial weights and folds "
        "share training clips; floor: between seeds on the same clips; apart: between runs that "
        "share neither seed nor fold",
        verdict,
    )


def _changes(kind: str, results: dict) -> Claim:
    """Which signs or groups gain or lose with 12 learned joints."""
    rows, data = results["ablation"]["changes"][kind], results["dataset"]
    word = data["class_word"] if kind == "sign" else data["group_word"]
    shown = [row for row in rows if row["p_holm"] < ALPHA]
    parts = []
    for how, names in (("better", [row["name"] for row in shown if row["low"] > 0]),
                       ("worse", [row["name"] for row in shown if row["high"] < 0])):  # fmt: skip
        if names:
            verb = f"{word} {names[0]} is" if len(names) == 1 else f"{word}s {_listed(names)} are"
            parts.append(f"the {verb} recognised {how}")
    sentence = f"No {word} is shown to be recognised better or worse with {AT} learned joints"
    if parts:
        sentence = f"With {AT} learned joints {' and '.join(parts)}"
    return Claim(
        f"changes.{kind}",
        f"{sentence} than with all joints.",
        (f"changes.{kind}.**",),
        f"sign flips of paired differences, Holm's correction over {len(rows)} {word}s",
        VERDICTS[bool(parts)],
    )


# Claims that rest on no test.


def _methods(accuracy: list[dict]) -> Claim:
    """Every method retrained at K = 12."""
    rows = [row for row in accuracy if row["k"] == AT and row["regime"] == "retrained"]
    worst, *_, best = sorted(rows, key=lambda row: row["mean"])
    return Claim(
        "methods",
        f"{len(rows)} methods were retrained on {AT} joints. The highest accuracy is "
        f"{_accuracy(best)}, by {METHODS[best['method']].label}, and the lowest "
        f"{_accuracy(worst)}, by {METHODS[worst['method']].label}.",
        (f"accuracy.*.{AT}",),
    )


def _course(name: str, course: dict) -> Claim:
    """The share of joints closed during training, beside what the quick start expects."""
    closed = course["pruning_ratio"]
    label = METHODS[name].label if name in METHODS else f"{name} mask"
    met = all(low <= closed[when] <= high for when, (low, high) in EXPECTED.items())
    return Claim(
        f"course.{name}",
        f"{label[0].upper()}{label[1:]}: {percent(closed['quarter'])} % of joints are closed after "
        f"a quarter of training and {percent(closed['end'])} % at its end. This "
        f"{'meets' if met else 'misses'} the quick start's expectation (10-20 % and at least "
        "40 %).",
        (f"course.{name}",),
    )


def _synthetic(synthetic: dict) -> list[Claim]:
    """Which methods find the informative joints, given their number or by themselves."""
    rows, k = synthetic["recovery"], synthetic["k"]
    dataset = (
        f"synthetic data ({synthetic['clips']} clips, {synthetic['signs']} signs, "
        f"{synthetic['signers']} signers)"
    )

    def found(row: dict, at: str = "") -> bool:
        return min(row[f"{at}precision"], row[f"{at}recall"]) >= RECOVERED

    learned, typical = (one_row(rows, method=name) for name in ("learned", "typical"))
    scores = [f"precision {row['precision']:.2f}, recall {row['recall']:.2f}"
              for row in (learned, typical)]  # fmt: skip
    others = [r for r in rows if r["method"] != "learned" and not METHODS[r["method"]].merge]
    finders = [METHODS[row["method"]].label for row in others if found(row)]
    stops = [row for row in rows if row["stop_k"] is not None]
    near = [f"{METHODS[row['method']].label} ({row['stop_k']:.1f} joints on average)"
            for row in stops if found(row, "stop_")]  # fmt: skip
    given = (
        f"Given K = {k}, learned gates {'find' if found(learned) else 'do not find'} the "
        f"informative joints of synthetic data: {scores[0]} (at least {RECOVERED:g} counts as "
        f"found). The most typical selection of {synthetic['trainings']} trainings "
        f"{'finds' if found(typical) else 'does not find'} them: {scores[1]}. Of {len(others)} "
        f"other methods, these find them: {_listed(finders)}."
    )
    alone = (
        f"Of {len(stops)} methods that choose K themselves, these stop at the {k} informative "
        f"joints: {_listed(near)}. The other {len(rows) - len(stops)} methods need K."
    )
    return [
        Claim("synthetic", given, ("synthetic", "synthetic.**"), dataset=dataset),
        Claim("synthetic.stop", alone, ("synthetic.**",), dataset=dataset),
    ]


def _calibration(rows: list[dict]) -> Claim:
    before = one_row(rows, method="full", regime="retrained")
    after = one_row(rows, method="learned", k=AT, regime="retrained")
    return Claim(
        "calibration",
        f"The expected calibration error is {percent(before['ece'])} % with all joints and "
        f"{percent(after['ece'])} % with {AT} learned joints (15 bins of equal width).",
        (f"calibration.full.{before['k']}", "calibration.learned.**"),
    )


def _hands(results: dict) -> Claim:
    missing = results["dataset"]["missing"]["stored"]  # after the leading hand became the right
    kept = one_row(results["ablation"]["hands"], k=AT)
    return Claim(
        "hands",
        f"Of {AT} learned joints, on average {kept['right']:.1f} lie on the signing (right) hand "
        f"and {kept['left']:.1f} on the left hand. The left hand is missing in "
        f"{percent(missing['left'])} % of frames, so a dropped left joint says little about "
        "two-handed signing.",
        (f"hands.{AT}",),
    )


def _by_encoder(rows: list[dict]) -> dict[str, list[dict]]:
    names = dict.fromkeys(row["encoder"] for row in rows)
    return {name: [row for row in rows if row["encoder"] == name] for name in names}


def _encoders(table: list[dict]) -> list[Claim]:
    """For each other encoder, whether joints chosen through the transformer serve it."""
    claims = []
    for name, rows in _by_encoder(table).items():
        if name == "transformer":
            continue
        learned, drawn, full = (
            one_row(rows, joints=joints) for joints in ("learned", "stratified-random", "full")
        )
        higher = "higher" if learned["mean"] > drawn["mean"] else "no higher"
        sentence = (
            f"In the {ENCODER_LABELS[name]}, {learned['k']} joints learned with the flattening "
            f"transformer have {higher} accuracy than stratified random joints: "
            f"{percent(learned['mean'])} % against {percent(drawn['mean'])} % "
            f"({percent(full['mean'])} % with all joints)."
        )
        claims.append(Claim(f"encoders.{name}", sentence, (f"encoders.{name}.**",)))
    return claims


def _cost(cost: dict) -> list[Claim]:
    """For each encoder, whether fewer joints save time."""
    claims = []
    dataset = (
        f"one clip of {cost['frames']} frames, untrained networks, {cost['threads']} thread, "
        "median and quartiles of time"
    )
    for name, rows in _by_encoder(cost["rows"]).items():
        few, full = (end(rows, key=lambda row: row["k"]) for end in (min, max))
        time, work = (few[key] / full[key] for key in ("latency_ms", "flops"))
        sentence = (
            f"Fewer joints {'make' if time < 1 - FASTER else 'do not make'} the "
            f"{ENCODER_LABELS[name]} faster: with {few['k']} of {full['k']} joints a clip takes "
            f"{percent(time)} % of the time and {percent(work)} % of the floating-point operations "
            f"(a saving below {100 * FASTER:g} % is not called faster)."
        )
        if name == "transformer":
            sentence += (
                f" Only its input projection shrinks, {percent(cost['projection_share'])} % of the "
                f"operations with {full['k']} joints."
            )
        claims.append(Claim(f"cost.{name}", sentence, (f"cost.{name}.**",), dataset=dataset))
    return claims


def limits(results: dict[str, dict]) -> list[str]:
    """What the results cannot show, one or two sentences a limit."""
    data, power = results["dataset"], results["ablation"]["power"]
    lexicon, group, groups = data["dataset"] == DEFAULT_DATASET, data["group_word"], data["groups"]
    left, right = (percent(data["missing"][hand]) for hand in ("left", "right"))
    family = len(results["ablation"]["paired"])
    smallest = 2 * 0.5 ** power["groups"]  # two-sided p value of a sign flip: two of all patterns
    no_power = family * smallest >= power["alpha"]
    # Counts of an import; the lexicon has none.
    left_out, leaks, by_palm, unseen = map(data.get, ("left_out", "leaks", "by_palm", "unseen"))
    found = [
        (lexicon,
         "The recordings are manual alphabets: letters, mostly held still, and not signs of a "
         "vocabulary. The results do not extend to any one sign language, to words or to sentences "
         "(AUTSL has 226 signs by 43 signers)."),
        (lexicon,
         f"Each language has one signer and one recording of a letter ({data['clips']} clips, "
         f"{groups} languages). Language and person cannot be separated, and a letter may have "
         "another handshape in another language, which limits the accuracy of any network."),
        (lexicon,
         f"{groups - len(data['two_handed'])} of {groups} alphabets are one-handed, and in "
         f"{data['missing']['stored']['never_left']} alphabets the left hand (mirrored where the "
         "signer leads with it) is never present; the publisher set some to zero. A dropped left "
         "joint says little about two-handed signing."),
        (not lexicon,
         f"{data['clips']} clips of {data['classes']} signs could be read, {left_out} were left "
         f"out at import. The left hand is missing in {left} % of frames, the right in {right} %. "
         "A dropped joint of a hand that is often missing says little about that hand."),
        (group == "part",
         "The signers are unknown: folds keep runs of neighbouring recordings of a sign apart, so "
         "no accuracy here is signer-independent."),
        (data["official_split"],
         f"The split was published with the recordings and is one fold: {groups} {group}s in all, "
         f"{len(data['folds'][0])} tested."),
        (leaks,
         f"{leaks} recordings occur in several {group}s, which makes accuracies too high."),
        (by_palm,
         f"{by_palm} clips lack shoulders and are placed and scaled by wrists and knuckles. These "
         "joints are read in every set of joints."),
        (unseen, f"{unseen} signs are tested in a fold that never trains them."),
        (no_power,
         f"Power: with {power['groups']} {group}s no p value can be below {smallest:.3g}, so "
         f"Holm's correction over {family} comparisons rejects none of them, whatever the effect. "
         "A comparison that is not established means nothing here."),
        (smallest / 2 >= power["alpha"],
         f"With {power['groups']} {group}s no K can pass the test of K*, whatever its accuracy."),
        (not no_power,
         f"Power: with {power['clips']} clips x {power['seeds']} seeds in {power['groups']} "
         f"{group}s, an uncorrected one-sided {percent(power['alpha'])} % test of {AT} learned "
         f"joints against all {power['joints']} detects a true loss of {percent(power['loss'])} "
         f"points with {percent(power['power'])} % power. Smaller losses can go undetected."),
        (lexicon, DECLARED),
        (True,
         "Joints are two-dimensional MediaPipe estimates, placed and scaled by the shoulders. The "
         "value of depth was not tested."),
        (True,
         f"Confidence intervals may be too narrow: {group}s in a fold share trained models, and "
         "all folds share seeds and hyperparameters."),
        (True,
         f"Non-inferiority tests err in more than 5 % of cases when a few {group}s bear most of a "
         "loss."),
    ]  # fmt: skip
    return [sentence for holds, sentence in found if holds]
