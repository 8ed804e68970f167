// The page: filters, pages of pictures, keyboard shortcuts, saving.

const PAGE_SIZE = 50;
const byId = (id) => document.getElementById(id);

let shown = items;
let page = 0;

// --- filters and pages ---------------------------------------------------------------------------

function fillSelect(select, counts, labels) {
  const all = element("option", { value: "", textContent: "all" });
  const each = [...counts].map(([value, count]) =>
    element("option", { value, textContent: `${labels[value] ?? value} (${count})` }),
  );
  select.replaceChildren(all, ...each);
}

function countValues(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

function applyFilters() {
  const outcome = byId("outcome").value;
  const decided = byId("decided").value;
  const flag = byId("flag").value;
  const locale = byId("locale").value;
  const query = byId("search").value.trim().toLowerCase();
  shown = items.filter(
    (item) =>
      (!outcome || item.outcome === outcome) &&
      (!decided || decisions.has(item.key) === (decided === "done")) &&
      (!flag || isFlagged(item, flag)) &&
      (!locale || item.locale === locale) &&
      (!query || searchText(item).includes(query)),
  );
  page = 0;
  showPage();
}

function searchText(item) {
  return [item.name, textOf(item), item.context, ...othersOf(item), ...item.reasons, ...item.warnings]
    .join("\n")
    .toLowerCase();
}

function showPage() {
  const from = page * PAGE_SIZE;
  const pageItems = shown.slice(from, from + PAGE_SIZE);
  byId("cards").replaceChildren(
    ...(pageItems.length ? pageItems.map((item) => createCard(item)) : [element("p", { className: "empty", textContent: "No picture is like this." })]),
  );
  const upTo = Math.min(from + PAGE_SIZE, shown.length);
  byId("shown").textContent = shown.length ? `${from + 1} to ${upTo} of ${shown.length}` : "none";
  for (const pager of document.querySelectorAll(".pager")) pager.replaceChildren(...createPagerButtons());
}

function createPagerButtons() {
  const pages = Math.ceil(shown.length / PAGE_SIZE);
  if (pages < 2) return [];
  const button = (label, step) => {
    const created = element("button", { type: "button", className: "quiet", textContent: label });
    created.setAttribute("aria-disabled", String(page + step < 0 || page + step >= pages));
    created.dataset.step = step;
    return created;
  };
  return [button("Previous 50", -1), element("span", { textContent: `Page ${page + 1} of ${pages}` }), button("Next 50", 1)];
}

function turnPage(step) {
  const pages = Math.ceil(shown.length / PAGE_SIZE);
  if (page + step < 0 || page + step >= pages) return false;
  page += step;
  showPage();
  return true;
}

// --- deciding ------------------------------------------------------------------------------------

function focusedItem() {
  const card = document.activeElement?.closest?.(".card");
  return card ? itemOf(card) : null;
}

function itemOf(card) {
  return items[Number(card.id.slice("card-".length)) - 1];
}

function decideItem(item, decision) {
  const text = textOf(item);
  if (decision === "approve" && !text.trim()) {
    announce("There is no text to approve: write one, or choose decorative or blank.");
    byId(idOf(item)).querySelector("textarea").focus();
    return false;
  }
  const edits = decision === "approve" ? editsOf(item) : [];
  const isEdited = edits.length > 0 || text.trim() !== item.text.trim();
  const kind = decision === "approve" && isEdited ? "edit" : decision;
  decide(item, kind, decision === "approve" ? text.trim() : "", edits);
  refreshAll(`${DECISION_LABELS[kind]}: ${item.name}.`);
  return true;
}

// Clicking a pressed button takes the decision back.
function onDecisionClick(button) {
  const item = itemOf(button.closest(".card"));
  if (button.getAttribute("aria-pressed") === "true") {
    undecide(item);
    refreshAll(`Not decided: ${item.name}.`);
  } else {
    decideItem(item, button.dataset.decision);
  }
}

function onKeptClick(button) {
  const card = button.closest(".card");
  const item = itemOf(card);
  const [index, text] = JSON.parse(button.dataset.kept);
  useKept(item, index, text);
  refreshAll(`The text is in its field again: ${item.name}.`);
  card.querySelectorAll("textarea")[index].focus();
}

// Another tab with this run has stored something.
function onOtherTab() {
  const changed = restore(false);
  if (changed.length) refreshAll(`${changed.length} pictures were changed in another tab.`);
}

function refreshAll(message) {
  countTexts();
  for (const each of shown.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE)) refresh(each);
  showProgress();
  announce(message);
}

