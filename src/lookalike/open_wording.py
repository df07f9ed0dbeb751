"""Identification, judged, in words and as plain values: an OpenEvaluation enters, lines or JSON leave."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lookalike.judging.figure_wording import percent, plain, span
from lookalike.open_evaluation import OpenEvaluation
from lookalike.open_threshold import OpenThreshold

OUTCOMES = ("right_accepts", "wrong_accepts", "wrong_rejects", "false_accepts", "right_rejects")
MEANINGS = {
    "true_identification_rate": "known things that are named rightly",
    "wrong_identification_rate": "known things that are taken for another; lower is better",
    "false_identification_rate": "strangers that are taken for something; lower is better",
    "precision": "of what is named, what is named rightly",
    "f1": "harmonic mean of precision and true-identification rate",
    "accuracy": "of all who ask, who is named rightly or rightly turned away",
}


def identification_lines(found: OpenEvaluation) -> list[str]:
    """Say how well known things are named and strangers are turned away."""
    decisions, width = found.decisions, max(map(len, MEANINGS))
    known, asked = int(decisions.known.sum()), len(decisions.classes)
    share = percent(found.threshold.stranger_share, 0)
    lines = [
        f"On {found.split}: {known:,} pictures of {len(decisions.names):,} labels asked as known things, "
        f"{asked:,} as strangers, their label left out; {decisions.met:,.0f} pictures to be taken for",
        f"{'figure, %':{width}}  value  95% interval",
        *(
            f"{name:{width}}  {percent(figure.value):>5}  {span(figure):>12}  {MEANINGS[name]}"
            for name, figure in found.figures.items()
        ),
        f"precision, f1 and accuracy: where {share}% of all who ask are strangers",
        threshold_line(found.threshold),
    ]
    if found.seen:
        lines.append(f"The model was trained on {found.seen:,} of these pictures: the figures flatter")
    return lines


def identification_json(found: OpenEvaluation) -> dict[str, Any]:
    """The same as plain values, with the five outcomes as counts."""
    threshold = asdict(found.threshold)
    return {
        "split": found.split,
        "known": int(found.decisions.known.sum()),
        "strangers": len(found.decisions.classes),
        "labels": len(found.decisions.names),
        "gallery": found.decisions.met,
        "figures": {name: plain(asdict(figure)) for name, figure in found.figures.items()},
        "counts": {name: int(getattr(found.counts, name)) for name in OUTCOMES},
        "threshold": {**plain(threshold), "promise": found.threshold.promise},
        "seen": found.seen,
        "skipped": [asdict(entry) for entry in found.skipped],
    }


def threshold_line(threshold: OpenThreshold) -> str:
    """A threshold with what it promises."""
    by = "the nearest picture decides" if threshold.vote == 1 else f"the {threshold.vote} nearest vote"
    return f"similarity >= {threshold.similarity:.4f} is a known thing, {by}: {threshold.promise}"
