// The playground: fills in the styles from the API, sends each picture, and shows the responses.

import { fetchStyles, hasOnlyEmbeddedCaptioner, requestCaptions } from "./api.js";
import { buildCurlCommand } from "./curl.js";
import { byId, copyText, countNoun, createElement } from "./dom.js";
import { addFiles, chosenPictures, replaceFiles } from "./pictures.js";
import { createPictureCard } from "./results.js";

const KEY_STORAGE = "altwright-key";
const AT_ONCE = 2; // pictures in work; more would only wait in the server's queue
const WAIT_MAX_S = 60; // a longer wait for the rate limit is shown, not waited out
const SHORT_CEILING = 64;
const LONG_CEILING = 256;
const LONG_STYLE_CHARS = 200; // a style that may be longer needs more than SHORT_CEILING tokens
const DEFAULT_STYLES = [
  { name: "concise", purpose: "Alt text for people who do not see the image." },
  { name: "seo", purpose: "Text for search engines, with the words that people search for." },
  { name: "detailed", purpose: "A paragraph of narration.", limits: { max_chars: 1000 } },
];

let knownStyles = DEFAULT_STYLES;
let isCeilingChosen = false; // the user has changed the maximum of tokens
let running = null; // the AbortController of the requests in progress

// --- API key -------------------------------------------------------------------------------------

function currentKey() {
  return byId("key").value.trim();
}

function restoreKey() {
  try {
    byId("key").value = sessionStorage.getItem(KEY_STORAGE) ?? "";
  } catch {
    // Storage is switched off in this browser: the key stays in the field only.
  }
  byId("key-field").hidden = !currentKey();
}

function storeKey() {
  try {
    sessionStorage.setItem(KEY_STORAGE, currentKey());
  } catch {
    // As above.
  }
}

// --- styles --------------------------------------------------------------------------------------

async function loadStyles() {
  const { ok, status, body } = await fetchStyles(currentKey());
  let note = "Several styles need only one download.";
  if (ok) {
    knownStyles = body.styles;
  } else if (status === 401) {
    byId("key-field").hidden = false;
    note = "These are the default styles. Enter your API key to see those of this server.";
  } else {
    note = `The styles of this server could not be loaded: ${body.detail}`;
  }
  showStyles();
  byId("styles-note").textContent = note;
}

