// The page's state, its controls, and what is drawn again when they move.
const DATA = JSON.parse(document.getElementById("data").textContent);
const charts = new Map();

function fill(id, ...children) { document.getElementById(id).replaceChildren(...children); }

// Draw a chart into a box now, and again when the box gets another width.
function chart(id, draw, share = 1) {
  const box = document.getElementById(id);
  if (!box) return null;
  const width = Math.max(240, Math.round((box.clientWidth || 640) * 1));
  const made = draw(share < 1 ? Math.max(240, Math.round(width * share)) : width);
  box.replaceChildren(made.picture);
  made.picture.style.maxWidth = `${made.picture.viewBox.baseVal.width}px`;
  charts.set(id, { width: box.clientWidth });
  return made;
}

// The same, and a pointer on it moves alpha. The slider does so by keyboard.
function draggable(state, id, draw) {
  const made = chart(id, draw);
  const move = (event) => {
    if (event.type === "pointermove" && !event.buttons) return;
    const box = made.picture.getBoundingClientRect();
    const place = ((event.clientX - box.left) / box.width) * made.picture.viewBox.baseVal.width;
    state.set({ alpha: DATA.alphas[nearest(DATA.alphas, made.alphaAt(place))] });
  };
  document.getElementById(id).onpointerdown = move;
  document.getElementById(id).onpointermove = move;
}

const RUN_COLOURS = [BLUE, RED, GREEN, FAINT], RUN_DASHES = [null, "7 3", "2 3"];
const runStyle = (place) => ({ colour: RUN_COLOURS[place % 4], dash: RUN_DASHES[Math.floor(place / 4) % 3] });

function drawCompare(state) {
  if (DATA.runs.length < 2) return;
  const sets = distinct(DATA.runs.flatMap((run) => run.lines.map((line) => line.name)));
  const shown = sets.includes(state.compareSet) ? state.compareSet : sets.find((each) => DATA.runs.every((run) => run.lines.some((line) => line.name === each && line.kind === "mean"))) ?? sets[0];
  fill("compare-choices", choice("set ", sets.map((each) => [each, each]), shown, (compareSet) => state.set({ compareSet }), "compare-set"));
  const series = DATA.runs.flatMap((run, place) => run.lines.filter((line) => line.name === shown).slice(0, 1).map((line) => ({
    label: run.name, alphas: line.alphas, values: line.values, low: line.low, high: line.high, between: line.between, ...runStyle(place), width: 2.2, band: DATA.runs.length <= 4, text: (value) => `${percent(value)} %`,
  })));
  draggable(state, "compare-chart", (width) => lineChart(width, {
    series, alpha: state.alpha, chosen: null, format: (value) => Number((100 * value).toFixed(1)), label: `Accuracy of the runs on ${shown} over alpha`, yLabel: `accuracy on ${short(shown, 30)}, %`,
  }));
  fill("compare-now", dataTable(`On ${shown} at alpha = ${state.alpha}, in %`, ["run", "accuracy", "95 % interval", "n"], DATA.runs.flatMap((run) => run.lines.filter((line) => line.name === shown).slice(0, 1).map((line) => {
    const at = nearest(line.alphas, state.alpha);
    return { cells: [name(run.name), percent(line.values[at]), `${percent(line.low[at])} to ${percent(line.high[at])}`, line.n] };
  }))));
  const shift = (run) => shiftLines(run)[0]?.name;
  const tracks = DATA.runs.map((run, place) => shift(run) && trackOf(run, shift(run), runStyle(place).colour)).filter(Boolean);
  document.getElementById("compare-scatter").hidden = !tracks.length;
  if (tracks.length) chart("compare-scatter", (width) => scatterChart(width, {
    tracks, alpha: state.alpha, label: "Reference against shift of every run", xLabel: "accuracy on the reference, %", yLabel: "accuracy under shift, %", smallest: 0.5 / Math.min(...tracks.map((each) => each.n)),
  }));
}

