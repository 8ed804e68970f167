// The pictures that are chosen: files of this computer, samples, and one URL.

import { byId, createElement, formatBytes } from "./dom.js";

let files = []; // { name, file, preview }

export function addFiles(chosen) {
  for (const file of chosen) {
    files.push({ name: file.name || "pasted image", file, preview: URL.createObjectURL(file) });
  }
  showFiles();
}

export function replaceFiles(chosen) {
  for (const picture of files) URL.revokeObjectURL(picture.preview);
  files = [];
  byId("url").value = "";
  addFiles(chosen);
}

// The files, then the URL: { name, file | url, preview }.
export function chosenPictures() {
  const url = byId("url").value.trim();
  const preview = /^(https?:|data:image\/)/i.test(url) ? url : "";
  return url ? [...files, { name: url.slice(0, 120), url, preview }] : [...files];
}

function remove(picture) {
  const index = files.indexOf(picture);
  files = files.filter((other) => other !== picture);
  URL.revokeObjectURL(picture.preview);
  showFiles();
  const buttons = byId("pictures").querySelectorAll("button");
  (buttons[Math.min(index, buttons.length - 1)] ?? byId("file")).focus();
}

function showFiles() {
  byId("pictures").hidden = !files.length;
  byId("pictures").replaceChildren(...files.map(createRow));
}

function createRow(picture) {
  const button = createElement("button", {
    type: "button",
    className: "link-button",
    textContent: "Remove",
  });
  button.setAttribute("aria-label", `Remove ${picture.name}`);
  button.addEventListener("click", () => remove(picture));
  return createElement(
    "li",
    {},
    createThumbnail(picture),
    createElement("span", {
      className: "detail",
      textContent: `${picture.name}, ${formatBytes(picture.file.size)}`,
    }),
    button,
  );
}

// Decorative: the picture's name and its captions stand beside it.
export function createThumbnail(picture) {
  if (!picture.preview) return null;
  const image = createElement("img", { src: picture.preview, alt: "", loading: "lazy" });
  // A format that this browser cannot show (HEIC, TIFF). The server may be able to read it.
  image.addEventListener("error", () => (image.hidden = true));
  return image;
}
