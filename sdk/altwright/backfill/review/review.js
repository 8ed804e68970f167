// The page: which pictures are shown, what keys do, saving.

const PAGE = 50;
const at = (id) => document.getElementById(id);

let shown = items;
let page = 0;

// --- which are shown -----------------------------------------------------------------------------

function options(select, counts, words) {
  const all = element("option", { value: "", textContent: "all" });
  const each = [...counts].map(([value, count]) =>
    element("option", { value, textContent: `${words[value] ?? value} (${count})` }),
  );
  select.replaceChildren(all, ...each);
}

function counted(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

function filter() {
  const outcome = at("outcome").value;
  const decided = at("decided").value;
  const flag = at("flag").value;
  const locale = at("locale").value;
  const words = at("search").value.trim().toLowerCase();
  shown = items.filter(
    (item) =>
      (!outcome || item.outcome === outcome) &&
      (!decided || decisions.has(item.key) === (decided === "done")) &&
      (!flag || isFlagged(item, flag)) &&
      (!locale || item.locale === locale) &&
      (!words || said(item).includes(words)),
  );
  page = 0;
  showPage();
}

function said(item) {
  return [item.name, textOf(item), item.context, ...othersOf(item), ...item.reasons, ...item.warnings]
    .join("\n")
    .toLowerCase();
}

function showPage() {
  const from = page * PAGE;
  const these = shown.slice(from, from + PAGE);
  at("cards").replaceChildren(
    ...(these.length ? these.map((item) => card(item)) : [element("p", { className: "empty", textContent: "No picture is like this." })]),
  );
  const upTo = Math.min(from + PAGE, shown.length);
  at("shown").textContent = shown.length ? `${from + 1} to ${upTo} of ${shown.length}` : "none";
  for (const pager of document.querySelectorAll(".pager")) pager.replaceChildren(...pagerButtons());
}

function pagerButtons() {
  const pages = Math.ceil(shown.length / PAGE);
  if (pages < 2) return [];
  const button = (label, step) => {
    const made = element("button", { type: "button", className: "quiet", textContent: label });
    made.setAttribute("aria-disabled", String(page + step < 0 || page + step >= pages));
    made.dataset.step = step;
    return made;
  };
  return [button("Previous 50", -1), element("span", { textContent: `Page ${page + 1} of ${pages}` }), button("Next 50", 1)];
}

function turn(step) {
  const pages = Math.ceil(shown.length / PAGE);
  if (page + step < 0 || page + step >= pages) return false;
  page += step;
  showPage();
  return true;
}

// --- deciding ------------------------------------------------------------------------------------

function focused() {
  const made = document.activeElement?.closest?.(".card");
  return made ? itemOf(made) : null;
}

function itemOf(made) {
  return items[Number(made.id.slice("card-".length)) - 1];
}

function make(item, decision) {
  const text = textOf(item);
  if (decision === "approve" && !text.trim()) {
    tell("There is no text to approve: write one, or choose decorative or blank.");
    at(idOf(item)).querySelector("textarea").focus();
    return false;
  }
  const edits = decision === "approve" ? editsOf(item) : [];
  const isEdited = edits.length > 0 || text.trim() !== item.text.trim();
  const kind = decision === "approve" && isEdited ? "edit" : decision;
  decide(item, kind, decision === "approve" ? text.trim() : "", edits);
  after(item, `${VERDICTS[kind]}: ${item.name}.`);
  return true;
}

// A button that is pressed already is let go again.
function clicked(button) {
  const item = itemOf(button.closest(".card"));
  if (button.getAttribute("aria-pressed") === "true") {
    undecide(item);
    after(item, `Not decided: ${item.name}.`);
  } else {
    make(item, button.dataset.decision);
  }
}

function after(item, message) {
  countTexts();
  for (const each of shown.slice(page * PAGE, (page + 1) * PAGE)) refresh(each);
  progress();
  tell(message);
}

function undo() {
  const key = undoLast();
  if (key === null) {
    tell("There is nothing to undo.");
    return;
  }
  const item = byKey.get(key);
  after(item, `Undone: ${item.name}.`);
  reveal(item);
}

// Where a decision was undone the person wants to look, on whichever page it is.
function reveal(item) {
  const index = shown.indexOf(item);
  if (index < 0) return;
  if (Math.floor(index / PAGE) !== page) {
    page = Math.floor(index / PAGE);
    showPage();
  }
  at(idOf(item)).focus();
}

function go(step) {
  const item = focused();
  const index = item ? shown.indexOf(item) + step : page * PAGE;
  const target = shown[index];
  if (target) reveal(target);
  else tell(step > 0 ? "That was the last picture." : "That was the first picture.");
}

function progress() {
  at("progress").textContent = `${decisions.size} of ${items.length} decided`;
  at("undo").setAttribute("aria-disabled", String(past.length === 0));
}

function tell(text) {
  at("status").textContent = text;
}

function storageWorks(yes) {
  at("no-storage").hidden = yes;
  at("no-storage").textContent = yes
    ? ""
    : "This browser does not keep your decisions: save the decisions file before you close the page.";
}

// --- saving --------------------------------------------------------------------------------------

function save() {
  if (!decisions.size) {
    tell("Nothing is decided yet.");
    return;
  }
  download();
  tell(`${decisions.size} decisions saved. Next: altwright apply, with that file.`);
}

async function open(file) {
  at("file").value = ""; // or the same file, mended, would not be looked at again
  try {
    const fitting = load(await file.text());
    at("reviewer").value = reviewer;
    after(null, `${fitting} decisions taken over.`);
  } catch (error) {
    tell(error.message);
  }
}

// --- keys ----------------------------------------------------------------------------------------

const KEYS = {
  j: () => go(1),
  k: () => go(-1),
  a: (item) => item && make(item, "approve") && go(1),
  d: (item) => item && make(item, "decorative") && go(1),
  r: (item) => item && make(item, "blank") && go(1),
  e: (item) => item && at(idOf(item)).querySelector("textarea").focus(),
  u: () => undo(),
  n: () => turn(1) && reveal(shown[page * PAGE]),
  p: () => turn(-1) && reveal(shown[page * PAGE]),
  s: () => save(),
  "/": () => at("search").focus(),
};

function pressed(event) {
  const inText = event.target.closest("textarea, input:not([type=checkbox]), select");
  if (inText) {
    inField(event, inText);
    return;
  }
  if (!shortcuts || event.ctrlKey || event.metaKey || event.altKey) return;
  const does = KEYS[event.key.toLowerCase()];
  if (!does) return;
  event.preventDefault();
  if ("ader".includes(event.key.toLowerCase()) && !focused()) tell("No picture is chosen: j goes to the first.");
  else does(focused());
}

function inField(event, field) {
  const item = focused();
  if (event.key === "Escape" && item) {
    at(idOf(item)).focus();
  } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && item) {
    event.preventDefault();
    if (make(item, "approve")) go(1);
  } else if (event.key === "Escape" && field.id === "search") {
    at("cards-title").focus();
  }
}

