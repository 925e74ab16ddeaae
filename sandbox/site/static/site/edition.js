// The edition switch, kept in the address so that a choice can be linked to.

export function chosenEdition(onChoice) {
  const radios = [...document.querySelectorAll("[name=edition]")];
  const wanted = new URLSearchParams(location.search).get("edition");
  const chosen = radios.find(({ value }) => value === wanted) ?? radios[0];

  if (wanted !== null && wanted !== chosen.value) {
    const unknown = document.querySelector("#unknown-edition");
    unknown.textContent = `There is no edition “${wanted}” here: this is ${chosen.value}.`;
    unknown.hidden = false;
  }

  function choose({ value }) {
    for (const sentence of document.querySelectorAll("[data-sentence]")) {
      sentence.hidden = sentence.dataset.sentence !== value;
    }
    onChoice(value);
  }

  for (const radio of radios) {
    radio.addEventListener("change", () => {
      history.replaceState(null, "", `?edition=${radio.value}${location.hash}`);
      document.querySelector("#unknown-edition").hidden = true;
      choose(radio);
    });
  }
  chosen.checked = true;
  choose(chosen);
}
