// Cards: one picture each, with its text, its flags, and the buttons to decide.

const LONG_CHARS = 125;
const OUTCOME_LABELS = {
  ai: "by the model",
  reviewed: "approved by a person",
  "human-edited-ai": "edited by a person",
  human: "by a person",
  decorative: "decorative",
  uncertain: "uncertain",
  held: "held by a rule",
  rejected: "rejected",
  failed: "failed",
  pending: "not asked yet",
};
const KIND_LABELS = { text: "Text", colour: "Colour", subject: "Thing" };
const VERDICT_LABELS = { contradicted: "contradicted", confirmed: "confirmed", unknown: "unknown" };
const DECISION_LABELS = { approve: "Approved", edit: "Approved as edited", decorative: "Decorative", blank: "Left blank" };

// Create an element. Strings become text nodes, never markup.
function element(tag, properties = {}, ...children) {
  const created = Object.assign(document.createElement(tag), properties);
  created.append(...children.filter((child) => child !== null));
  return created;
}

// Images by their text, to flag a text that several different images share.
const imagesByText = new Map();

const normalise = (text) => text.trim().toLowerCase().replace(/[\s.!?,;:]+/g, " ").trim();

function countTexts() {
  imagesByText.clear();
  for (const item of items) {
    const decision = decisionOf(item);
    const isBlank = ["decorative", "blank"].includes(decision?.decision);
    const text = normalise(isBlank ? "" : (decision?.text ?? item.text));
    if (!text) continue;
    if (!imagesByText.has(text)) imagesByText.set(text, new Set());
    imagesByText.get(text).add(item.image);
  }
}

function countRepeats(item) {
  return (imagesByText.get(normalise(textOf(item)))?.size ?? 1) - 1;
}

function flagsOf(item) {
  const flags = item.reasons.map((text) => ({ text, isReason: true }));
  flags.push(...item.warnings.map((code) => ({ text: code.replaceAll("_", " ") })));
  const others = countRepeats(item);
  if (others > 0) flags.push({ text: `same text on ${others} other picture${others === 1 ? "" : "s"}` });
  return flags;
}

function isFlagged(item, kind) {
  if (kind === "contradicted") return item.evidence.some((group) => group.claims[0][1] === "contradicted");
  if (kind === "repeated") return countRepeats(item) > 0;
  if (kind === "long") return textOf(item).length > LONG_CHARS;
  if (kind === "blank") return !textOf(item).trim();
  return flagsOf(item).length > 0 || textOf(item).length > LONG_CHARS;
}

// IDs are numbers: a key may contain characters that an ID must not have.
const idOf = (item) => `card-${item.number}`;

function createCard(item) {
  const id = idOf(item);
  const field = element("textarea", { id: `${id}-text`, rows: 2, value: textOf(item), lang: item.locale, dir: "auto" });
  field.setAttribute("aria-describedby", `${id}-length ${id}-flags`);
  const card = element(
    "article",
    { id, className: "card", tabIndex: -1 },
    createThumbnail(item),
    element(
      "div",
      {},
      element("h3", { id: `${id}-name`, textContent: `${item.number}. ${item.name}` }),
      createFacts(item),
      element("ul", { id: `${id}-flags`, className: "flags" }),
      createEvidence(item),
      element("label", { htmlFor: field.id, textContent: "Alt text" }),
      field,
      element("p", { id: `${id}-length`, className: "length" }),
      ...item.others.flatMap((each, index) => createFurtherText(id, each, index)),
      element("div", { className: "kept" }),
      item.context ? element("p", { className: "context", textContent: `Context: ${item.context}` }) : null,
      element(
        "div",
        { className: "acts" },
        createButton(item, "approve", "Approve"),
        createButton(item, "decorative", "Decorative", true),
        createButton(item, "blank", "Leave blank", true),
        element("p", { className: "verdict" }),
      ),
    ),
  );
  card.setAttribute("aria-labelledby", `${id}-name`);
  refresh(item, card);
  return card;
}

// Approving the alt text approves the further texts too: they are shown, and may be edited.
function createFurtherText(id, [style, locale, text, draft], index) {
  const field = element("textarea", { id: `${id}-other-${index}`, rows: 2, value: text, lang: locale, dir: "auto" });
  if (!text) field.placeholder = draft ? `Not written: the draft broke rules. ${draft}` : "Not written.";
  field.dataset.other = index;
  return [element("label", { htmlFor: field.id, className: "other", textContent: `${style}, ${locale}` }), field];
}

function createButton(item, decision, label, isQuiet = false) {
  const button = element("button", { type: "button", textContent: label, className: isQuiet ? "quiet" : "" });
  button.dataset.decision = decision;
  // The label first, for speech control; then the picture.
  button.setAttribute("aria-label", `${label}: ${item.name}`);
  return button;
}

function createThumbnail(item) {
  const frame = element("div", { className: "thumb" });
  const showPlaceholder = () => frame.replaceChildren(element("p", { textContent: "The picture cannot be shown." }));
  if (!item.thumb) {
    showPlaceholder();
    return frame;
  }
  // Empty alt text: the text field beside it has the text, and is what a screen reader should read.
  const image = element("img", { alt: "", loading: "lazy", decoding: "async", referrerPolicy: "no-referrer" });
  image.addEventListener("error", showPlaceholder);
  image.src = item.thumb;
  frame.append(image);
  return frame;
}

