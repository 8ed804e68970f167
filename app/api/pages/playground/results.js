// The results: a card for each picture, and in it one for each caption or problem.

import { copyText, createElement, formatBytes } from "./dom.js";
import { createThumbnail } from "./pictures.js";

const WARNINGS = {
  long_for_screen_readers: "Long for a screen reader: 125 characters are comfortable.",
  unverified_name: "It contains a name that the text around the image does not confirm.",
  generic: "A placeholder: it says nothing that tells this image from others.",
  keywords_unused: "Keywords were sent, and this style has no use for them: seo has.",
  small_source: "The image is too small, too narrow or too tall to be seen well.",
};

// { element, picture, captions, problems }, and what shows the state of the picture's request.
// `retry` is called with the card.
export function createPictureCard(picture, { isOpen, retry }) {
  const state = createElement("p", { className: "state", textContent: "Waiting …" });
  const body = createElement("div", { className: "results" });
  const card = {
    picture,
    captions: 0,
    problems: 0,
    element: createElement(
      "article",
      { className: "picture" },
      createThumbnail(picture),
      createElement("div", {}, createElement("h3", { textContent: picture.name }), state),
      body,
    ),
    showWorking(text = "Working …") {
      showState(text);
      body.replaceChildren();
    },
    showCancelled() {
      if (!state.hidden) showState("Cancelled.");
    },
    showResponse(response) {
      const results = response.ok ? (response.body.results ?? [response.body]) : [];
      card.problems = response.ok ? results.filter((result) => result.problem).length : 1;
      card.captions = response.ok ? results.length - card.problems : 0;
      showState("");
      body.replaceChildren(
        ...(response.ok
          ? results.map((result) => createResult(result, picture))
          : [createProblem(response.body, null, response.headers.get("Retry-After"))]),
        ...(!response.ok && response.body.retryable ? [createRetryButton()] : []),
        createFacts(response, results.find((result) => result.image), isOpen),
      );
    },
  };
  return card;

  function showState(text) {
    state.textContent = text;
    state.hidden = !text;
  }

  function createRetryButton() {
    const button = createElement("button", {
      type: "button",
      className: "button",
      textContent: "Try again",
    });
    button.setAttribute("aria-label", `Try again: ${picture.name}`);
    button.addEventListener("click", () => retry(card));
    return button;
  }
}

function createResult(result, picture) {
  return result.problem ? createProblem(result.problem, result) : createCaption(result, picture);
}

function createCaption(result, picture) {
  const length = [...result.caption].length;
  const flags = createElement("p");
  for (const [applies, text] of [
    [result.decorative, 'decorative: write alt=""'],
    [result.truncated, "cut off at the maximum number of tokens"],
    ...result.warnings.map((code) => [true, WARNINGS[code] ?? code]),
    [result.model === "embedded", "by the embedded captioner, not by a model"],
  ]) {
    if (applies) flags.append(createElement("span", { className: "flag", textContent: text }));
  }
  const copy = createElement("button", {
    type: "button",
    className: "link-button",
    textContent: "Copy",
  });
  copy.setAttribute("aria-label", `Copy the ${result.style} caption of ${picture.name}`);
  copy.addEventListener("click", () => copyText(result.caption, copy));
  return createElement(
    "section",
    { className: "result" },
    createElement(
      "h4",
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

function createProblem(problem, result = null, retryAfter = null) {
  const when = retryAfter ? `after ${retryAfter} s` : "in a moment";
  const reasons = (problem.reasons ?? []).map((item) => item.reason ?? item.code ?? String(item));
  const errors = (problem.errors ?? []).map((item) => `${item.field || "body"}: ${item.message}`);
  const items = [...errors, ...reasons].map((text) => createElement("li", { textContent: text }));
  const identifiers = [problem.code, problem.request_id].filter(Boolean).join(", request ");
  return createElement(
    "section",
    { className: "result problem" },
    createElement(
      "h4",
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

function createFacts(response, result, isOpen) {
  const rows = [["Time", `${Math.round(response.durationMs)} ms`]];
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
    const limit = response.headers.get("X-RateLimit-Limit");
    rows.push(["Requests left", `${remaining} of ${limit}`]);
  }
  const requestId = response.headers.get("X-Request-ID");
  if (requestId) rows.push(["Request", requestId]);
  return createElement(
    "details",
    { className: "facts", open: isOpen },
    createElement("summary", { textContent: "Facts of this request" }),
    createElement(
      "dl",
      {},
      ...rows.flatMap(([name, value]) => [
        createElement("dt", { textContent: name }),
        createElement("dd", { textContent: value }),
      ]),
    ),
  );
}
