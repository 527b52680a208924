// What the scripts of the page share. Everything becomes text; nothing is ever parsed as markup.

export const $ = (selector) => document.querySelector(selector);

export function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

export function clock(seconds) {
  const date = new Date(seconds * 1000);
  const text = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  return element("time", text, { datetime: date.toISOString() });
}

export function mark(pill, state, text) {
  if (pill.textContent !== text) pill.textContent = text;
  pill.dataset.state = state;
}
