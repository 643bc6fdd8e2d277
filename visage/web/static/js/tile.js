// One live tile: the newest picture, its faces over it, a caption. Enter or a click makes it large.

import { element } from "./dom.js";
import { stateChip } from "./state.js";

/** An element with `update(source)` and `show(head, blob)`. */
export function makeTile(source) {
  const canvas = element("canvas", { width: 16, height: 9, hidden: true });
  const boxes = element("span", { className: "boxes", "aria-hidden": "true" });
  const waiting = element("span", { className: "waiting" });
  const seen = element("span", { className: "unseen" });
  const screen = element(
    "button",
    {
      type: "button",
      className: "screen",
      "aria-pressed": "false",
      "aria-label": `${source.source_id}: make large`,
    },
    canvas,
    boxes,
    waiting,
  );
  const chip = element("span", { className: "chip" });
  const fps = element("span", { className: "fps" });
  const caption = element(
    "figcaption",
    {},
    element("span", { className: "name" }, source.source_id),
    chip,
    fps,
    seen,
  );
  const tile = element("figure", { className: "tile" }, screen, caption);
  screen.addEventListener("click", () => {
    const large = tile.classList.toggle("large");
    screen.setAttribute("aria-pressed", String(large));
  });

  tile.update = (status) => {
    stateChip(chip, status.state);
    chip.hidden = status.state === "running";
    fps.textContent = status.state === "running" ? `${status.fps.toFixed(1)} fps` : "";
    waiting.textContent =
      status.state === "running" ? "Waiting for a picture …" : status.reason || status.state;
    waiting.hidden = !canvas.hidden && status.state === "running";
    canvas.classList.toggle("stale", status.state !== "running");
  };

  let decoding = false;
  tile.show = async (head, blob) => {
    if (decoding) {
      return; // slower than the stream: the next picture will do
    }
    decoding = true;
    try {
      const picture = await createImageBitmap(blob);
      canvas.width = head.width;
      canvas.height = head.height;
      canvas.getContext("2d").drawImage(picture, 0, 0);
      picture.close();
      canvas.hidden = false;
      waiting.hidden = true;
      place(boxes, head, screen);
      boxes.replaceChildren(...head.faces.map(makeBox));
      seen.textContent = head.faces.map(label).join(", ");
    } finally {
      decoding = false;
    }
  };
  return tile;
}

/** Lay the boxes over the picture, which may be narrower or lower than the screen. */
function place(boxes, head, screen) {
  const scale = Math.min(screen.clientWidth / head.width, screen.clientHeight / head.height);
  boxes.style.width = `${head.width * scale}px`;
  boxes.style.height = `${head.height * scale}px`;
}

function makeBox(face) {
  const [left, top, width, height] = face.box.map((share) => `${share * 100}%`);
  const box = element("span", { className: "box" }, element("span", {}, label(face)));
  box.classList.toggle("known", face.known);
  const high = face.box[1] < 0.1;
  const low = face.box[1] + face.box[3] > 0.9;
  box.classList.toggle("under", high && !low);
  box.classList.toggle("within", high && low);
  Object.assign(box.style, { left, top, width, height });
  return box;
}

function label(face) {
  return face.name || (face.track ? `#${face.track}` : "face");
}
