// The browser's storage: one record for each picture, merged with those of other tabs and pages.

const STORAGE_KEY = `altwright-review ${run.journal}`;
const STORE_DELAY_MS = 400;

let storeTimer = 0;

function storeSoon() {
  clearTimeout(storeTimer);
  storeTimer = setTimeout(store, STORE_DELAY_MS);
}

// Write what is waiting to be stored, for instance before the page is closed.
function flush() {
  if (storeTimer) store();
}

// What this tab has about each picture that was touched.
function ownRecords() {
  const keys = new Set([...decidedAt.keys(), ...typedAt.keys()]);
  return [...keys].map((key) => [
    key,
    {
      decision: decisions.get(key) ?? null,
      decidedAt: decidedAt.get(key) ?? 0,
      text: typedTexts.get(key) ?? null,
      others: typedOthers.get(key) ?? null,
      typedAt: typedAt.get(key) ?? 0,
      kept: keptTexts.get(key) ?? [],
    },
  ]);
}

// The newer decision and the newer typed texts of two records, and the kept texts of both.
function mergeRecords(one, other) {
  if (!one || !other) return one ?? other;
  const decided = other.decidedAt > one.decidedAt ? other : one;
  const typed = other.typedAt > one.typedAt ? other : one;
  const kept = new Map([...one.kept, ...other.kept].map((each) => [JSON.stringify(each), each]));
  return {
    decision: decided.decision,
    decidedAt: decided.decidedAt,
    text: typed.text,
    others: typed.others,
    typedAt: typed.typedAt,
    kept: [...kept.values()].slice(-MAX_KEPT),
  };
}

function store() {
  clearTimeout(storeTimer);
  storeTimer = 0;
  try {
    // Records of pictures that are not on this page, and of other tabs, stay.
    const records = new Map(readStored().records);
    for (const [key, own] of ownRecords()) records.set(key, mergeRecords(own, records.get(key)));
    const stored = { reviewer, shortcuts: hasShortcuts, records: [...records] };
    localStorage.setItem(STORAGE_KEY, JSON.stringify(stored));
    showStorageNotice(true);
  } catch {
    showStorageNotice(false);
  }
}

function pairsIn(list) {
  return Array.isArray(list) ? list.filter((each) => Array.isArray(each) && each.length === 2) : [];
}

const isText = (value) => typeof value === "string";

// The stored state. Another page of this origin may have written anything there.
function readStored() {
  const text = localStorage.getItem(STORAGE_KEY) ?? "null";
  let stored = null;
  try {
    stored = JSON.parse(text);
  } catch {
    // Not of this page: there is nothing to take over.
  }
  if (!stored || typeof stored !== "object") stored = {};
  const records = new Map();
  for (const [key, record] of [...oldRecords(stored), ...pairsIn(stored.records)]) {
    if (!isText(key) || !record || typeof record !== "object") continue;
    records.set(key, {
      decision: record.decision ?? null,
      decidedAt: Number(record.decidedAt) || 0,
      text: isText(record.text) ? record.text : null,
      others: Array.isArray(record.others) && record.others.every(isText) ? record.others : null,
      typedAt: Number(record.typedAt) || 0,
      kept: pairsIn(record.kept).filter(([index, text]) => Number.isInteger(index) && isText(text)),
    });
  }
  return { reviewer: String(stored.reviewer ?? ""), shortcuts: stored.shortcuts !== false, records: [...records] };
}

// As earlier versions of this page stored it.
function oldRecords(stored) {
  const records = new Map();
  const add = (list, name, at) => {
    for (const [key, value] of pairsIn(list)) records.set(key, { ...records.get(key), [name]: value, [at]: 1 });
  };
  add(stored.decisions, "decision", "decidedAt");
  add(stored.typed, "text", "typedAt");
  add(stored.typedOthers, "others", "typedAt");
  return records;
}

// Take over what the storage has and this tab has not, or older. Returns the pictures that changed.
function restore(isFirst) {
  const changed = [];
  try {
    const stored = readStored();
    if (isFirst) {
      reviewer = stored.reviewer;
      hasShortcuts = stored.shortcuts;
    }
    for (const [key, record] of stored.records) {
      const item = byKey.get(key);
      if (item && takeOver(item, record)) changed.push(item);
    }
    showStorageNotice(true);
  } catch {
    showStorageNotice(false);
  }
  if (isFirst) isSaved = decisions.size === 0;
  return changed;
}

function takeOver(item, record) {
  const key = item.key;
  const isNewlyDecided = record.decidedAt > (decidedAt.get(key) ?? 0);
  // A field that is being typed in keeps its text; the other one is kept beside it.
  const isBusy = isTyped(item) && focusedItem() === item;
  const isNewlyTyped = record.typedAt > (typedAt.get(key) ?? 0);
  if (!isNewlyDecided && !isNewlyTyped) return false;
  for (const [index, text] of record.kept) keepText(item, index, text);
  const hasFields = record.others === null || record.others.length === item.others.length;
  const texts = [record.text, ...((hasFields ? record.others : null) ?? [])];
  if (isNewlyTyped && isBusy) {
    texts.forEach((text, index) => keepText(item, index, text));
  } else if (isNewlyTyped) {
    keepTexts(item);
    setOrDelete(typedTexts, key, record.text ?? undefined);
    setOrDelete(typedOthers, key, (hasFields ? record.others : null) ?? undefined);
    typedAt.set(key, record.typedAt);
  }
  if (isNewlyDecided) takeOverDecision(item, record);
  return true;
}

// A decision about a text that the run has changed since is not taken over; its text is kept.
function takeOverDecision(item, record) {
  const decision = readDecision(item, record.decision);
  keepDecided(item, decisionOf(item));
  if (decision && decision.shown !== item.text) keepDecided(item, decision);
  setOrDelete(decisions, item.key, decision?.shown === item.text ? decision : undefined);
  decidedAt.set(item.key, record.decidedAt);
}
