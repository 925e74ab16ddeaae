"""The four questions as a form, sent with GET: the address of an answer has what was chosen."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django import forms

from sandbox.choices import QUESTIONS, Choice, choose, combinations, notes

ERRORS = {
    "required": "Choose one answer.",
    "invalid_choice": "“%(value)s” is no answer to this question.",
}


class ChooseForm(forms.Form):
    """One answer to each question."""

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        for question in QUESTIONS:
            self.fields[question.name] = forms.ChoiceField(
                label=question.text,
                choices=[(answer.value, answer.label) for answer in question.answers],
                widget=forms.RadioSelect,
                error_messages=ERRORS,
            )

    def chosen(self) -> Choice:
        """Find the choice for these answers, which are valid."""
        return choose(self.cleaned_data)

    def notes(self) -> list[str]:
        """What follows from these answers, which are valid."""
        return notes(self.cleaned_data)


def address_of(choice: Choice) -> str:
    """Find the first answers that lead to a choice, as a query; empty if none do."""
    return next((urlencode(given) for given in combinations() if choice.suits(given)), "")
