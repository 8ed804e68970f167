// Reads a JSON list of captions on standard input; prints for each the clues (rules) of
// @double-great/alt-text that it violates. The package joins its findings to one sentence, so each
// clue is checked alone.
import altText, { defaultConfig } from "../node_modules/@double-great/alt-text/dist/index.js";

const clues = Object.keys(defaultConfig).filter((id) => id !== "image-is-link");
const none = Object.fromEntries(Object.keys(defaultConfig).map((id) => [id, false]));

let text = "";
for await (const chunk of process.stdin) text += chunk;
const found = JSON.parse(text).map((caption) =>
  clues.filter((id) => altText(caption, { ...none, [id]: true }) !== undefined),
);
process.stdout.write(JSON.stringify(found));