const SECTIONS = [drawCompare, drawCurve, drawScatter, drawClasses, drawFlips, drawAnalyses];

const state = {
  alpha: 0, run: DATA.runs[0], highlight: null, waiting: false, open: new Set(),
  set(changes) {
    Object.assign(state, changes);
    if (state.waiting) return;
    state.waiting = true;
    requestAnimationFrame(() => { state.waiting = false; draw(); });
  },
};

// Draw all of it again: the focus, what was unfolded and how far a table was scrolled stay as they were.
function draw() {
  const before = document.activeElement;
  const [id, mark] = [before?.id, before?.dataset?.focus];
  document.querySelectorAll("details[data-key]").forEach((each) => state.open[each.open ? "add" : "delete"](each.dataset.key));
  const scrolled = [...document.querySelectorAll("#live .scroll, #compare .scroll")].map((each) => each.scrollLeft);
  showControls();
  for (const section of SECTIONS) section(state);
  [...document.querySelectorAll("#live .scroll, #compare .scroll")].forEach((each, place) => { if (scrolled[place]) each.scrollLeft = scrolled[place]; });
  if (before && !before.isConnected) {
    const again = id ? document.getElementById(id) : [...document.querySelectorAll("[data-focus]")].find((each) => each.dataset.focus === mark);
    again?.focus({ preventScroll: true });
  }
}

function named(alpha) {
  const words = [alpha === 0 ? "zero-shot" : "", alpha === 1 ? "fine-tuned" : "", alpha === state.run.alpha ? "chosen" : ""].filter(Boolean);
  return words.length ? `${alpha} (${words.join(", ")})` : String(alpha);
}

function showControls() {
  const slider = document.getElementById("alpha"), place = nearest(DATA.alphas, state.alpha);
  slider.value = String(place);
  slider.setAttribute("aria-valuetext", `alpha ${named(state.alpha)}`);
  document.getElementById("alpha-value").textContent = named(state.alpha);
  document.querySelectorAll("#jumps button").forEach((each) => each.setAttribute("aria-pressed", String(Number(each.dataset.alpha) === state.alpha)));
}

function addJumps() {
  const ends = [[0, "zero-shot"], [state.run.alpha, "chosen"], [1, "fine-tuned"]].filter(([alpha], place, all) => DATA.alphas.includes(alpha) && all.findIndex(([each]) => each === alpha) === place);
  fill("jumps", ...ends.map(([alpha, text]) => {
    const button = node("button", { type: "button", "data-alpha": alpha, "data-focus": `jump-${text}` }, text);
    button.addEventListener("click", () => state.set({ alpha }));
    return button;
  }));
}

function start() {
  const slider = document.getElementById("alpha");
  slider.max = String(DATA.alphas.length - 1);
  slider.addEventListener("input", () => state.set({ alpha: DATA.alphas[Number(slider.value)] }));
  document.getElementById("run")?.addEventListener("change", (event) => {
    const run = DATA.runs[Number(event.target.value)];
    state.set({ run, highlight: null, alpha: DATA.alphas[nearest(DATA.alphas, run.alpha)] });
    state.run = run;
    addJumps();
  });
  state.alpha = DATA.alphas[nearest(DATA.alphas, state.run.alpha)];
  for (const id of ["live", "control"]) document.getElementById(id).hidden = false;
  const together = document.getElementById("compare-live");
  if (together) together.hidden = false;
  addJumps();
  draw();
  new ResizeObserver(() => {
    const changed = [...charts].some(([id, { width }]) => { const box = document.getElementById(id); return box && Math.abs(box.clientWidth - width) > 1; });
    if (changed) state.set({});
  }).observe(document.getElementById("main"));
  addEventListener("beforeprint", () => { document.querySelectorAll("details").forEach((each) => { each.open = true; }); });
}

start();
