// Numbers and times as people read them.

const UNITS = [
  [60, "s"],
  [60, "min"],
  [24, "h"],
  [Infinity, "d"],
];

/** How long ago a time (ISO 8601) was: "now", "40 s", "3 min", "2 h", "5 d". */
export function ago(time) {
  let amount = (Date.now() - new Date(time).getTime()) / 1000;
  if (amount < 5) {
    return "now";
  }
  for (const [size, unit] of UNITS) {
    if (amount < size) {
      return `${Math.floor(amount)} ${unit}`;
    }
    amount /= size;
  }
  return "";
}

/** Date and time of day, for one who wants to know exactly. */
export const moment = (time) =>
  new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });

export const seconds = (amount) =>
  amount < 60 ? `${amount.toFixed(amount < 10 ? 1 : 0)} s` : `${Math.round(amount / 60)} min`;

export const count = (amount) => amount.toLocaleString();

export const plural = (amount, word) => `${count(amount)} ${word}${amount === 1 ? "" : "s"}`;
