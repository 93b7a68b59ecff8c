"use strict";
// Sorts, filters and shows events. All text is in the page already: this moves, hides and copies it, and makes no HTML.
(() => {
  const byId = (id) => document.getElementById(id);
  const table = byId("rows");
  if (!table) return;
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  const cards = byId("cards");
  const [CAMERA, SEVERITY, JUDGED, ID] = [1, 5, 9, 10];

  const events = [...body.rows].map((row) => ({ row, card: null, text: row.textContent.toLowerCase(), shown: true }));
  const eventOf = new Map(events.map((event) => [event.row.dataset.event, event]));
  if (cards) for (const card of cards.children) eventOf.get(card.dataset.event).card = card;

  const cellText = (event, column) => event.row.cells[column].textContent;
  const keyOf = (event, column) => {
    const key = event.row.cells[column].dataset.key;
    return key === undefined ? cellText(event, column) : Number(key);
  };

  // what is unknown comes last, whichever way it is sorted
  const compare = (a, b, way) => {
    if (a === b) return 0;
    if (a === "" || b === "") return a === "" ? 1 : -1;
    return way * (a < b ? -1 : 1);
  };

  const sort = (column, way) => {
    const order = new Map(events.map((event, place) => [event, [keyOf(event, column), keyOf(event, SEVERITY), place]]));
    events.sort((a, b) => {
      const [x, y] = [order.get(a), order.get(b)];
      return compare(x[0], y[0], way) || x[1] - y[1];
    });
    body.append(...events.map((event) => event.row));
    if (cards) cards.append(...events.filter((event) => event.card).map((event) => event.card));
    headers.forEach((header, place) => {
      if (place === column) header.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
      else header.removeAttribute("aria-sort");
    });
  };

  const filter = () => {
    const wanted = byId("search").value.trim().toLowerCase();
    const camera = byId("camera");
    const verdict = byId("verdict").value;
    let shown = 0;
    for (const event of events) {
      const judged = cellText(event, JUDGED) || "not yet";
      event.shown =
        event.text.includes(wanted) &&
        (camera.selectedIndex === 0 || cellText(event, CAMERA) === camera.value) &&
        (verdict === "" || judged === verdict);
      event.row.hidden = !event.shown;
      if (event.card) event.card.hidden = !event.shown;
      shown += event.shown;
    }
    byId("shown").textContent = `${shown} of ${events.length} events`;
  };

  const detail = byId("detail");
  let current = null;

  const show = (event) => {
    current = event;
    byId("title").textContent = cellText(event, 0);
    const pictures = event.card ? [...event.card.querySelectorAll(".framed, .strip")] : [];
    byId("picture").replaceChildren(...pictures.map((one) => one.cloneNode(true)));
    const figures = headers.slice(1).flatMap((header, place) => {
      const value = cellText(event, place + 1);
      if (value === "") return [];
      const [name, figure] = [document.createElement("dt"), document.createElement("dd")];
      name.textContent = header.textContent;
      figure.textContent = value;
      return [name, figure];
    });
    byId("figures").replaceChildren(...figures);
    const chart = [...document.querySelectorAll(".chart")].find((one) => one.dataset.object === cellText(event, 0));
    byId("curve").replaceChildren(...(chart ? [chart.cloneNode(true)] : []));
    const command = (name, ...rest) => ["vadray", name, detail.dataset.report, cellText(event, ID), ...rest].join(" ");
    byId("commands").textContent = [command("clip"), command("explain"), command("label", "right"), command("label", "wrong")].join("\n");
    if (!detail.open) detail.showModal();
  };

  const step = (way) => {
    const shown = events.filter((event) => event.shown);
    const next = shown[shown.indexOf(current) + way];
    if (next) show(next);
  };

  headers.forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => {
      sort(column, header.getAttribute("aria-sort") === "ascending" ? -1 : 1);
    });
  });
  for (const event of events) {
    event.row.querySelector("button").addEventListener("click", () => show(event));
    if (event.card) event.card.querySelector("button").addEventListener("click", () => show(event));
  }
  for (const happened of ["input", "change"]) byId("controls").addEventListener(happened, filter);
  byId("controls").addEventListener("submit", (submitted) => submitted.preventDefault());
  byId("close").addEventListener("click", () => detail.close());
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  detail.addEventListener("keydown", (key) => {
    if (key.key === "ArrowLeft") step(-1);
    if (key.key === "ArrowRight") step(1);
  });
  headers[SEVERITY].setAttribute("aria-sort", "ascending");
  byId("controls").hidden = false;
  filter();
})();
