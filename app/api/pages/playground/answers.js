// What came back: a card for each caption or problem, and the facts of the request.

import { at, copyText, element, size } from "./page.js";

const WARNINGS = {
  long_for_screen_readers: "Long for a screen reader: 125 characters are comfortable.",
  unverified_name: "It has a name that the text around the picture does not confirm.",
};

export function captionCard(result) {
  const length = [...result.caption].length;
  const flags = element("p");
  for (const [yes, text] of [
    [result.decorative, 'decorative: write alt=""'],
    [result.truncated, "the ceiling cut it short"],
    ...result.warnings.map((code) => [true, WARNINGS[code] ?? code]),
  ]) {
    if (yes) flags.append(element("span", { className: "flag", textContent: text }));
  }
  const copy = element("button", { type: "button", className: "quiet", textContent: "Copy" });
  copy.setAttribute("aria-label", `Copy the ${result.style} caption`);
  copy.addEventListener("click", () => copyText(result.caption, copy));
  return element(
    "article",
    { className: "answer" },
    element(
      "h3",
      {},
      `${result.style} `,
      element("span", { className: "count", textContent: `${result.locale}, ${length} characters` }),
    ),
    result.decorative
      ? element("p", { className: "caption", textContent: "(no text: it carries no information)" })
      : element("p", { className: "caption", textContent: result.caption, lang: result.locale }),
    flags.childNodes.length ? flags : null,
    result.decorative ? null : copy,
  );
}

export function problemCard(problem, result = null, retryAfter = null) {
  const again = retryAfter ? `after ${retryAfter} s` : "in a moment";
  const reasons = (problem.reasons ?? []).map((item) => item.reason ?? item.code ?? String(item));
  const errors = (problem.errors ?? []).map((item) => `${item.field || "body"}: ${item.message}`);
  const list = [...errors, ...reasons].map((text) => element("li", { textContent: text }));
  const about = [problem.code, problem.request_id].filter(Boolean).join(", request ");
  return element(
    "article",
    { className: "answer problem" },
    element(
      "h3",
      { textContent: problem.title ?? "It did not work" },
      result ? element("span", { className: "count", textContent: ` ${result.style}, ${result.locale}` }) : null,
    ),
    element("p", { className: "problem-line", textContent: problem.detail ?? "" }),
    list.length ? element("ul", {}, ...list) : null,
    problem.draft
      ? element("p", {}, element("b", { textContent: "Draft: " }), problem.draft)
      : null,
    element("p", {
      textContent: problem.retryable
        ? `The same request may work ${again}.`
        : "The same request will not work again unless something is changed.",
    }),
    about ? element("p", { className: "count", textContent: about }) : null,
  );
}

export function showFacts(response, result, took) {
  const rows = [["Time", took]];
  if (result) {
    const { image, usage } = result;
    rows.unshift(
      ["Picture", `${image.width} × ${image.height}, ${image.format}, ${size(image.bytes)}`],
      ["The model saw", `${image.sent_width} × ${image.sent_height}`],
      ["Model", result.model],
    );
    if (usage.input_tokens !== null || usage.output_tokens !== null) {
      rows.push(["Tokens", `${usage.input_tokens ?? "?"} in, ${usage.output_tokens ?? "?"} out`]);
    }
  }
  const left = response.headers.get("X-RateLimit-Remaining");
  if (left !== null) {
    rows.push(["Requests left", `${left} of ${response.headers.get("X-RateLimit-Limit")}`]);
  }
  const id = response.headers.get("X-Request-ID");
  if (id) rows.push(["Request", id]);
  at("facts").replaceChildren(
    ...rows.flatMap(([name, value]) => [
      element("dt", { textContent: name }),
      element("dd", { textContent: value }),
    ]),
  );
  at("facts").hidden = false;
}