function warnOfLoss(event) {
  if (!saved && !at("no-storage").hidden) event.preventDefault();
}

// --- wiring --------------------------------------------------------------------------------------

function start() {
  recall();
  options(at("outcome"), counted(items.map((item) => item.outcome)), SAYS);
  options(at("locale"), counted(items.map((item) => item.locale)), {});
  at("locale").closest(".field").hidden = at("locale").options.length < 3;
  at("reviewer").value = reviewer;
  at("shortcuts").checked = shortcuts;
  countTexts();
  showPage();
  progress();
  at("filters").addEventListener("input", filter);
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  at("cards").addEventListener("input", (event) => {
    const item = focused();
    if (!item) return;
    const other = event.target.dataset.other;
    if (other === undefined) type(item, event.target.value);
    else typeOther(item, Number(other), event.target.value);
    refresh(item);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.decision) clicked(button);
    if (button?.dataset.step && turn(Number(button.dataset.step))) at("cards-title").focus();
  });
  document.addEventListener("keydown", pressed);
  at("undo").addEventListener("click", undo);
  at("save").addEventListener("click", save);
  at("open").addEventListener("click", () => at("file").click());
  at("file").addEventListener("change", () => at("file").files[0] && open(at("file").files[0]));
  at("reviewer").addEventListener("input", () => {
    reviewer = at("reviewer").value.trim();
    rememberSoon();
  });
  at("shortcuts").addEventListener("change", () => {
    shortcuts = at("shortcuts").checked;
    remember();
  });
  addEventListener("beforeunload", warnOfLoss);
  addEventListener("pagehide", () => typed.size + typedOthers.size && remember());
}

start();
