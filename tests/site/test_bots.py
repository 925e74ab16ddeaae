"""The bots on the Rooms page, in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from sandbox.processes.redis import Redis
from sandbox.processes.servers import Server, serve
from tests.support.bots import workers
from tests.support.members import SLUGS


@pytest.fixture(scope="module")
def site(redis: Redis, environment: dict[str, str]) -> Iterator[Server]:
    """A Daphne with a Redis and a worker."""
    environment = {**environment, "REDIS_URL": redis.url}
    with workers(1, environment), serve(environment=environment) as server:
        yield server


def all_are_members(page: Page) -> None:
    page.locator('[data-id="rooms/async-http"]').get_by_role("checkbox").check()
    expect(page.locator('[data-state="open"]')).to_have_count(len(SLUGS))


def say(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_role("button", name="Send", exact=True).click()


def test_a_bot_is_invited_works_and_is_sent_away(page: Page) -> None:
    """A bot that is invited answers, all members see it, and it is silent when it is sent away."""
    page.goto("/rooms/?room=kitchen")
    page.get_by_role("button", name="Invite bot-async").click()
    expect(page.get_by_text("bot-async is in kitchen")).to_be_visible()
    all_are_members(page)
    say(page, "/echo hi")
    answer = '{"message":{"bot":"bot-async","text":"hi"}}'
    for slug in SLUGS:
        expect(page.locator(f'[data-id="rooms/{slug}"] ol li')).to_have_text(
            [answer, '{"message":"/echo hi"}']
        )
    page.get_by_role("button", name="Send bot-async away").click()
    expect(page.get_by_role("button", name="Invite bot-async")).to_be_visible()
    all_are_members(page)
    say(page, "/echo again")
    say(page, "end")
    for slug in SLUGS:
        expect(page.locator(f'[data-id="rooms/{slug}"] ol li')).to_have_text(
            ['{"message":"end"}', '{"message":"/echo again"}']
        )


def test_the_bots_of_a_room_are_its_own(page: Page, context: BrowserContext) -> None:
    """A bot that is in one room can still be invited to another."""
    page.goto("/rooms/?room=garden")
    page.get_by_role("button", name="Invite bot-sync").click()
    expect(page.get_by_text("bot-sync is in garden")).to_be_visible()
    expect(page.get_by_text("manage.py runworker bot-sync bot-async")).to_be_visible()
    other = context.new_page()
    other.goto("/rooms/?room=cellar")
    expect(other.get_by_role("button", name="Invite bot-sync")).to_be_visible()
