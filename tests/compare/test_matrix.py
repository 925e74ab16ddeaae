"""The probe table against every exhibit, on the wire."""

import asyncio
from collections.abc import Mapping

import pytest

from consumers.catalogue import CATALOGUE, Exhibit
from sandbox.compare.engine import Cell, Target, agree, compare, questions
from sandbox.compare.probes import TABLES
from sandbox.servers import Server

EXHIBITS = [exhibit for exhibit in CATALOGUE if exhibit.edition in TABLES]


@pytest.fixture(scope="module")
def cells(daphne: Server) -> Mapping[str, list[Cell]]:
    """Every probe put to every exhibit on Daphne, by exhibit."""
    target = Target(daphne.name, daphne.version, daphne.url, daphne.log)
    seen = agree(asyncio.run(compare(target, questions(EXHIBITS))))
    return {
        exhibit.id: [cell for cell in seen if cell.exhibit == exhibit.id] for exhibit in EXHIBITS
    }


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: exhibit.id)
def test_exhibit_does_what_the_contract_says(
    exhibit: Exhibit, cells: Mapping[str, list[Cell]]
) -> None:
    """Every cell on Daphne is as the contract or a declared difference says."""
    assert len(cells[exhibit.id]) == len(TABLES[exhibit.edition])
    differing = [
        f"{cell.probe}: contract “{cell.expected}”, seen “{cell.seen}” {cell.reason}"
        for cell in cells[exhibit.id]
        if cell.verdict == "differs"
    ]
    assert not differing, "\n".join(differing)