function createFacts(item) {
  const line = element("p", { className: "facts" }, element("span", { textContent: OUTCOME_LABELS[item.outcome] ?? item.outcome }));
  for (const text of [item.locale, item.model, item.is_drawn ? "drawn at random" : ""]) {
    if (text) line.append(element("span", { textContent: text }));
  }
  if (item.link) {
    const link = element("a", { href: item.link, target: "_blank", rel: "noopener noreferrer", textContent: "Open picture" });
    link.setAttribute("aria-label", `Open picture ${item.name} in a new tab`);
    line.append(link);
  }
  return line;
}

// What the picture says to the claims of the texts: a verdict for each, and what was seen.
function createEvidence(item) {
  if (!item.evidence.length) return null;
  const id = `${idOf(item)}-evidence`;
  const box = element("div", { className: "evidence" }, element("p", { id, className: "evidence-title" }));
  box.setAttribute("role", "group");
  box.setAttribute("aria-labelledby", id);
  for (const group of item.evidence) {
    const claims = group.claims.map(([claim, verdict]) => createClaim(item, group, claim, verdict));
    box.append(element("ul", {}, ...claims), createSeen(group));
  }
  return box;
}

function createClaim(item, group, claim, verdict) {
  const kind = group.of ? `${KIND_LABELS[group.kind] ?? group.kind} (${group.of})` : (KIND_LABELS[group.kind] ?? group.kind);
  const said = element("span", { textContent: group.kind === "text" ? `“${claim}”` : claim, lang: item.locale, dir: "auto" });
  const known = Object.hasOwn(VERDICT_LABELS, verdict) ? verdict : "unknown";
  return element("li", { className: `claim ${known}` }, `${kind} `, said, element("strong", { textContent: `: ${VERDICT_LABELS[known]}` }));
}

function createSeen(group) {
  if (group.swatches.length) {
    const colours = group.swatches.map(([name, code, percent]) => {
      const swatch = element("span", { className: "swatch" });
      swatch.style.backgroundColor = code;
      return element("li", {}, swatch, `${name} ${percent} %`);
    });
    const list = element("ul", { className: "swatches" }, ...colours);
    list.setAttribute("aria-label", "Colours of the picture");
    return list;
  }
  if (!group.seen) return element("p", { className: "seen", textContent: "Nothing of this was seen surely." });
  const label = group.kind === "text" ? "Read in the picture: " : "Seen in the picture: ";
  return element("p", { className: "seen" }, label, element("q", { textContent: group.seen, dir: "auto" }));
}

// Texts that were typed and are in no field now: each can be put back.
function refreshKept(item, box) {
  const kept = keptOf(item);
  const names = ["Alt text", ...item.others.map(([style, locale]) => `${style}, ${locale}`)];
  const entries = kept.map(([index, text]) => {
    const button = element("button", { type: "button", className: "quiet", textContent: "Use this text" });
    button.setAttribute("aria-label", `Use this text: ${text}`);
    button.dataset.kept = JSON.stringify([index, text]);
    const name = item.others.length ? `${names[index] ?? ""}: ` : "";
    return element("li", {}, element("span", { textContent: `${name}${text}`, dir: "auto" }), button);
  });
  box.hidden = !entries.length;
  box.replaceChildren(element("p", { textContent: "Typed before, and kept:" }), element("ul", {}, ...entries));
}

// Update a card after something was typed or decided.
function refresh(item, card = document.getElementById(idOf(item))) {
  if (!card) return;
  const decision = decisionOf(item);
  const text = textOf(item);
  const texts = [text, ...othersOf(item)];
  card.querySelectorAll("textarea").forEach((field, index) => {
    if (field.value !== texts[index]) field.value = texts[index];
  });
  const length = card.querySelector(".length");
  length.textContent = `${text.length} characters${text.length > LONG_CHARS ? `, over ${LONG_CHARS}: long for a screen reader` : ""}`;
  length.classList.toggle("over", text.length > LONG_CHARS);
  card.querySelector(".flags").replaceChildren(
    ...flagsOf(item).map((flag) =>
      element("li", { className: flag.isReason ? "flag reason" : "flag", textContent: flag.text }),
    ),
  );
  refreshKept(item, card.querySelector(".kept"));
  const title = card.querySelector(".evidence-title");
  if (title) title.textContent = `What the picture says${text === item.text ? "" : " to the text before it was edited"}`;
  const isUnapproved = isTyped(item);
  const kind = decision && !isUnapproved ? decision.decision : null;
  card.classList.toggle("decided", Boolean(kind));
  card.classList.toggle("typed", isUnapproved);
  card.querySelector(".verdict").textContent = kind ? `${DECISION_LABELS[kind]}.` : isUnapproved ? "Typed, not approved yet." : "";
  for (const button of card.querySelectorAll("[data-decision]")) {
    const isPressed = kind === button.dataset.decision || (kind === "edit" && button.dataset.decision === "approve");
    button.setAttribute("aria-pressed", String(isPressed));
  }
  const approve = card.querySelector("[data-decision=approve]");
  approve.textContent = isUnapproved ? "Approve edit" : "Approve";
  approve.setAttribute("aria-label", `${approve.textContent}: ${item.name}`);
}
