// Dragging one card onto another. Buttons on the cards do the same for keyboards and phones.

let dragged = null;

/** Let cards within `container` be dragged; `onDrop(about dragged, about target)`. */
export function begin(container, { isAllowed, onDrop }) {
  const cardOf = (event) => event.target.closest(".person");

  container.addEventListener("dragstart", (event) => {
    dragged = cardOf(event);
    dragged.classList.add("dragged");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.about.name);
  });
  container.addEventListener("dragend", () => {
    dragged?.classList.remove("dragged");
    mark(null);
    dragged = null;
  });
  container.addEventListener("dragover", (event) => {
    const target = cardOf(event);
    const fits = dragged && target && target !== dragged && isAllowed(dragged.about, target.about);
    mark(fits ? target : null);
    if (fits) {
      event.preventDefault();
    }
  });
  container.addEventListener("drop", (event) => {
    const target = cardOf(event);
    if (dragged && target && target !== dragged) {
      event.preventDefault();
      onDrop(dragged.about, target.about);
    }
  });

  function mark(target) {
    for (const marked of container.querySelectorAll(".target")) {
      marked.classList.toggle("target", marked === target);
    }
    target?.classList.add("target");
  }
}
