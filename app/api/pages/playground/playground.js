// The playground: fills the form's choices from the API, sends what is chosen, shows what comes back.

import { captionCard, problemCard, showFacts } from "./answers.js";
import { curlFor } from "./curl.js";
import { at, copyText, element } from "./page.js";
import { prepared } from "./picture.js";

const KEY = "altwright-key";
const USUAL_STYLES = [
  { name: "concise", purpose: "Alt text for people who do not see the picture." },
  { name: "seo", purpose: "Text for search engines, with the words people look for." },
  { name: "detailed", purpose: "A paragraph of narration." },
];

let chosen = null; // { name, type, dataUrl } of a file that was chosen
let running = null; // the AbortController of the request under way

function authorised(headers = {}) {
  const key = at("key").value.trim();
  return key ? { ...headers, Authorization: `Bearer ${key}` } : headers;
}

// --- the key -------------------------------------------------------------------------------------

function restoreKey() {
  try {
    at("key").value = sessionStorage.getItem(KEY) ?? "";
  } catch {
    // Storage is switched off in this browser: the key stays in the field alone.
  }
}

function rememberKey() {
  try {
    sessionStorage.setItem(KEY, at("key").value.trim());
  } catch {
    // As above.
  }
}

// --- styles --------------------------------------------------------------------------------------

async function loadStyles() {
  let styles = USUAL_STYLES;
  let note = "Several at once cost one download.";
  try {
    const response = await fetch("/v1/styles", { headers: authorised() });
    const answer = await response.json();
    if (response.ok) {
      styles = answer.styles;
    } else if (response.status === 401) {
      note = "These are the usual ones. With your API key this server's own appear too.";
    } else {
      note = `The server's own list did not come: ${answer.detail ?? response.status}`;
    }
  } catch {
    note = "The server did not answer. Is it running?";
  }
  showStyles(styles);
  at("styles-note").textContent = note;
}

function showStyles(styles) {
  const before = new Set(chosenStyles());
  const known = styles.some((style) => before.has(style.name));
  at("styles").replaceChildren(
    ...styles.map((style, index) =>
      element(
        "label",
        { className: "style" },
        element("input", {
          type: "checkbox",
          name: "style",
          value: style.name,
          checked: known ? before.has(style.name) : index === 0,
        }),
        element(
          "span",
          {},
          element("b", { textContent: style.name }),
          element("span", { className: "hint", textContent: style.purpose ?? "" }),
        ),
      ),
    ),
  );
}

function chosenStyles() {
  return [...document.querySelectorAll("input[name=style]:checked")].map((box) => box.value);
}

// --- the picture ---------------------------------------------------------------------------------

async function choose(file) {
  formError("");
  try {
    const { dataUrl, note } = await prepared(file);
    chosen = { name: file.name || "pasted picture", type: file.type, dataUrl };
    at("url").value = "";
    showPreview(dataUrl, `${chosen.name}: ${note}`);
  } catch (error) {
    formError(error.message);
  }
}

function showPreview(source, name) {
  at("preview-image").src = source;
  at("preview-image").hidden = false;
  at("preview-name").textContent = name;
  at("preview").hidden = false;
}

function forget() {
  chosen = null;
  at("file").value = "";
  at("url").value = "";
  at("preview").hidden = true;
  at("preview-image").removeAttribute("src");
}

function previewUrl() {
  const url = at("url").value.trim();
  if (!url) {
    if (!chosen) at("preview").hidden = true;
    return;
  }
  chosen = null;
  at("file").value = "";
  if (/^(https?:|data:image\/)/i.test(url)) showPreview(url, url.slice(0, 120));
}

// --- sending -------------------------------------------------------------------------------------

// What is wrong before anything is sent: [field, sentence], or null. The server judges the rest.
function mistake() {
  if (!chosen && !at("url").value.trim()) return ["url", "Give an address, or choose a file."];
  if (!chosenStyles().length) return [null, "Choose at least one style."];
  const ceiling = at("max-tokens");
  if (!/^\d+$/.test(ceiling.value) || ceiling.value < 32 || ceiling.value > 256) {
    return ["max-tokens", "Most tokens: a whole number from 32 to 256."];
  }
  return null;
}

