"""Claims about each encoder: whether joints carry over to it, and whether fewer buy time."""

from jointprune.paper.claims.words import ENCODER_WORDS, UNTESTED, Claim, letters, percent

SAVING = 0.10  # of a clip's time: less is not called faster


def encoder_claims(rows: list[dict], dataset: str) -> list[Claim]:
    """For each other encoder: do the joints chosen through the transformer carry over?"""
    others = dict.fromkeys(row["encoder"] for row in rows if row["encoder"] != "transformer")
    return [_encoder_claim(rows, encoder, dataset) for encoder in others]


def _encoder_claim(rows: list[dict], encoder: str, dataset: str) -> Claim:
    of_encoder = {row["joints"]: row for row in rows if row["encoder"] == encoder}
    learned, drawn = of_encoder["learned"], of_encoder["stratified-random"]
    verb = "carry over" if learned["mean"] > drawn["mean"] else "do not carry over"
    beside = [f"{percent(of_encoder['full']['mean'])} % with all joints"]
    if "own" in of_encoder:
        beside.append(f"{percent(of_encoder['own']['mean'])} % with joints chosen through it")
    return Claim(
        f"Encoder{letters(encoder)}",
        f"The {learned['k']} joints chosen through the flattening transformer {verb} to the "
        f"{ENCODER_WORDS[encoder]}: {percent(learned['mean'])} % against "
        f"{percent(drawn['mean'])} % with stratified-random ones ({', '.join(beside)}).",
        dataset,
        "; ".join(_encoder_row(row) for row in of_encoder.values()),
        f"{UNTESTED}; carrying over means a higher mean than stratified random",
        "described",
    )


def _encoder_row(row: dict) -> str:
    overlap = "" if row["overlap"] is None else f", {percent(row['overlap'])} % shared joints"
    return (
        f"{row['joints']}, {row['k']} joints: {percent(row['mean'])} % [{percent(row['low'])}, "
        f"{percent(row['high'])}], {row['runs']} runs{overlap}"
    )


def cost_claims(cost: dict) -> list[Claim]:
    """For each encoder whether fewer joints buy time; untrained networks suffice for it."""
    encoders = dict.fromkeys(row["encoder"] for row in cost["rows"])
    return [_cost_claim(cost, encoder) for encoder in encoders]


def _cost_claim(cost: dict, encoder: str) -> Claim:
    rows = sorted((row for row in cost["rows"] if row["encoder"] == encoder),
                  key=lambda row: row["k"])  # fmt: skip
    few, full = rows[0], rows[-1]
    time, work = (few[key] / full[key] for key in ("latency_ms", "flops"))
    verb = "make" if time < 1 - SAVING else "do not make"
    projection = (
        f"; its input projection, all that shrinks, is {percent(cost['projection_share'])} % of "
        f"the operations at {full['k']}"
        if encoder == "transformer"
        else ""
    )
    return Claim(
        f"Cost{letters(encoder)}",
        f"Fewer joints {verb} the {ENCODER_WORDS[encoder]} faster: with {few['k']} of "
        f"{full['k']} joints a clip takes {percent(time)} % of the time and {percent(work)} % of "
        f"the floating-point operations{projection}.",
        f"one clip of {cost['frames']} frames, untrained networks",
        "; ".join(f"K = {row['k']}: {row['latency_ms']:.2f} ms [{row['latency_low']:.2f}, "
                  f"{row['latency_high']:.2f}], {row['flops'] / 1e6:.2f} MFLOP, "
                  f"{row['parameters']} parameters, {row['input_bytes']} bytes a frame"
                  for row in rows),
        f"{UNTESTED}; median and quartiles on {cost['threads']} thread; a saving under "
        f"{100 * SAVING:g} % is not called faster",
        "described",
    )  # fmt: skip
