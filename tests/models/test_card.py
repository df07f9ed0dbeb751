from __future__ import annotations

from dataclasses import replace

from lookalike.models.card import refresh_threshold, render_card, write_card
from lookalike.models.model import CARD, Model, write_facts
from lookalike.records import Figure, Report
from some_records import threshold


def report(model: Model) -> Report:
    return Report(
        figures={
            "recall@1": Figure(0.5, 0.4, 0.6, 0.3, (0.1, 0.3)), "map": Figure(0.4, 0.3, 0.5),
            "eer": Figure(0.1, 0.05, 0.2, 0.2, (-0.15, -0.05), better="lower"), "mrr": Figure(0.4, 0.3, 0.5),
        },
        split="test", queries=10, gallery=12, classes=4, without_partner=2, skipped=(),
        model=model.name, fingerprint=model.fingerprint, baseline="resnet, untrained",
    )  # fmt: skip


def test_card_has_figures_threshold_and_use(tiny: Model) -> None:
    tiny.set_threshold(threshold("precision=0.95"))
    write_card(tiny, report(tiny))
    card = (tiny.folder / CARD).read_text()
    assert "| recall@1 | 50.0 | 40.0 to 60.0 | 30.0 | +20.0 | +10.0 to +30.0 |\n" in card
    assert "| map | 40.0 | 30.0 to 50.0 | – | – | – |\n" in card
    assert "| eer ↓ | 10.0 | 5.0 to 20.0 | 20.0 | −10.0 | −15.0 to −5.0 |\n\n↓ lower is better\n" in card
    assert "mrr" not in card  # a card tells the dozen that a person sees first
    assert "at least 95% of matches are right" in card
    assert tiny.fingerprint[:16] in card


def test_calibration_brings_the_card_up_to_date(tiny: Model) -> None:
    refresh_threshold(tiny)
    assert not (tiny.folder / CARD).exists()
    write_card(tiny, report(tiny))
    before = (tiny.folder / CARD).read_text()
    tiny.set_threshold(threshold("f1", similarity=0.4321))
    refresh_threshold(tiny)
    after = (tiny.folder / CARD).read_text()
    assert "Similarity 0.4321 or more" in after
    assert "No threshold yet" in before
    assert "No threshold yet" not in after
    assert after == render_card(tiny, report(tiny))


def test_card_without_figures_says_how_to_get_them(tiny: Model) -> None:
    card = render_card(tiny, None)
    assert "lookalike evaluate" in card
    assert "lookalike calibrate" in card


def test_card_of_attributes_says_what_can_be_asked_and_how_well(tiny: Model) -> None:
    tiny.facts = {**tiny.facts, "attributes": {"names": ["smiling", "male"]}}
    card = render_card(tiny, None, measured=["precision@1  40.0"])
    assert "attributes that can be asked for: smiling, male" in card
    assert "lookalike search photos.idx --attributes smiling=1" in card
    assert "```\nprecision@1  40.0\n```" in card
    assert "Not measured" not in card
    assert "Not measured" in render_card(tiny, None)


def test_card_says_how_it_was_judged_and_on_which_data(tiny: Model) -> None:
    training = {"images": 30, "classes": 6, "data": "0123456789abcdef" * 4}
    write_facts(tiny.folder, {**tiny.facts, "training": training})
    model = Model.load(tiny.folder)
    card = render_card(model, replace(report(model), protocol="query-gallery", groups=4))
    assert "On test, queries against a gallery, answers of the query's own group left out: 10 queries" in card
    assert "- data and split: `0123456789abcdef`\n" in card
