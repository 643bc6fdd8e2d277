// A sparkline: the last minutes of a number, from 0 to its highest.

import { drawing } from "./dom.js";

const WIDTH = 160;
const HEIGHT = 36;

/** An SVG element with `draw(samples)`; purely ornamental, the number stands beside it. */
export function makeSparkline() {
  const area = drawing("path", { class: "area" });
  const line = drawing("path", { class: "line" });
  const picture = drawing(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    area,
    line,
  );
  picture.draw = (samples) => {
    const highest = Math.max(1, ...samples) * 1.1;
    const step = WIDTH / Math.max(1, samples.length - 1);
    const points = samples.map(
      (sample, number) =>
        `${(number * step).toFixed(1)},${(HEIGHT - 1 - (sample / highest) * (HEIGHT - 3)).toFixed(1)}`,
    );
    const path = points.length > 1 ? `M${points.join("L")}` : "";
    line.setAttribute("d", path);
    area.setAttribute("d", path && `${path}L${WIDTH},${HEIGHT}L0,${HEIGHT}Z`);
  };
  return picture;
}
