// A source's state as a chip whose colour never stands alone: the word is there too.

const GOOD = new Set(["running", "watching", "done"]);
const BAD = new Set(["failed", "missing", "unreachable"]);

export function stateChip(chip, state) {
  chip.textContent = state.replaceAll("_", " ");
  chip.classList.toggle("good", GOOD.has(state));
  chip.classList.toggle("bad", BAD.has(state));
  chip.classList.toggle("warn", !GOOD.has(state) && !BAD.has(state));
}
