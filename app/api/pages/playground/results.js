// The results of a request: a card for each caption or problem, and the facts of the request.

import { byId, copyText, createElement, formatBytes } from "./dom.js";

const WARNINGS = {
  long_for_screen_readers: "Long for a screen reader: 125 characters are comfortable.",
  unverified_name: "It contains a name that the text around the image does not confirm.",
  generic: "A placeholder: it says nothing that tells this image from others.",
  keywords_unused: "Keywords were sent, and this style has no use for them: seo has.",
  small_source: "The image is too small, too narrow or too tall to be seen well.",
};

export function createCaptionCard(result) {
  const length = [...result.caption].length;
  const flags = createElement("p");
  for (const [applies, text] of [
    [result.decorative, 'decorative: write alt=""'],
    [result.truncated, "cut off at the maximum number of tokens"],
    ...result.warnings.map((code) => [true, WARNINGS[code] ?? code]),
  ]) {
    if (applies) flags.append(createElement("span", { className: "flag", textContent: text }));
  }
  const copy = createElement("button", {
    type: "button",
    className: "link-button",
    textContent: "Copy",
  });
  copy.setAttribute("aria-label", `Copy the ${result.style} caption`);
  copy.addEventListener("click", () => copyText(result.caption, copy));
  return createElement(
    "article",
    { className: "result" },
    createElement(
      "h3",
      {},
      `${result.style} `,
      createElement("span", {
        className: "detail",
        textContent: `${result.locale}, ${length} characters`,
      }),
    ),
    result.decorative
      ? createElement("p", {
          className: "caption",
          textContent: "(no text: the image carries no information)",
        })
      : createElement("p", {
          className: "caption",
          textContent: result.caption,
          lang: result.locale,
        }),
    flags.childNodes.length ? flags : null,
    result.decorative ? null : copy,
  );
}

export function createProblemCard(problem, result = null, retryAfter = null) {
  const when = retryAfter ? `after ${retryAfter} s` : "in a moment";
  const reasons = (problem.reasons ?? []).map((item) => item.reason ?? item.code ?? String(item));
  const errors = (problem.errors ?? []).map((item) => `${item.field || "body"}: ${item.message}`);
  const items = [...errors, ...reasons].map((text) => createElement("li", { textContent: text }));
  const identifiers = [problem.code, problem.request_id].filter(Boolean).join(", request ");
  return createElement(
    "article",
    { className: "result problem" },
    createElement(
      "h3",
      { textContent: problem.title ?? "The request failed" },
      result
        ? createElement("span", {
            className: "detail",
            textContent: ` ${result.style}, ${result.locale}`,
          })
        : null,
    ),
    createElement("p", { className: "error-text", textContent: problem.detail ?? "" }),
    items.length ? createElement("ul", {}, ...items) : null,
    problem.draft
      ? createElement("p", {}, createElement("b", { textContent: "Draft: " }), problem.draft)
      : null,
    createElement("p", {
      textContent: problem.retryable
        ? `The same request may succeed ${when}.`
        : "The same request will fail again unless it is changed.",
    }),
    identifiers ? createElement("p", { className: "detail", textContent: identifiers }) : null,
  );
}

export function showFacts(response, result, duration) {
  const rows = [["Time", duration]];
  if (result) {
    const { image, usage } = result;
    rows.unshift(
      ["Image", `${image.width} × ${image.height}, ${image.format}, ${formatBytes(image.bytes)}`],
      ["The model saw", `${image.sent_width} × ${image.sent_height}`],
      ["Model", result.model],
    );
    if (usage.input_tokens !== null || usage.output_tokens !== null) {
      rows.push(["Tokens", `${usage.input_tokens ?? "?"} in, ${usage.output_tokens ?? "?"} out`]);
    }
  }
  const remaining = response.headers.get("X-RateLimit-Remaining");
  if (remaining !== null) {
    rows.push(["Requests left", `${remaining} of ${response.headers.get("X-RateLimit-Limit")}`]);
  }
  const requestId = response.headers.get("X-Request-ID");
  if (requestId) rows.push(["Request", requestId]);
  byId("facts").replaceChildren(
    ...rows.flatMap(([name, value]) => [
      createElement("dt", { textContent: name }),
      createElement("dd", { textContent: value }),
    ]),
  );
  byId("facts").hidden = false;
}