function undo() {
  const key = undoLast();
  if (key === null) {
    announce("There is nothing to undo.");
    return;
  }
  const item = byKey.get(key);
  refreshAll(`Undone: ${item.name}.`);
  reveal(item);
}

// Show a picture, whichever page it is on, and give it the focus.
function reveal(item) {
  const index = shown.indexOf(item);
  if (index < 0) return;
  if (Math.floor(index / PAGE_SIZE) !== page) {
    page = Math.floor(index / PAGE_SIZE);
    showPage();
  }
  byId(idOf(item)).focus();
}

function go(step) {
  const item = focusedItem();
  const index = item ? shown.indexOf(item) + step : page * PAGE_SIZE;
  const target = shown[index];
  if (target) reveal(target);
  else announce(step > 0 ? "That was the last picture." : "That was the first picture.");
}

function showProgress() {
  byId("progress").textContent = `${decisions.size} of ${items.length} decided`;
  byId("undo").setAttribute("aria-disabled", String(undoStack.length === 0));
  showDrawn();
}

// Of those that were drawn at random, the share that was changed tells how good the others are.
function showDrawn() {
  const drawn = items.filter((item) => item.is_drawn);
  const decided = drawn.filter((item) => decisions.has(item.key));
  const changed = decided.filter((item) => !keepsText(item, decisionOf(item)));
  byId("drawn").hidden = !drawn.length;
  const share = decided.length ? ` (${Math.round((100 * changed.length) / decided.length)} %)` : "";
  byId("drawn").textContent = `Drawn at random: ${decided.length} of ${drawn.length} decided, ${changed.length} of them not approved as they stood${share}.`;
}

const keepsText = (item, { decision }) =>
  decision === "approve" || (decision === "decorative" && item.outcome === "decorative");

function announce(text) {
  byId("status").textContent = text;
}

function showStorageNotice(isWorking) {
  byId("no-storage").hidden = isWorking;
  byId("no-storage").textContent = isWorking
    ? ""
    : "This browser does not keep your decisions: save the decisions file before you close the page.";
}

// --- saving --------------------------------------------------------------------------------------

function save() {
  if (!decisions.size) {
    announce("Nothing is decided yet.");
    return;
  }
  download();
  const typed = items.filter(isTyped).length;
  const open = typed ? ` ${typed} typed and not approved: in the file, but not applied.` : "";
  announce(`${decisions.size} decisions saved. Next: altwright apply, with that file.${open}`);
}

async function openFile(file) {
  byId("file").value = ""; // otherwise choosing the same file again would do nothing
  try {
    const loaded = load(await file.text());
    byId("reviewer").value = reviewer;
    const parts = [`${loaded.added} decisions taken over.`];
    if (loaded.same) parts.push(`${loaded.same} were here already.`);
    if (loaded.misfits) parts.push(`${loaded.misfits} are about pictures or texts that are not on this page.`);
    refreshAll(parts.join(" "));
    askAboutConflicts(loaded.conflicts);
  } catch (error) {
    announce(error.message);
  }
}

