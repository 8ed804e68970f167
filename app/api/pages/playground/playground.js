// The playground: fills in the styles from the API, sends the form, and shows the response.

import { buildCurlCommand } from "./curl.js";
import { byId, copyText, createElement } from "./dom.js";
import { readImageFile } from "./image_file.js";
import { createCaptionCard, createProblemCard, showFacts } from "./results.js";

const KEY_STORAGE = "altwright-key";
const DEFAULT_STYLES = [
  { name: "concise", purpose: "Alt text for people who do not see the image." },
  { name: "seo", purpose: "Text for search engines, with the words that people search for." },
  { name: "detailed", purpose: "A paragraph of narration." },
];

let chosenFile = null; // { name, type, dataUrl }
let running = null; // the AbortController of the request in progress

function addAuthorization(headers = {}) {
  const key = byId("key").value.trim();
  return key ? { ...headers, Authorization: `Bearer ${key}` } : headers;
}

// --- API key -------------------------------------------------------------------------------------

function restoreKey() {
  try {
    byId("key").value = sessionStorage.getItem(KEY_STORAGE) ?? "";
  } catch {
    // Storage is switched off in this browser: the key stays in the field only.
  }
}

function storeKey() {
  try {
    sessionStorage.setItem(KEY_STORAGE, byId("key").value.trim());
  } catch {
    // As above.
  }
}

// --- styles --------------------------------------------------------------------------------------

async function loadStyles() {
  let styles = DEFAULT_STYLES;
  let note = "Several styles need only one download.";
  try {
    const response = await fetch("v1/styles", { headers: addAuthorization() });
    const body = await response.json();
    if (response.ok) {
      styles = body.styles;
    } else if (response.status === 401) {
      note = "These are the default styles. Enter your API key to see those of this server.";
    } else {
      note = `The styles of this server could not be loaded: ${body.detail ?? response.status}`;
    }
  } catch {
    note = "The server did not respond. Is it running?";
  }
  showStyles(styles);
  byId("styles-note").textContent = note;
}

function showStyles(styles) {
  const chosenBefore = new Set(chosenStyles());
  const isAnyKnown = styles.some((style) => chosenBefore.has(style.name));
  byId("styles").replaceChildren(
    ...styles.map((style, index) =>
      createElement(
        "label",
        { className: "style" },
        createElement("input", {
          type: "checkbox",
          name: "style",
          value: style.name,
          checked: isAnyKnown ? chosenBefore.has(style.name) : index === 0,
        }),
        createElement(
          "span",
          {},
          createElement("b", { textContent: style.name }),
          createElement("span", { className: "hint", textContent: style.purpose ?? "" }),
        ),
      ),
    ),
  );
}

function chosenStyles() {
  return [...document.querySelectorAll("input[name=style]:checked")].map((box) => box.value);
}

// --- image ---------------------------------------------------------------------------------------

async function chooseFile(file) {
  showFormError("");
  try {
    const { dataUrl, note } = await readImageFile(file);
    chosenFile = { name: file.name || "pasted image", type: file.type, dataUrl };
    byId("url").value = "";
    showPreview(dataUrl, `${chosenFile.name}: ${note}`);
  } catch (error) {
    showFormError(error.message);
  }
}

function showPreview(source, name) {
  byId("preview-image").src = source;
  byId("preview-image").hidden = false;
  byId("preview-name").textContent = name;
  byId("preview").hidden = false;
}

function removeImage() {
  chosenFile = null;
  byId("file").value = "";
  byId("url").value = "";
  byId("preview").hidden = true;
  byId("preview-image").removeAttribute("src");
}

function previewUrl() {
  const url = byId("url").value.trim();
  if (!url) {
    if (!chosenFile) byId("preview").hidden = true;
    return;
  }
  chosenFile = null;
  byId("file").value = "";
  if (/^(https?:|data:image\/)/i.test(url)) showPreview(url, url.slice(0, 120));
}

// --- sending -------------------------------------------------------------------------------------

// The first mistake in the form: [field, sentence], or null. The server validates everything else.
function findMistake() {
  if (!chosenFile && !byId("url").value.trim()) return ["url", "Enter a URL, or choose a file."];
  if (!chosenStyles().length) return [null, "Choose at least one style."];
  const maxTokens = byId("max-tokens");
  if (!/^\d+$/.test(maxTokens.value) || maxTokens.value < 32 || maxTokens.value > 256) {
    return ["max-tokens", "Max. tokens: enter a whole number from 32 to 256."];
  }
  return null;
}

