"""What the servers make of the same consumers, as docs/servers.md shows it."""

from collections.abc import Iterator

from consumers.catalogue import CATALOGUE, Exhibit
from sandbox.compare.differences import OF_SERVERS, SERVERS, Difference, declared
from sandbox.compare.observations import Expected
from sandbox.compare.output.markdown import because, codes, table_head, table_row
from sandbox.compare.output.words import in_words
from sandbox.compare.probe import Probe
from sandbox.compare.probes import TABLES


def as_page() -> str:
    """Write a table for each group of probes: what each server shows, why, and what to do."""
    return "\n".join(_page()).strip() + "\n"


def _page() -> Iterator[str]:
    groups: dict[str, list[Probe]] = {}
    for probe in _probes():
        groups.setdefault(probe.group, []).append(probe)
    for group, probes in groups.items():
        yield f"\n### {group}\n"
        yield from table_head("", [server.title() for server in SERVERS] + ["why, and what to do"])
        alike: dict[tuple[object, ...], list[Probe]] = {}
        for probe in probes:
            key = (_seen(probe), tuple(map(id, _rows(probe))))
            alike.setdefault(key, []).append(probe)
        for its_probes in alike.values():
            seen = _seen(its_probes[0])
            rows = {id(row): row for row in _rows(its_probes[0]) if row}
            names = "<br>".join(f"`{probe.id}`: {probe.sentence}" for probe in its_probes)
            why = "<br>".join(map(because, rows.values()))
            yield table_row(names, [*(codes([in_words(one)]) for one in seen), why])


def _probes() -> list[Probe]:
    """Those of which a row of OF_SERVERS speaks, each once, in the order of the tables."""
    spoken_of = {
        probe
        for difference in OF_SERVERS
        if not set(SERVERS).isdisjoint(difference.servers)
        for probe in difference.seen
    }
    probes = {probe.id: probe for table in TABLES.values() for probe in table}
    return [probe for probe in probes.values() if probe.id in spoken_of]


def _rows(probe: Probe) -> list[Difference | None]:
    """Return what is declared of each server."""
    return [declared(probe.id, _exhibit(probe).id, server) for server in SERVERS]


def _seen(probe: Probe) -> tuple[Expected, ...]:
    """Return what each server shows."""
    return tuple(row.seen[probe.id] if row else probe.expected for row in _rows(probe))


def _exhibit(probe: Probe) -> Exhibit:
    """Return the first one that shows a difference."""
    return next(
        one
        for one in CATALOGUE
        if probe in TABLES[one.edition.probes]
        and probe.applies_to(one.protocol)
        and any(declared(probe.id, one.id, server) for server in SERVERS)
    )
