// One picture with its text, what is wrong with it, and what can be decided.

const LONG = 125;
const SAYS = {
  ai: "by the model",
  "human-edited-ai": "reviewed",
  human: "by a person",
  decorative: "decorative",
  uncertain: "uncertain",
  held: "held by a rule",
  rejected: "rejected",
  failed: "failed",
  pending: "not asked yet",
};
const VERDICTS = { approve: "Approved", edit: "Approved as edited", decorative: "Decorative", blank: "Left blank" };

// Texts become text nodes, never markup, whoever wrote them.
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

// Pictures of each text, so that one that stands on several different ones is seen at once.
const using = new Map();

const folded = (text) => text.trim().toLowerCase().replace(/[\s.!?,;:]+/g, " ").trim();

function countTexts() {
  using.clear();
  for (const item of items) {
    const made = current(item);
    const text = folded(made ? (["decorative", "blank"].includes(made.decision) ? "" : made.text) : item.text);
    if (!text) continue;
    if (!using.has(text)) using.set(text, new Set());
    using.get(text).add(item.image);
  }
}

function repeats(item) {
  return (using.get(folded(textOf(item)))?.size ?? 1) - 1;
}

function flagsOf(item) {
  const flags = item.reasons.map((text) => ({ text, isReason: true }));
  flags.push(...item.warnings.map((code) => ({ text: code.replaceAll("_", " ") })));
  const others = repeats(item);
  if (others > 0) flags.push({ text: `same text on ${others} other picture${others === 1 ? "" : "s"}` });
  return flags;
}

function isFlagged(item, kind) {
  if (kind === "repeated") return repeats(item) > 0;
  if (kind === "long") return textOf(item).length > LONG;
  if (kind === "blank") return !textOf(item).trim();
  return flagsOf(item).length > 0 || textOf(item).length > LONG;
}

// A number on the page for each picture: keys may hold anything and cannot be ids.
const idOf = (item) => `card-${item.number}`;

function card(item) {
  const id = idOf(item);
  const field = element("textarea", { id: `${id}-text`, rows: 2, value: textOf(item), lang: item.locale, dir: "auto" });
  field.setAttribute("aria-describedby", `${id}-length ${id}-flags`);
  const made = element(
    "article",
    { id, className: "card", tabIndex: -1 },
    thumb(item),
    element(
      "div",
      {},
      element("h3", { id: `${id}-name`, textContent: `${item.number}. ${item.name}` }),
      facts(item),
      element("ul", { id: `${id}-flags`, className: "flags" }),
      element("label", { htmlFor: field.id, textContent: "Alt text" }),
      field,
      element("p", { id: `${id}-length`, className: "length" }),
      ...item.others.flatMap((each, index) => other(id, each, index)),
      item.context ? element("p", { className: "context", textContent: `Context: ${item.context}` }) : null,
      element(
        "div",
        { className: "acts" },
        act(item, "approve", "Approve"),
        act(item, "decorative", "Decorative", true),
        act(item, "blank", "Leave blank", true),
        element("p", { className: "verdict" }),
      ),
    ),
  );
  made.setAttribute("aria-labelledby", `${id}-name`);
  refresh(item, made);
  return made;
}

// Approving the alt text approves these with it: they have to be seen, and may be edited.
function other(id, [style, locale, text], index) {
  const field = element("textarea", { id: `${id}-other-${index}`, rows: 2, value: text, lang: locale, dir: "auto" });
  field.dataset.other = index;
  return [element("label", { htmlFor: field.id, className: "other", textContent: `${style}, ${locale}` }), field];
}

function act(item, decision, label, isQuiet = false) {
  const button = element("button", { type: "button", textContent: label, className: isQuiet ? "quiet" : "" });
  button.dataset.decision = decision;
  // Its own words first, for who speaks to the page; then which picture is meant.
  button.setAttribute("aria-label", `${label}: ${item.name}`);
  return button;
}

function thumb(item) {
  const frame = element("div", { className: "thumb" });
  const missing = () => frame.replaceChildren(element("p", { textContent: "The picture cannot be shown." }));
  if (!item.thumb) {
    missing();
    return frame;
  }
  // The alt of this picture is the text field beside it; it is here to be judged, not to be read out.
  const image = element("img", { alt: "", loading: "lazy", decoding: "async", referrerPolicy: "no-referrer" });
  image.addEventListener("error", missing);
  image.src = item.thumb;
  frame.append(image);
  return frame;
}

function facts(item) {
  const line = element("p", { className: "facts" }, element("span", { textContent: SAYS[item.outcome] ?? item.outcome }));
  for (const text of [item.locale, item.model]) {
    if (text) line.append(element("span", { textContent: text }));
  }
  if (item.link) {
    const link = element("a", { href: item.link, target: "_blank", rel: "noopener noreferrer", textContent: "Open picture" });
    link.setAttribute("aria-label", `Open picture ${item.name} in a new tab`);
    line.append(link);
  }
  return line;
}

// What changes when something is typed or decided.
function refresh(item, made = document.getElementById(idOf(item))) {
  if (!made) return;
  const decided = current(item);
  const text = textOf(item);
  const texts = [text, ...othersOf(item)];
  made.querySelectorAll("textarea").forEach((field, index) => {
    if (field.value !== texts[index]) field.value = texts[index];
  });
  const length = made.querySelector(".length");
  length.textContent = `${text.length} characters${text.length > LONG ? `, over ${LONG}: long for a screen reader` : ""}`;
  length.classList.toggle("over", text.length > LONG);
  made.querySelector(".flags").replaceChildren(
    ...flagsOf(item).map((flag) =>
      element("li", { className: flag.isReason ? "flag reason" : "flag", textContent: flag.text }),
    ),
  );
  const isOpen = isTyped(item);
  const kind = decided && !isOpen ? decided.decision : null;
  made.classList.toggle("decided", Boolean(kind));
  made.classList.toggle("typed", isOpen);
  made.querySelector(".verdict").textContent = kind ? `${VERDICTS[kind]}.` : isOpen ? "Typed, not approved yet." : "";
  for (const button of made.querySelectorAll("[data-decision]")) {
    const isOn = kind === button.dataset.decision || (kind === "edit" && button.dataset.decision === "approve");
    button.setAttribute("aria-pressed", String(isOn));
  }
  const approve = made.querySelector("[data-decision=approve]");
  approve.textContent = isOpen ? "Approve edit" : "Approve";
  approve.setAttribute("aria-label", `${approve.textContent}: ${item.name}`);
}
