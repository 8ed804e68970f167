// What every part of the page uses: making elements, writing sizes, copying.

export const at = (id) => document.getElementById(id);

// Texts become text nodes, never markup, whoever wrote them.
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function size(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export async function copyText(text, button) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // No clipboard here (plain http on another host): the text can still be selected.
    button.textContent = "Copying is not allowed here: select the text";
  }
  setTimeout(() => (button.textContent = label), 2000);
}