function showStyles() {
  const chosenBefore = new Set(chosenStyles());
  const isAnyKnown = knownStyles.some((style) => chosenBefore.has(style.name));
  byId("styles").replaceChildren(
    ...knownStyles.map((style, index) =>
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
  raiseCeiling();
}

function chosenStyles() {
  return [...document.querySelectorAll("input[name=style]:checked")].map((box) => box.value);
}

// A ceiling is no target, so one that a long style needs makes no short caption longer.
function raiseCeiling() {
  if (isCeilingChosen) return;
  const chosen = new Set(chosenStyles());
  const isLong = (style) => chosen.has(style.name) && style.limits?.max_chars > LONG_STYLE_CHARS;
  byId("max-tokens").value = knownStyles.some(isLong) ? LONG_CEILING : SHORT_CEILING;
}

// --- sending -------------------------------------------------------------------------------------

// The first mistake in the form: [field, sentence], or null. The server validates everything else.
function findMistake() {
  if (!chosenPictures().length) return ["url", "Choose a file, click a sample, or enter a URL."];
  if (!chosenStyles().length) return [null, "Choose at least one style."];
  const maxTokens = byId("max-tokens");
  if (!/^\d+$/.test(maxTokens.value) || maxTokens.value < 32 || maxTokens.value > 256) {
    return ["max-tokens", "Max. tokens: enter a whole number from 32 to 256."];
  }
  return null;
}

function readFields() {
  const styles = chosenStyles();
  const fields = styles.length === 1 ? { style: styles[0] } : { styles };
  fields.max_tokens = Number(byId("max-tokens").value);
  fields.locale = byId("locale").value.trim() || "en";
  for (const [name, id] of [["role", "role"], ["context", "context"], ["visible_text", "visible-text"]]) {
    const value = byId(id).value.trim();
    if (value) fields[name] = value;
  }
  const keywords = byId("keywords").value.split(",").map((word) => word.trim()).filter(Boolean);
  if (keywords.length) fields.keywords = keywords;
  return fields;
}

async function sendForm() {
  const mistake = findMistake();
  showFormError(mistake ? mistake[1] : "", mistake?.[0]);
  if (mistake) return;
  storeKey();
  const pictures = chosenPictures();
  const fields = readFields();
  byId("curl-text").textContent = buildCurlCommand(pictures[0], fields, Boolean(currentKey()));
  byId("curl").hidden = false;
  const cards = pictures.map((picture) =>
    createPictureCard(picture, { isOpen: pictures.length === 1, retry: retryPicture }),
  );
  byId("results").replaceChildren(...cards.map((card) => card.element));
  bringOutputIntoView();
  await run(cards, (card) => sendPicture(card, fields));

  async function retryPicture(card) {
    if (!running) await run([card], () => sendPicture(card, fields));
  }
}

// Works on the cards, AT_ONCE at a time. A picture that fails does not stop the others.
async function run(cards, work) {
  const waiting = [...cards];
  const startedMs = performance.now();
  running?.abort();
  const current = (running = new AbortController());
  showRunning(true);
  showProgress(0, cards.length);
  let done = 0;
  const takeTurns = async () => {
    while (waiting.length) {
      await work(waiting.shift());
      if (current === running) showProgress(++done, cards.length);
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, takeTurns));
    if (current === running) showTotal(cards, performance.now() - startedMs);
  } catch (error) {
    if (error.name !== "AbortError") throw error;
    if (current === running) showStatus("Cancelled.");
    for (const card of cards) card.showCancelled();
  } finally {
    if (current === running) {
      running = null;
      showRunning(false);
    }
  }
}

async function sendPicture(card, fields) {
  const { signal } = running;
  for (;;) {
    card.showWorking();
    const response = await requestCaptions(card.picture, fields, currentKey(), signal);
    signal.throwIfAborted();
    const waitS = Number(response.headers.get("Retry-After"));
    if (response.body.code !== "rate_limited" || !waitS || waitS > WAIT_MAX_S) {
      card.showResponse(response);
      if (response.status === 401) askForKey();
      return;
    }
    card.showWorking(`The rate limit is reached; it goes on in ${waitS} s.`);
    await wait(waitS * 1000, signal);
  }
}

function wait(durationMs, signal) {
  return new Promise((resolve, reject) => {
    setTimeout(resolve, durationMs);
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

async function sendSample(name) {
  const response = await fetch(`playground/${name}`);
  replaceFiles([new File([await response.blob()], name, { type: response.headers.get("Content-Type") })]);
  await sendForm();
}

// --- showing -------------------------------------------------------------------------------------

function showStatus(text) {
  byId("status").textContent = text;
}

function showRunning(isRunning) {
  byId("output").setAttribute("aria-busy", String(isRunning));
  byId("send").setAttribute("aria-disabled", String(isRunning));
  byId("cancel").hidden = !isRunning;
}

function showProgress(done, all) {
  showStatus(all === 1 ? "Working …" : `Working … ${done} of ${all} pictures are done.`);
}

function showTotal(cards, durationMs) {
  const captions = cards.reduce((sum, card) => sum + card.captions, 0);
  const problems = cards.reduce((sum, card) => sum + card.problems, 0);
  const parts = [];
  if (captions || !problems) parts.push(countNoun(captions, "caption"));
  if (problems) parts.push(countNoun(problems, "problem"));
  const of = cards.length > 1 ? ` for ${cards.length} pictures` : "";
  showStatus(`${parts.join(" and ")}${of} in ${Math.round(durationMs)} ms.`);
}

// Beside the form it is visible already, unless the page was scrolled; below it, it is not.
function bringOutputIntoView() {
  const { top, bottom } = byId("output-title").getBoundingClientRect();
  if (top >= 0 && bottom < innerHeight / 2) return;
  byId("output").focus({ preventScroll: true });
  byId("output").scrollIntoView({ block: "start" });
}

function askForKey() {
  byId("key-field").hidden = false;
  showFormError("This server needs a valid API key.", "key");
}

function showFormError(text, field = null) {
  byId("form-error").textContent = text;
  byId("form-error").hidden = !text;
  for (const input of document.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
  }
  if (text && field) {
    if (byId("more").contains(byId(field))) byId("more").open = true;
    byId(field).setAttribute("aria-invalid", "true");
    byId(field).focus();
  }
}

// --- event listeners -----------------------------------------------------------------------------

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!running) sendForm();
});
byId("cancel").addEventListener("click", () => running?.abort());
byId("file").addEventListener("change", () => {
  addFiles(byId("file").files);
  byId("file").value = "";
});
byId("styles").addEventListener("change", raiseCeiling);
byId("max-tokens").addEventListener("input", () => (isCeilingChosen = true));
byId("key").addEventListener("change", () => {
  storeKey();
  loadStyles();
});
byId("curl-copy").addEventListener("click", () =>
  copyText(byId("curl-text").textContent, byId("curl-copy")),
);
for (const button of document.querySelectorAll("[data-sample]")) {
  button.addEventListener("click", () => sendSample(button.dataset.sample));
}
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
  const url = event.dataTransfer.getData("text/uri-list").split("\n")[0];
  if (event.dataTransfer.files.length) addFiles(event.dataTransfer.files);
  else if (url) byId("url").value = url;
});
addEventListener("paste", (event) => {
  const images = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
  if (!images.length) return;
  event.preventDefault();
  addFiles(images);
});

restoreKey();
showStyles();
loadStyles();
hasOnlyEmbeddedCaptioner().then((isOnly) => (byId("captioner-note").hidden = !isOnly));