// Decisions of a file that differ from what is decided or typed here: the reviewer chooses.
function askAboutConflicts(conflicts) {
  const bar = byId("conflicts");
  const close = (takeTheirs) => {
    resolveConflicts(conflicts, takeTheirs);
    bar.hidden = true;
    refreshAll(takeTheirs ? "The file's decisions are taken over." : "Yours are kept.");
    byId("cards-title").focus();
  };
  bar.hidden = !conflicts.length;
  if (!conflicts.length) return;
  const names = conflicts.slice(0, 5).map(([item]) => item.name);
  const more = conflicts.length > names.length ? ", …" : "";
  const count = conflicts.length === 1 ? "1 decision of the file differs" : `${conflicts.length} decisions of the file differ`;
  byId("conflicts-text").textContent =
    `${count} from what is decided or typed here (${names.join(", ")}${more}). No text is lost: the other one is kept under its picture.`;
  byId("take-theirs").onclick = () => close(true);
  byId("keep-mine").onclick = () => close(false);
  byId("keep-mine").focus();
}

// --- keys ----------------------------------------------------------------------------------------

const SHORTCUTS = {
  j: () => go(1),
  k: () => go(-1),
  a: (item) => item && decideItem(item, "approve") && go(1),
  d: (item) => item && decideItem(item, "decorative") && go(1),
  r: (item) => item && decideItem(item, "blank") && go(1),
  e: (item) => item && byId(idOf(item)).querySelector("textarea").focus(),
  u: () => undo(),
  n: () => turnPage(1) && reveal(shown[page * PAGE_SIZE]),
  p: () => turnPage(-1) && reveal(shown[page * PAGE_SIZE]),
  s: () => save(),
  "/": () => byId("search").focus(),
};

function onKeydown(event) {
  const field = event.target.closest("textarea, input:not([type=checkbox]), select");
  if (field) {
    onKeydownInField(event, field);
    return;
  }
  if (!hasShortcuts || event.ctrlKey || event.metaKey || event.altKey) return;
  const action = SHORTCUTS[event.key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  if ("ader".includes(event.key.toLowerCase()) && !focusedItem()) announce("No picture is chosen: j goes to the first.");
  else action(focusedItem());
}

function onKeydownInField(event, field) {
  const item = focusedItem();
  if (event.key === "Escape" && item) {
    byId(idOf(item)).focus();
  } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && item) {
    event.preventDefault();
    if (decideItem(item, "approve")) go(1);
  } else if (event.key === "Escape" && field.id === "search") {
    byId("cards-title").focus();
  }
}

function warnOfUnsaved(event) {
  if ((!isSaved || items.some(isTyped)) && !byId("no-storage").hidden) event.preventDefault();
}

// --- start ---------------------------------------------------------------------------------------

function start() {
  restore(true);
  fillSelect(byId("outcome"), countValues(items.map((item) => item.outcome)), OUTCOME_LABELS);
  fillSelect(byId("locale"), countValues(items.map((item) => item.locale)), {});
  byId("locale").closest(".field").hidden = byId("locale").options.length < 3;
  byId("reviewer").value = reviewer;
  byId("shortcuts").checked = hasShortcuts;
  countTexts();
  showPage();
  showProgress();
  byId("filters").addEventListener("input", applyFilters);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("cards").addEventListener("input", (event) => {
    const item = focusedItem();
    if (!item) return;
    const other = event.target.dataset.other;
    if (other === undefined) typeText(item, event.target.value);
    else typeOther(item, Number(other), event.target.value);
    refresh(item);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.decision) onDecisionClick(button);
    if (button?.dataset.kept) onKeptClick(button);
    if (button?.dataset.step && turnPage(Number(button.dataset.step))) byId("cards-title").focus();
  });
  document.addEventListener("keydown", onKeydown);
  byId("undo").addEventListener("click", undo);
  byId("save").addEventListener("click", save);
  byId("open").addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", () => byId("file").files[0] && openFile(byId("file").files[0]));
  byId("reviewer").addEventListener("input", () => {
    reviewer = byId("reviewer").value.trim();
    storeSoon();
  });
  byId("shortcuts").addEventListener("change", () => {
    hasShortcuts = byId("shortcuts").checked;
    store();
  });
  addEventListener("beforeunload", warnOfUnsaved);
  addEventListener("pagehide", flush);
  addEventListener("visibilitychange", flush);
  addEventListener("storage", (event) => event.key === STORAGE_KEY && onOtherTab());
}

start();
