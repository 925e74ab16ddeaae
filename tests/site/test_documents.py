"""The pages of docs/ on the site."""

import re
from urllib.parse import urljoin

import pytest

from sandbox.processes.servers import Server
from sandbox.site.documents import documents
from sandbox.wire import http

CODE = re.compile(r"<(pre|code)\b.*?</\1>", re.DOTALL)
MARKDOWN_LEFT = re.compile(r"\]\(|\*\*|^#|^\||&lt;!--|^```", re.MULTILINE)


@pytest.mark.parametrize("name", documents())
@pytest.mark.asyncio
async def test_every_link_leads_somewhere(daphne: Server, name: str) -> None:
    """Each page of docs/ is rendered, and its links within this site find their sections."""
    url = f"{daphne.url}/docs/{name}/"
    page = (await http("GET", url)).body.decode()
    article = page[page.index("<article") : page.index("</article>")]
    assert "<h1 id=" in article
    assert not MARKDOWN_LEFT.search(CODE.sub("", article))
    for href in set(re.findall(r'href="([^"]*)"', article)):
        if "://" in href:
            continue
        target, _, section = href.partition("#")
        there = await http("GET", urljoin(url, target))
        assert (there.status, href) == (200, href)
        assert not section or f'id="{section}"' in there.body.decode(), href


@pytest.mark.asyncio
async def test_commands_are_for_this_server(daphne: Server) -> None:
    """A page shows the host and the port under which it was asked for."""
    page = (await http("GET", f"{daphne.url}/docs/checkup/")).body.decode()
    assert f"checkup ws://127.0.0.1:{daphne.port}/ws/chat/" in page
    assert "127.0.0.1:8000" not in page


@pytest.mark.asyncio
async def test_the_folder_leads_to_its_first_page(daphne: Server) -> None:
    """Its address without a page redirects to README."""
    response = await http("GET", f"{daphne.url}/docs/")
    location = dict(response.headers)["location"]
    assert (response.status, location) == (302, "/docs/README/")


@pytest.mark.parametrize("name", ["nothing", "..%2fREADME", "page.png", "readme"])
@pytest.mark.asyncio
async def test_only_pages_of_docs_are_served(daphne: Server, name: str) -> None:
    """What is no Markdown file of docs/ is a 404."""
    assert (await http("GET", f"{daphne.url}/docs/{name}/")).status == 404
