// What the person decided: kept in this browser, undone one by one, written into a file.

const KINDS = ["approve", "edit", "decorative", "blank"];
const STORE = `altwright-review ${run.journal}`;

const decisions = new Map(); // key of a picture -> { decision, text, shown, at }
const typed = new Map(); // key -> a text that was typed and not approved yet
const typedOthers = new Map(); // key -> texts of `item.others` as they were typed
const past = []; // [key, what stood there before], for undo
let reviewer = "";
let shortcuts = true;
let saved = true; // whether every decision is in a file that was saved

const current = (item) => decisions.get(item.key);

// The text as it stands now: decided, typed, or as the run left it.
function textOf(item) {
  const made = current(item);
  if (typed.has(item.key)) return typed.get(item.key);
  return made ? made.text : item.text;
}

// The further texts as they stand now.
function othersOf(item) {
  const edits = new Map((current(item)?.edits ?? []).map(([style, locale, text]) => [`${style} ${locale}`, text]));
  return (
    typedOthers.get(item.key) ??
    item.others.map(([style, locale, text]) => edits.get(`${style} ${locale}`) ?? text)
  );
}

// Those of them that differ from what the run made; one that is empty is no edit.
function editsOf(item) {
  return othersOf(item)
    .map((text, index) => [...item.others[index].slice(0, 2), text.trim()])
    .filter(([, , text], index) => text && text !== item.others[index][2]);
}

const isTyped = (item) => typed.has(item.key) || typedOthers.has(item.key);

function forgetTyped(key) {
  typed.delete(key);
  typedOthers.delete(key);
}

function decide(item, decision, text, edits) {
  past.push([item.key, current(item)]);
  decisions.set(item.key, { decision, text, edits, shown: item.text, at: new Date().toISOString() });
  forgetTyped(item.key);
  saved = false;
  remember();
}

// Back to not decided, with the text as the run left it.
function undecide(item) {
  past.push([item.key, current(item)]);
  decisions.delete(item.key);
  saved = false;
  remember();
}

// The key of the picture whose last decision is gone now, or null.
function undoLast() {
  const last = past.pop();
  if (!last) return null;
  const [key, before] = last;
  if (before) decisions.set(key, before);
  else decisions.delete(key);
  forgetTyped(key);
  saved = false;
  remember();
  return key;
}

function typeOther(item, index, text) {
  const texts = [...othersOf(item)];
  texts[index] = text;
  typedOthers.set(item.key, texts);
  rememberSoon();
}

function type(item, text) {
  if (text === (current(item)?.text ?? item.text)) typed.delete(item.key);
  else typed.set(item.key, text);
  rememberSoon();
}

// --- in this browser -----------------------------------------------------------------------------

let waiting = 0;

function rememberSoon() {
  clearTimeout(waiting);
  waiting = setTimeout(remember, 400);
}

function remember() {
  clearTimeout(waiting);
  const kept = { reviewer, shortcuts, decisions: [...decisions], typed: [...typed], typedOthers: [...typedOthers] };
  try {
    localStorage.setItem(STORE, JSON.stringify(kept));
    storageWorks(true);
  } catch {
    storageWorks(false);
  }
}

// Whatever another page of this origin may have put there, only decisions about pictures that still
// have the text that was decided on come back.
function recall() {
  let kept = null;
  try {
    kept = JSON.parse(localStorage.getItem(STORE) ?? "null");
    storageWorks(true);
  } catch {
    storageWorks(false);
  }
  if (!kept || typeof kept !== "object") return;
  reviewer = String(kept.reviewer ?? "");
  shortcuts = kept.shortcuts !== false;
  for (const [key, made] of pairs(kept.decisions)) take(key, made);
  for (const [key, text] of pairs(kept.typed)) {
    if (byKey.has(key) && typeof text === "string") typed.set(key, text);
  }
  for (const [key, texts] of pairs(kept.typedOthers)) {
    const isSound = Array.isArray(texts) && texts.every((text) => typeof text === "string");
    if (isSound && byKey.get(key)?.others.length === texts.length) typedOthers.set(key, texts);
  }
  saved = decisions.size === 0;
}

function pairs(list) {
  return Array.isArray(list) ? list.filter((each) => Array.isArray(each) && each.length === 2) : [];
}

function take(key, made) {
  const item = byKey.get(key);
  const isSound = item && made && KINDS.includes(made.decision) && typeof made.text === "string";
  if (!isSound || made.shown !== item.text) return false;
  const { decision, text, shown } = made;
  const edits = (Array.isArray(made.edits) ? made.edits : []).filter(
    (edit) =>
      Array.isArray(edit) &&
      edit.length === 3 &&
      edit.every((each) => typeof each === "string") &&
      item.others.some(([style, locale]) => style === edit[0] && locale === edit[1]),
  );
  decisions.set(key, { decision, text, edits, shown, at: String(made.at ?? "") });
  return true;
}

// --- in a file -----------------------------------------------------------------------------------

function decisionsFile() {
  const list = items
    .filter((item) => decisions.has(item.key))
    .map((item) => {
      const { decision, text, edits, shown, at } = current(item);
      return { key: item.key, outcome: item.outcome, shown, decision, text, edits, at };
    });
  return { version: 1, journal: run.journal, reviewer, saved_at: new Date().toISOString(), decisions: list };
}

function download() {
  const text = JSON.stringify(decisionsFile(), null, 1);
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const day = new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-");
  element("a", { href: url, download: `decisions-${run.journal}-${day}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  saved = true;
}

// How many decisions of the file fit this page; throws a sentence where it is no such file.
function load(text) {
  let file = null;
  try {
    file = JSON.parse(text);
  } catch {
    throw new Error("That file is no decisions file: it is not JSON.");
  }
  if (file?.version !== 1 || !Array.isArray(file.decisions)) {
    throw new Error("That file is no decisions file of this version.");
  }
  if (file.journal !== run.journal) throw new Error("That file belongs to another run.");
  const fitting = file.decisions.filter((made) => made && take(made.key, made));
  for (const made of fitting) forgetTyped(made.key);
  reviewer ||= String(file.reviewer ?? "");
  past.length = 0;
  remember();
  return fitting.length;
}
