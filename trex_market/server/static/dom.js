// Making and changing elements. What comes from the market is set as text, never as HTML.
const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes))
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  node.append(...children);
  return node;
}

export const make = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
export const draw = (tag, attributes = {}, ...children) =>
  filled(document.createElementNS(SVG, tag), attributes, children);

// Unchanged text is left alone, so that nothing is read out twice.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function put(node, name, value) {
  if (value === null || value === undefined) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// Styles are set on the element itself: the page's policy forbids style attributes that come as text.
export const width = (node, share) => node.style.setProperty("width", `${Math.min(100, Math.max(0, 100 * share))}%`);

// Rows keep their elements, and with them focus and what is open: one for each item, in order.
export function rows(parent, items, key, create, update) {
  const kept = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let row = kept.get(name);
    if (row === undefined) {
      row = create(item);
      row.dataset.key = name;
    }
    kept.delete(name);
    if (row === place) place = place.nextElementSibling;
    else parent.insertBefore(row, place);
    update(row, item);
  }
  for (const row of kept.values()) row.remove();
}

// The cells of a row, each with its column's name, which small screens show.
export const cells = (...columns) =>
  columns.map(([label, kind]) => make("td", { "data-label": label, class: kind, role: "cell" }));