function requestBody() {
  const styles = chosenStyles();
  const body = { image_url: chosen ? chosen.dataUrl : at("url").value.trim() };
  if (styles.length === 1) body.style = styles[0];
  else body.styles = styles;
  body.max_tokens = Number(at("max-tokens").value);
  body.locale = at("locale").value.trim() || "en";
  if (at("role").value) body.role = at("role").value;
  if (at("context").value.trim()) body.context = at("context").value.trim();
  const keywords = at("keywords").value.split(",").map((word) => word.trim()).filter(Boolean);
  if (keywords.length) body.keywords = keywords;
  return body;
}

async function send(event) {
  event.preventDefault();
  if (running) return;
  const wrong = mistake();
  formError(wrong ? wrong[1] : "", wrong?.[0]);
  if (wrong) return;
  rememberKey();
  const body = requestBody();
  const path = body.styles ? "/v1/image/captions" : "/v1/image/caption";
  showCurl(path, body);
  busy(true);
  const started = performance.now();
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: authorised({ "Content-Type": "application/json" }),
      body: JSON.stringify(body),
      signal: running.signal,
    });
    const answer = await response.json();
    show(response, answer, performance.now() - started);
  } catch (error) {
    if (error.name === "AbortError") status("Cancelled.");
    else failed();
  } finally {
    busy(false);
  }
}

function busy(yes) {
  running = yes ? new AbortController() : null;
  at("result").setAttribute("aria-busy", String(yes));
  at("send").setAttribute("aria-disabled", String(yes));
  at("cancel").hidden = !yes;
  if (yes) {
    status("Working …");
    at("answers").replaceChildren();
    at("facts").hidden = true;
  }
}

// --- showing -------------------------------------------------------------------------------------

function status(text) {
  at("status").textContent = text;
}

function formError(text, field = null) {
  at("form-error").textContent = text;
  at("form-error").hidden = !text;
  for (const input of document.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
  }
  if (text && field) {
    at(field).setAttribute("aria-invalid", "true");
    at(field).focus();
  }
}

function failed() {
  status("No answer.");
  at("answers").replaceChildren(
    element(
      "article",
      { className: "answer problem" },
      element("h3", { textContent: "The server did not answer" }),
      element("p", { textContent: "Is it running, and are you online? Then try again." }),
    ),
  );
}

function show(response, answer, took_ms) {
  const results = response.ok ? (answer.results ?? [answer]) : [];
  const cards = response.ok
    ? results.map((result) =>
        result.problem ? problemCard(result.problem, result) : captionCard(result),
      )
    : [problemCard(answer, null, response.headers.get("Retry-After"))];
  at("answers").replaceChildren(...cards);
  const good = results.filter((result) => !result.problem).length;
  const bad = results.length - good;
  const count = counted(good, "caption") + (bad ? ` and ${counted(bad, "problem")}` : "");
  const took = `${Math.round(took_ms)} ms`;
  status(response.ok ? `${count} in ${took}.` : `No caption: ${answer.title ?? response.status}.`);
  showFacts(response, results.find((result) => result.image), took);
  if (response.status === 401) at("key").focus();
  else if (matchMedia("(max-width: 60rem)").matches) at("result").focus();
}

function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function showCurl(path, body) {
  at("curl-text").textContent = curlFor(path, body, chosen, Boolean(at("key").value.trim()));
  at("curl").hidden = false;
}

// --- wiring --------------------------------------------------------------------------------------

at("form").addEventListener("submit", send);
at("cancel").addEventListener("click", () => running?.abort());
at("forget").addEventListener("click", () => {
  forget();
  at("url").focus();
});
at("url").addEventListener("change", previewUrl);
at("file").addEventListener("change", () => at("file").files[0] && choose(at("file").files[0]));
at("key").addEventListener("change", () => {
  rememberKey();
  loadStyles();
});
at("preview-image").addEventListener("error", () => (at("preview-image").hidden = true));
at("curl-copy").addEventListener("click", () =>
  copyText(at("curl-text").textContent, at("curl-copy")),
);
addEventListener("dragover", (event) => {
  event.preventDefault();
  at("drop").classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) at("drop").classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  const file = event.dataTransfer.files[0];
  const url = event.dataTransfer.getData("text/uri-list").split("\n")[0];
  if (file) choose(file);
  else if (url) {
    at("url").value = url;
    previewUrl();
  }
});
addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
  if (!file) return;
  event.preventDefault();
  choose(file);
});

restoreKey();
showStyles(USUAL_STYLES);
loadStyles();
