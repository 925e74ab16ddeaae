// Buttons that copy the command next to them.

for (const button of document.querySelectorAll("[data-copy]")) {
  const command = button.parentElement.querySelector("code");
  const label = button.textContent;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "Copied";
    } catch {
      // Without HTTPS, or without permission, there is no clipboard to write to.
      getSelection().selectAllChildren(command);
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = label), 2000);
  });
}