function buildRequestBody() {
  const styles = chosenStyles();
  const body = { image_url: chosenFile ? chosenFile.dataUrl : byId("url").value.trim() };
  if (styles.length === 1) body.style = styles[0];
  else body.styles = styles;
  body.max_tokens = Number(byId("max-tokens").value);
  body.locale = byId("locale").value.trim() || "en";
  if (byId("role").value) body.role = byId("role").value;
  if (byId("context").value.trim()) body.context = byId("context").value.trim();
  if (byId("visible-text").value.trim()) body.visible_text = byId("visible-text").value.trim();
  const keywords = byId("keywords").value.split(",").map((word) => word.trim()).filter(Boolean);
  if (keywords.length) body.keywords = keywords;
  return body;
}

async function sendForm(event) {
  event.preventDefault();
  if (running) return;
  const mistake = findMistake();
  showFormError(mistake ? mistake[1] : "", mistake?.[0]);
  if (mistake) return;
  storeKey();
  const body = buildRequestBody();
  const path = body.styles ? "v1/image/captions" : "v1/image/caption";
  showCurlCommand(path, body);
  setRunning(true);
  const startedMs = performance.now();
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: addAuthorization({ "Content-Type": "application/json" }),
      body: JSON.stringify(body),
      signal: running.signal,
    });
    const responseBody = await response.json();
    showResponse(response, responseBody, performance.now() - startedMs);
  } catch (error) {
    if (error.name === "AbortError") showStatus("Cancelled.");
    else showNoResponse();
  } finally {
    setRunning(false);
  }
}

function setRunning(isRunning) {
  running = isRunning ? new AbortController() : null;
  byId("output").setAttribute("aria-busy", String(isRunning));
  byId("send").setAttribute("aria-disabled", String(isRunning));
  byId("cancel").hidden = !isRunning;
  if (isRunning) {
    showStatus("Working …");
    byId("results").replaceChildren();
    byId("facts").hidden = true;
  }
}

// --- showing -------------------------------------------------------------------------------------

function showStatus(text) {
  byId("status").textContent = text;
}

function showFormError(text, field = null) {
  byId("form-error").textContent = text;
  byId("form-error").hidden = !text;
  for (const input of document.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
  }
  if (text && field) {
    byId(field).setAttribute("aria-invalid", "true");
    byId(field).focus();
  }
}

function showNoResponse() {
  showStatus("No response.");
  byId("results").replaceChildren(
    createElement(
      "article",
      { className: "result problem" },
      createElement("h3", { textContent: "The server did not respond" }),
      createElement("p", { textContent: "Is it running, and are you online? Then try again." }),
    ),
  );
}

function showResponse(response, body, durationMs) {
  const results = response.ok ? (body.results ?? [body]) : [];
  const cards = response.ok
    ? results.map((result) =>
        result.problem ? createProblemCard(result.problem, result) : createCaptionCard(result),
      )
    : [createProblemCard(body, null, response.headers.get("Retry-After"))];
  byId("results").replaceChildren(...cards);
  const captions = results.filter((result) => !result.problem).length;
  const problems = results.length - captions;
  const counts =
    countNoun(captions, "caption") + (problems ? ` and ${countNoun(problems, "problem")}` : "");
  const duration = `${Math.round(durationMs)} ms`;
  showStatus(
    response.ok ? `${counts} in ${duration}.` : `No caption: ${body.title ?? response.status}.`,
  );
  showFacts(response, results.find((result) => result.image), duration);
  if (response.status === 401) byId("key").focus();
  else if (matchMedia("(max-width: 60rem)").matches) byId("output").focus();
}

function countNoun(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function showCurlCommand(path, body) {
  const hasKey = Boolean(byId("key").value.trim());
  byId("curl-text").textContent = buildCurlCommand(path, body, chosenFile, hasKey);
  byId("curl").hidden = false;
}

// --- event listeners -----------------------------------------------------------------------------

byId("form").addEventListener("submit", sendForm);
byId("cancel").addEventListener("click", () => running?.abort());
byId("remove-image").addEventListener("click", () => {
  removeImage();
  byId("url").focus();
});
byId("url").addEventListener("change", previewUrl);
byId("file").addEventListener("change", () => {
  if (byId("file").files[0]) chooseFile(byId("file").files[0]);
});
byId("key").addEventListener("change", () => {
  storeKey();
  loadStyles();
});
byId("preview-image").addEventListener("error", () => (byId("preview-image").hidden = true));
byId("curl-copy").addEventListener("click", () =>
  copyText(byId("curl-text").textContent, byId("curl-copy")),
);
addEventListener("dragover", (event) => {
  event.preventDefault();
  byId("drop-area").classList.add("active");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) byId("drop-area").classList.remove("active");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  byId("drop-area").classList.remove("active");
  const file = event.dataTransfer.files[0];
  const url = event.dataTransfer.getData("text/uri-list").split("\n")[0];
  if (file) chooseFile(file);
  else if (url) {
    byId("url").value = url;
    previewUrl();
  }
});
addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((item) => item.type.startsWith("image/"));
  if (!file) return;
  event.preventDefault();
  chooseFile(file);
});

restoreKey();
showStyles(DEFAULT_STYLES);
loadStyles();
