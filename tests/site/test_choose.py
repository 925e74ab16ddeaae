"""Choose: four questions, and the consumer for the answers with its evidence."""

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from sandbox.choices import QUESTIONS, Choice, choices, choose, combinations
from sandbox.processes.servers import Server
from sandbox.site.choosing import address_of

LEADING = [choice for choice in choices() if choice.when]
each = pytest.mark.parametrize(
    "choice", [one for one in LEADING if one.exhibit], ids=lambda choice: choice.id
)


def answer(page: Page) -> Locator:
    return page.locator("#answer")


def answer_all(page: Page, given: dict[str, str]) -> None:
    """Answer every question with the mouse, and ask for the consumer."""
    for name, value in given.items():
        page.locator(f"input[name={name}][value={value}]").check()
    page.get_by_role("button", name="Show the consumer").click()


def expect_evidence(page: Page, choice: Choice) -> None:
    expect(answer(page).get_by_role("heading", level=2)).to_have_text(choice.consumer)
    evidence = answer(page).locator("dl")
    for text in (
        choice.figure.replace("`", ""),
        choice.trap.replace("`", ""),
        choice.source,
        choice.docs,
    ):
        expect(evidence).to_contain_text(text)
    for file in choice.mounted:
        expect(evidence).to_contain_text(file)


@pytest.mark.parametrize("given", combinations()[::11], ids=lambda given: "-".join(given.values()))
def test_the_answers_lead_to_the_choice_of_the_table(page: Page, given: dict[str, str]) -> None:
    """The page recommends what the table does, with its figure, trap, files and documentation."""
    page.goto("/choose/")
    expect(answer(page)).to_have_count(0)
    expect(page.get_by_text("Measured on")).to_have_count(1)
    answer_all(page, given)
    expect_evidence(page, choose(given))
    for name, value in given.items():
        expect(page.locator(f"input[name={name}]:checked")).to_have_value(value)


def test_the_keyboard_is_enough(page: Page) -> None:
    """Tab, arrow keys and Enter answer all questions."""
    page.goto("/choose/")
    page.locator("input[name=code]").first.focus()
    for question in QUESTIONS:
        expect(page.locator(":focus")).to_have_attribute("name", question.name)
        page.keyboard.press("Space")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect_evidence(page, choose({q.name: q.answers[1].value for q in QUESTIONS}))


@each
def test_a_link_leads_to_the_answer_without_javascript(
    browser: Browser, site: Server, choice: Choice
) -> None:
    """Each choice has an address that shows it, and links to its files, without a script."""
    with browser.new_context(base_url=site.url, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"/choose/?{address_of(choice)}")
        expect_evidence(page, choice)
        links = answer(page).locator("dl a")
        expect(links).to_have_count(3)
        for link in links.all():
            page.goto(f"/choose/?{address_of(choice)}")
            target = str(link.get_attribute("href"))
            link.click()
            assert page.url.endswith(target)
            expect(page.get_by_role("heading", level=1)).not_to_have_text("Page not found")
            if section := target.partition("#")[2]:
                expect(page.locator(f"#{section}")).to_be_in_viewport()


@each
def test_the_exhibit_can_be_tried_at_once(page: Page, choice: Choice) -> None:
    """A message that is sent on the page comes back from the exhibit, is shown and read out."""
    page.goto(f"/choose/?{address_of(choice)}#answer")
    page.get_by_label("Message").fill("at once")
    page.get_by_role("button", name="Send").click()
    replies = page.get_by_role("list", name="What came back")
    expect(replies).to_have_attribute("aria-live", "polite")
    reply = replies.get_by_role("listitem")
    expect(reply).to_have_count(1)
    expect(reply).to_contain_text('"message":"at once"')


def test_unanswered_and_unknown_answers_are_named(page: Page) -> None:
    """An address with a wrong answer, or without one, says at the question what is wrong."""
    page.goto("/choose/?code=perhaps&others=no&listens=no")
    errors = page.locator("fieldset:has(.errorlist)")
    expect(errors).to_have_count(2)
    expect(errors.first).to_contain_text("“perhaps” is no answer to this question.")
    expect(errors.last).to_contain_text("Choose one answer.")
    expect(answer(page)).to_have_count(0)


def test_all_situations_are_listed(page: Page) -> None:
    """Below the questions is every choice, and those that answers lead to have a link."""
    page.goto("/choose/")
    for choice in choices():
        row = page.get_by_role("listitem").filter(has_text=choice.situation).last
        row.locator("summary").click()
        expect(row).to_contain_text(re.sub("`", "", choice.trap))
        expect(row.get_by_role("link", name="The answers that lead here")).to_have_count(
            1 if choice.when else 0
        )


def test_choose_is_the_first_section(page: Page) -> None:
    """The navigation begins with Choose."""
    page.goto("/")
    page.get_by_role("navigation").get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Which consumer do you need?")
