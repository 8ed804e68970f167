// Decisions and typed texts: undone one by one, saved to a file. No typed text is ever lost: one that
// leaves its field goes into the list of kept texts under it.

const KINDS = ["approve", "edit", "decorative", "blank"];
const MAX_KEPT = 20;

const decisions = new Map(); // key of a picture -> { decision, text, edits, shown, at, reviewer? }
const typedTexts = new Map(); // key -> a text that was typed and is not approved yet
const typedOthers = new Map(); // key -> typed texts of `item.others`
const keptTexts = new Map(); // key -> [[index of the field, text]]: typed before, and not in the field now
const decidedAt = new Map(); // key -> when its decision was last changed, in milliseconds
const typedAt = new Map(); // key -> when its typed texts were last changed
const undoStack = []; // lists of what pictures had before, for undo
let reviewer = "";
let hasShortcuts = true;
let isSaved = true; // whether every decision is in a saved file

const decisionOf = (item) => decisions.get(item.key);
const hasNoText = (decision) => ["decorative", "blank"].includes(decision?.decision);

// The text as it is now: typed, decided, or as the run left it.
function textOf(item) {
  if (typedTexts.has(item.key)) return typedTexts.get(item.key);
  return decisionOf(item)?.text ?? item.text;
}

// The further texts as they are now.
function othersOf(item) {
  return typedOthers.get(item.key) ?? decidedOthers(item, decisionOf(item));
}

// The further texts with a decision: a picture without a text has none in any language.
function decidedOthers(item, decision) {
  if (hasNoText(decision)) return item.others.map(() => "");
  const edits = new Map((decision?.edits ?? []).map(([style, locale, text]) => [`${style} ${locale}`, text]));
  return item.others.map(([style, locale, text]) => edits.get(`${style} ${locale}`) ?? text);
}

// Further texts that differ from those of the run; an empty one clears the text.
function editsOf(item) {
  return othersOf(item)
    .map((text, index) => [...item.others[index].slice(0, 2), text.trim()])
    .filter(([, , text], index) => text !== item.others[index][2].trim());
}

const isTyped = (item) => typedTexts.has(item.key) || typedOthers.has(item.key);

// --- texts that are kept ---------------------------------------------------------------------------

const runTexts = (item) => [item.text, ...item.others.map((each) => each[2])];

// Keep a text of a field (0: the alt text) unless the run has it or it is kept already.
function keepText(item, index, text) {
  if (!text?.trim() || text.trim() === runTexts(item)[index]?.trim()) return;
  const kept = keptTexts.get(item.key) ?? [];
  const others = kept.filter(([at, each]) => at !== index || each.trim() !== text.trim());
  keptTexts.set(item.key, [...others, [index, text]].slice(-MAX_KEPT));
  typedAt.set(item.key, Date.now());
}

// Keep what is typed and what was edited, before another decision or text takes its place.
function keepTexts(item) {
  if (typedTexts.has(item.key)) keepText(item, 0, typedTexts.get(item.key));
  (typedOthers.get(item.key) ?? []).forEach((text, index) => keepText(item, index + 1, text));
  keepDecided(item, decisionOf(item));
}

function keepDecided(item, decision) {
  if (decision?.decision !== "edit") return;
  keepText(item, 0, decision.text);
  decidedOthers(item, decision).forEach((text, index) => keepText(item, index + 1, text));
}

// The kept texts that are not in their field at the moment.
function keptOf(item) {
  const now = [textOf(item), ...othersOf(item)];
  return (keptTexts.get(item.key) ?? []).filter(([index, text]) => now[index]?.trim() !== text.trim());
}

// Put a kept text back into its field; the one that is there is kept.
function useKept(item, index, text) {
  keepTexts(item);
  if (index === 0) typeText(item, text);
  else typeOther(item, index - 1, text);
}

// --- deciding and undoing --------------------------------------------------------------------------

const stateOf = (key) => [key, decisions.get(key), typedTexts.get(key), typedOthers.get(key)];

