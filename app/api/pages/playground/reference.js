// Adds a button to each block of code that copies it.

import { copyText, createElement } from "./dom.js";

for (const block of document.querySelectorAll(".sample")) {
  const code = block.querySelector("pre");
  const button = createElement("button", {
    type: "button",
    className: "link-button",
    textContent: "Copy",
  });
  button.setAttribute("aria-label", `Copy ${code.getAttribute("aria-label")}`);
  button.addEventListener("click", () => copyText(code.textContent, button));
  block.querySelector(".code-title").append(button);
}
