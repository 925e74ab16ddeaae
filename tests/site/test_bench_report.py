"""The page that ``bench --html`` writes."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from sandbox.bench.output.html import as_html
from sandbox.bench.output.json import from_json
from sandbox.choices import RESULTS
from tests.site.screenshots import SCHEMES

WIDTH = 320


# Bars, strips and tables; then each of the other charts for which there is a committed result.
@pytest.mark.parametrize("name", ["figures", "delivery", "anatomy", "soak"])
def test_a_report_is_accessible_and_fits_a_phone(page: Page, tmp_path: Path, name: str) -> None:
    """In light and dark axe-core finds nothing, and 320 pixels need no sideways scrolling."""
    file = tmp_path / "report.html"
    file.write_text(as_html(from_json((RESULTS / f"{name}.json").read_bytes())))
    page.set_viewport_size({"width": WIDTH, "height": 800})
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == WIDTH
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
