// The search of the guide, and its contents, which are closed where there is no room beside the page.

import { byId, countNoun, createElement } from "./dom.js";

const HITS_SHOWN = 20;
const BEFORE_CHARS = 40; // of the text around the first word
const EXCERPT_CHARS = 140;

const { root } = document.body.dataset;
let index = null; // a promise of [address, title of the page, title of the section, text]

function loadIndex() {
  index ??= fetch(`${root}search.json`).then((response) => response.json());
  return index;
}

// Sections that contain every word, those with a word in a title first.
function findSections(sections, words) {
  const rank = ([, page, title, text]) => {
    const titles = `${page} ${title}`.toLowerCase();
    const all = `${titles} ${text.toLowerCase()}`;
    if (!words.every((word) => all.includes(word))) return 0;
    return 1 + words.filter((word) => titles.includes(word)).length;
  };
  return sections
    .map((section) => ({ section, rank: rank(section) }))
    .filter((hit) => hit.rank)
    .sort((a, b) => b.rank - a.rank)
    .map((hit) => hit.section);
}

function createHit([address, page, title, text], words) {
  const at = text.toLowerCase().indexOf(words[0]);
  const start = Math.max(0, at - BEFORE_CHARS);
  const excerpt = text.slice(start, start + EXCERPT_CHARS);
  return createElement(
    "li",
    {},
    createElement("a", {
      href: root + address,
      textContent: title === page ? page : `${page}: ${title}`,
    }),
    createElement("div", { className: "detail", textContent: `${start ? "… " : ""}${excerpt} …` }),
  );
}

async function search() {
  const words = byId("words").value.toLowerCase().split(/\s+/).filter(Boolean);
  byId("contents").hidden = words.length > 0;
  const hits = words.length ? findSections(await loadIndex(), words) : [];
  const more = hits.length > HITS_SHOWN ? `, the first ${HITS_SHOWN} are shown` : "";
  byId("found").textContent = words.length ? countNoun(hits.length, "section") + more : "";
  byId("hits").replaceChildren(...hits.slice(0, HITS_SHOWN).map((hit) => createHit(hit, words)));
}

byId("search").hidden = false;
byId("words").addEventListener("input", search);
byId("contents").open = matchMedia("(min-width: 64rem)").matches;
