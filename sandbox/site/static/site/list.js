// Lists with the newest item first.

const MAX_ITEMS = 50;

export function prepend(list, text) {
  const item = document.createElement("li");
  item.textContent = text;
  list.prepend(item);
  while (list.children.length > MAX_ITEMS) list.lastChild.remove();
}
