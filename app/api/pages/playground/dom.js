// Helpers for the page: find and create elements, format sizes and counts, copy text.

export const byId = (id) => document.getElementById(id);

// Text becomes text nodes, never markup: captions and problems contain text of strangers.
export function createElement(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function formatBytes(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export function countNoun(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

export async function copyText(text, button) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // Browsers allow the clipboard only over https and on localhost.
    button.textContent = "Copying is not allowed here: select the text";
  }
  setTimeout(() => (button.textContent = label), 2000);
}