function setOrDelete(map, key, value) {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

function setState([key, decision, text, others]) {
  setOrDelete(decisions, key, decision);
  setOrDelete(typedTexts, key, text);
  setOrDelete(typedOthers, key, others);
  decidedAt.set(key, Date.now());
  typedAt.set(key, Date.now());
  isSaved = false;
}

function decide(item, decision, text, edits) {
  undoStack.push([stateOf(item.key)]);
  keepTexts(item);
  setState([item.key, { decision, text, edits, shown: item.text, at: new Date().toISOString() }]);
  store();
}

// Take a decision back: the text is as the run left it.
function undecide(item) {
  undoStack.push([stateOf(item.key)]);
  keepTexts(item);
  setState([item.key]);
  store();
}

// Undo the last decision, or all of the last file. Returns the key of its picture, or null.
function undoLast() {
  const last = undoStack.pop();
  if (!last) return null;
  for (const state of last) {
    keepTexts(byKey.get(state[0]));
    setState(state);
  }
  store();
  return last[0][0];
}

function typeOther(item, index, text) {
  const texts = [...othersOf(item)];
  texts[index] = text;
  const isSame = texts.every((each, at) => each === decidedOthers(item, decisionOf(item))[at]);
  setOrDelete(typedOthers, item.key, isSame ? undefined : texts);
  typedAt.set(item.key, Date.now());
  storeSoon();
}

function typeText(item, text) {
  const isSame = text === (decisionOf(item)?.text ?? item.text);
  setOrDelete(typedTexts, item.key, isSame ? undefined : text);
  typedAt.set(item.key, Date.now());
  storeSoon();
}

// A decision from the storage or a file, without what this page does not know; null if it is not valid.
function readDecision(item, stored) {
  const isValid = item && stored && KINDS.includes(stored.decision) && typeof stored.text === "string";
  if (!isValid) return null;
  const { decision, text, shown } = stored;
  const edits = (Array.isArray(stored.edits) ? stored.edits : []).filter(
    (edit) =>
      Array.isArray(edit) &&
      edit.length === 3 &&
      edit.every((each) => typeof each === "string") &&
      item.others.some(([style, locale]) => style === edit[0] && locale === edit[1]),
  );
  const read = { decision, text, edits, shown, at: String(stored.at ?? "") };
  return stored.reviewer ? { ...read, reviewer: String(stored.reviewer) } : read;
}

const isSameDecision = (one, other) =>
  one?.decision === other?.decision &&
  one?.text === other?.text &&
  JSON.stringify(one?.edits) === JSON.stringify(other?.edits);

// --- in a file -----------------------------------------------------------------------------------

function buildFile() {
  const list = items
    .filter((item) => decisions.has(item.key))
    .map((item) => ({ key: item.key, image: item.image, outcome: item.outcome, reviewed_at: item.reviewed_at, ...decisionOf(item) }));
  const typed = items
    .filter(isTyped)
    .map((item) => ({ key: item.key, shown: item.text, text: textOf(item), others: othersOf(item) }));
  return { version: 1, journal: run.journal, reviewer, saved_at: new Date().toISOString(), decisions: list, typed };
}

function download() {
  const text = JSON.stringify(buildFile(), null, 1);
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const day = new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-");
  element("a", { href: url, download: `decisions-${run.journal}-${day}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  isSaved = true;
}

// The entries of a decisions file; throws an Error if it is none, or another run's.
function parseFile(text) {
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
  return file;
}

// Load a decisions file: decisions about pictures without one are taken over. Returns how many, how
// many are here already, how many fit no picture of this page, and those that differ from what is
// decided or typed here: [item, decision].
function load(text) {
  const file = parseFile(text);
  const name = String(file.reviewer ?? "");
  const loaded = { added: 0, same: 0, misfits: 0, conflicts: [] };
  const before = [];
  for (const [key, stored] of new Map(file.decisions.map((each) => [each?.key, each]))) {
    const item = byKey.get(key);
    const decision = readDecision(item, stored);
    if (!decision || decision.shown !== item.text) {
      loaded.misfits += 1;
      if (decision) keepDecided(item, decision);
      continue;
    }
    if (reviewer && name && name !== reviewer) decision.reviewer ??= name;
    if (isSameDecision(decisionOf(item), decision)) loaded.same += 1;
    else if (decisions.has(key) || isTyped(item)) loaded.conflicts.push([item, decision]);
    else {
      before.push(stateOf(key));
      setState([key, decision]);
      loaded.added += 1;
    }
  }
  loadTyped(file);
  reviewer ||= name;
  if (before.length) undoStack.push(before);
  store();
  return loaded;
}

// Texts that were typed on the other page and not approved.
function loadTyped(file) {
  for (const typed of Array.isArray(file.typed) ? file.typed : []) {
    const item = byKey.get(typed?.key);
    if (!item || typeof typed.text !== "string" || !Array.isArray(typed.others)) continue;
    const others = item.others.map((_, index) => String(typed.others[index] ?? ""));
    if (typed.shown === item.text && !decisions.has(item.key) && !isTyped(item)) {
      typeText(item, typed.text);
      others.forEach((text, index) => typeOther(item, index, text));
    } else {
      [typed.text, ...others].forEach((text, index) => keepText(item, index, text));
    }
  }
}

// Take the decisions of a file in place of those here, or keep these. No text of either is lost.
function resolveConflicts(conflicts, takeTheirs) {
  if (takeTheirs) undoStack.push(conflicts.map(([item]) => stateOf(item.key)));
  for (const [item, decision] of conflicts) {
    if (takeTheirs) {
      keepTexts(item);
      setState([item.key, decision]);
    } else {
      keepDecided(item, decision);
    }
  }
  store();
}
