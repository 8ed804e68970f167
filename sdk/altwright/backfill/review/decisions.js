// Decisions: stored in this browser, undone one by one, saved to a file.

const KINDS = ["approve", "edit", "decorative", "blank"];
const STORAGE_KEY = `altwright-review ${run.journal}`;

const decisions = new Map(); // key of a picture -> { decision, text, shown, at }
const typedTexts = new Map(); // key -> a text that was typed and is not approved yet
const typedOthers = new Map(); // key -> typed texts of `item.others`
const undoStack = []; // [key, decision before], for undo
let reviewer = "";
let hasShortcuts = true;
let isSaved = true; // whether every decision is in a saved file

const decisionOf = (item) => decisions.get(item.key);

// The text as it is now: typed, decided, or as the run left it.
function textOf(item) {
  if (typedTexts.has(item.key)) return typedTexts.get(item.key);
  return decisionOf(item)?.text ?? item.text;
}

// The further texts as they are now.
function othersOf(item) {
  const edits = new Map((decisionOf(item)?.edits ?? []).map(([style, locale, text]) => [`${style} ${locale}`, text]));
  return (
    typedOthers.get(item.key) ??
    item.others.map(([style, locale, text]) => edits.get(`${style} ${locale}`) ?? text)
  );
}

// Further texts that differ from those of the run; an empty one is not an edit.
function editsOf(item) {
  return othersOf(item)
    .map((text, index) => [...item.others[index].slice(0, 2), text.trim()])
    .filter(([, , text], index) => text && text !== item.others[index][2]);
}

const isTyped = (item) => typedTexts.has(item.key) || typedOthers.has(item.key);

function forgetTyped(key) {
  typedTexts.delete(key);
  typedOthers.delete(key);
}

function decide(item, decision, text, edits) {
  undoStack.push([item.key, decisionOf(item)]);
  decisions.set(item.key, { decision, text, edits, shown: item.text, at: new Date().toISOString() });
  forgetTyped(item.key);
  isSaved = false;
  store();
}

// Take a decision back: the text is as the run left it.
function undecide(item) {
  undoStack.push([item.key, decisionOf(item)]);
  decisions.delete(item.key);
  isSaved = false;
  store();
}

// Undo the last decision. Returns the key of its picture, or null.
function undoLast() {
  const last = undoStack.pop();
  if (!last) return null;
  const [key, before] = last;
  if (before) decisions.set(key, before);
  else decisions.delete(key);
  forgetTyped(key);
  isSaved = false;
  store();
  return key;
}

function typeOther(item, index, text) {
  const texts = [...othersOf(item)];
  texts[index] = text;
  typedOthers.set(item.key, texts);
  storeSoon();
}

function typeText(item, text) {
  if (text === (decisionOf(item)?.text ?? item.text)) typedTexts.delete(item.key);
  else typedTexts.set(item.key, text);
  storeSoon();
}

// --- in the browser's storage ---------------------------------------------------------------------

let storeTimer = 0;

function storeSoon() {
  clearTimeout(storeTimer);
  storeTimer = setTimeout(store, 400);
}

function store() {
  clearTimeout(storeTimer);
  const stored = { reviewer, shortcuts: hasShortcuts, decisions: [...decisions], typed: [...typedTexts], typedOthers: [...typedOthers] };
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(stored));
    showStorageNotice(true);
  } catch {
    showStorageNotice(false);
  }
}

// Another page of this origin may have written to the storage: only valid decisions about texts that
// are still the same are restored.
function restore() {
  let stored = null;
  try {
    stored = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "null");
    showStorageNotice(true);
  } catch {
    showStorageNotice(false);
  }
  if (!stored || typeof stored !== "object") return;
  reviewer = String(stored.reviewer ?? "");
  hasShortcuts = stored.shortcuts !== false;
  for (const [key, decision] of pairsIn(stored.decisions)) addDecision(key, decision);
  for (const [key, text] of pairsIn(stored.typed)) {
    if (byKey.has(key) && typeof text === "string") typedTexts.set(key, text);
  }
  for (const [key, texts] of pairsIn(stored.typedOthers)) {
    const isValid = Array.isArray(texts) && texts.every((text) => typeof text === "string");
    if (isValid && byKey.get(key)?.others.length === texts.length) typedOthers.set(key, texts);
  }
  isSaved = decisions.size === 0;
}

function pairsIn(list) {
  return Array.isArray(list) ? list.filter((each) => Array.isArray(each) && each.length === 2) : [];
}

// Add a decision from the storage or a file. Returns whether it is valid and about the current text.
function addDecision(key, stored) {
  const item = byKey.get(key);
  const isValid = item && stored && KINDS.includes(stored.decision) && typeof stored.text === "string";
  if (!isValid || stored.shown !== item.text) return false;
  const { decision, text, shown } = stored;
  const edits = (Array.isArray(stored.edits) ? stored.edits : []).filter(
    (edit) =>
      Array.isArray(edit) &&
      edit.length === 3 &&
      edit.every((each) => typeof each === "string") &&
      item.others.some(([style, locale]) => style === edit[0] && locale === edit[1]),
  );
  decisions.set(key, { decision, text, edits, shown, at: String(stored.at ?? "") });
  return true;
}

// --- in a file -----------------------------------------------------------------------------------

function buildFile() {
  const list = items
    .filter((item) => decisions.has(item.key))
    .map((item) => {
      const { decision, text, edits, shown, at } = decisionOf(item);
      return { key: item.key, outcome: item.outcome, reviewed_at: item.reviewed_at, shown, decision, text, edits, at };
    });
  return { version: 1, journal: run.journal, reviewer, saved_at: new Date().toISOString(), decisions: list };
}

function download() {
  const text = JSON.stringify(buildFile(), null, 1);
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const day = new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-");
  element("a", { href: url, download: `decisions-${run.journal}-${day}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  isSaved = true;
}

// Load a decisions file. Returns how many of its decisions fit this page; throws an Error otherwise.
function load(text) {
  let file = null;
  try {
    file = JSON.parse(text);
  } catch {
    throw new Error("That file is not a decisions file: it is not JSON.");
  }
  if (file?.version !== 1 || !Array.isArray(file.decisions)) {
    throw new Error("That file is not a decisions file of this version.");
  }
  if (file.journal !== run.journal) throw new Error("That file belongs to another run.");
  const added = file.decisions.filter((each) => each && addDecision(each.key, each));
  for (const each of added) forgetTyped(each.key);
  reviewer ||= String(file.reviewer ?? "");
  undoStack.length = 0;
  store();
  return added.length;
}
