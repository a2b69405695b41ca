"""The rates that are kept of the embedded engines: valid, and told on the pages as they stand."""

from pathlib import Path

from outpace.report import rate_document, rate_page

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "reports" / "embedded-load"


def test_the_kept_rates_are_valid_and_told_as_they_stand() -> None:
    document = rate_document.read(FOLDER / "rate.json")
    sentence = "".join(rate_page.sentence(document))
    assert document["source"] == "embedded"
    assert (FOLDER / "RESULT.md").read_text().startswith(f"**{sentence}**")
    assert sentence in " ".join((REPOSITORY / "docs" / "load.md").read_text().split())
