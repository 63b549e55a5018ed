// What each section shows of a run at one alpha. A section is {draw(state)}; page.js calls it when something changes.

function dataTable(caption, heads, rows, numbers = 1) {
  const cell = (tag, place, content, extra = {}) =>
    node(tag, { ...extra, class: [extra.class, place >= numbers ? "number" : ""].filter(Boolean).join(" ") || null }, ...[content].flat());
  const table = node("table", {},
    node("caption", {}, caption),
    node("thead", {}, node("tr", {}, ...heads.map((each, place) => cell("th", place, each, { scope: "col" })))),
    node("tbody", {}, ...rows.map(({ cells, strong }) => node("tr", { class: strong ? "strong" : null },
      ...cells.map((each, place) => {
        const [content, kind] = Array.isArray(each) ? each : [each, null];
        return place === 0 ? cell("th", place, content, { scope: "row" }) : cell("td", place, content, { class: kind });
      })))));
  return node("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, table);
}

// What unfolds when it is asked for, and stays so when the page is drawn again.
function folded(state, key, title, inner) {
  return node("details", { "data-key": key, open: state.open.has(key) }, node("summary", { "data-focus": key }, title), inner);
}

const change = (value) => [signed(value), value > 5e-4 ? "gain" : value < -5e-4 ? "loss" : null];

function choice(label, options, selected, changed, id) {
  const made = node("select", { id });
  options.forEach(([value, text]) => made.append(node("option", { value, selected: value === selected }, text)));
  made.addEventListener("change", () => changed(made.value));
  return node("label", { for: id }, label, made);
}

const titleOf = (line, run) => {
  const shifts = run.lines.filter((each) => each.kind === "shift").length;
  return line.kind === "mean" ? `mean of ${shifts} shifts` : line.name;
};
const COLOURS = { reference: BLUE, mean: RED, shift: FAINT, matched: FAINT, other: FAINT };

function curveSeries(run, highlight) {
  const only = run.lines.filter((each) => each.kind === "shift").length === 1;
  return run.lines.map((line) => {
    const main = line.kind === "reference" || line.kind === "mean" || (only && line.kind === "shift");
    const lit = line.name === highlight;
    return {
      set: line.name, label: titleOf(line, run), alphas: line.alphas, values: line.values, low: line.low, high: line.high, between: line.between,
      colour: lit ? GREEN : only && line.kind === "shift" ? RED : COLOURS[line.kind], width: lit || main ? 2.4 : 1.2,
      dash: ["matched", "other"].includes(line.kind) && !lit ? "2 3" : null, band: main || lit, text: (value) => `${percent(value)} %`,
    };
  }).sort((a, b) => Number(a.band) - Number(b.band));
}

function drawCurve(state) {
  const run = state.run, series = curveSeries(run, state.highlight);
  draggable(state, "curve-chart", (width) => lineChart(width, {
    series, alpha: state.alpha, chosen: run.alpha, format: (value) => Number((100 * value).toFixed(1)),
    label: "Accuracy of every set over alpha; the table below has the numbers", yLabel: "accuracy, %",
  }));
  const rows = run.lines.map((line) => {
    const place = nearest(line.alphas, state.alpha);
    const [zero, one] = [0, 1].map((end) => line.against.find((each) => each.end === end));
    const drawn = series.find((each) => each.set === line.name);
    const button = node("button", { type: "button", class: "name", "aria-pressed": String(state.highlight === line.name), "data-focus": `set-${line.name}` }, name(titleOf(line, run)));
    button.addEventListener("click", () => state.set({ highlight: state.highlight === line.name ? null : line.name }));
    const kind = { reference: `${line.split}, reference`, mean: "mean", shift: "shift", matched: "matched reference", other: line.split }[line.kind];
    return { strong: line.kind === "reference" || line.kind === "mean", cells: [
      [[key(drawn), button, node("small", { class: "kind" }, kind)], null], kind, line.n, percent(line.values[place]), `${percent(line.low[place])} to ${percent(line.high[place])}`,
      againstCell(zero, place, state.alpha), againstCell(one, place, state.alpha)] };
  });
  document.getElementById("curve-table").replaceChildren(dataTable(
    `Accuracy at alpha = ${state.alpha}, in %`,
    ["set", "kind", "n", "accuracy", "95 % interval", "against zero-shot", "against fine-tuned"], rows, 2));
}

// The line of a curve as it is drawn, beside its name.
function key({ colour, width, dash }) {
  const made = svg("svg", { class: "key", viewBox: "0 0 24 10", "aria-hidden": "true" });
  made.append(svg("line", { x1: 0, x2: 24, y1: 5, y2: 5, stroke: colour, "stroke-width": 1.5 * width, "stroke-dasharray": dash ?? "none" }));
  return made;
}

function againstCell(against, place, alpha) {
  if (!against || against.end === alpha) return "\u2013";
  const [low, high] = [against.low[place], against.high[place]];
  const interval = low === high ? "" : `[${signed(low)}, ${signed(high)}]`;
  const test = against.p_value.length ? pText(against.p_value[place]) : "";
  const [text, kind] = change(against.difference[place]);
  return [[node("span", { class: kind }, text), node("small", {}, node("span", {}, interval + (interval && test ? ", " : "")), node("span", { class: "whole" }, test))], null];
}

// The reference axis of a shift: what the analysis of robustness took, else its matched reference, else the reference.
function axisOf(run, shiftName) {
  const other = rowsOf(run, "effective_robustness").find((row) => row.dataset === shiftName && row.metric === "effective_robustness")?.other;
  const matched = run.lines.find((each) => each.name === shiftName)?.matched_reference;
  return [other, matched].map((name) => name && run.lines.find((each) => each.name === name)).find(Boolean) ?? run.lines.find((each) => each.kind === "reference");
}

// That a shift is set against more classes than it has, as the analysis of robustness counted them, or by the labels.
function unmatched(run, shift, reference) {
  const row = rowsOf(run, "effective_robustness").find((each) => each.dataset === shift.name && each.metric === "share_of_classes");
  const [own, all] = row ? [Math.round(row.value * row.n), row.n] : [shift.classes, reference.classes];
  if (shift.kind !== "shift" || reference.kind !== "reference" || !(own > 0 && own < all)) return [];
  const said = ` Not class-matched: the shift has ${own} of the reference\u2019s ${all} classes, so the two differ in more than the shift; add its matched reference: `;
  return [said, commandNode("wiseft sweep RUN --data.matched_references SPEC"), "."];
}

function trackOf(run, shiftName, colour) {
  const reference = axisOf(run, shiftName);
  const shift = run.lines.find((each) => each.name === shiftName);
  if (!reference || !shift) return null;
  const points = reference.alphas.map((alpha, place) => ({ alpha, place, other: shift.alphas.indexOf(alpha) })).filter(({ other }) => other >= 0).map(({ alpha, place, other }) => ({
    alpha, x: reference.values[place], xLow: reference.low[place], xHigh: reference.high[place],
    y: shift.values[other], yLow: shift.low[other], yHigh: shift.high[other],
  }));
  return points.length ? { label: run.name, points, colour, chosen: run.alpha, n: Math.min(reference.n, shift.n) } : null;
}

const shiftLines = (run) => run.lines.filter((each) => each.kind === "mean" || each.kind === "shift");

function drawScatter(state) {
  const run = state.run, shifts = shiftLines(run);
  const picked = shifts.find((each) => each.name === state.shift) ?? shifts[0];
  const reference = picked && axisOf(run, picked.name);
  const track = picked && trackOf(run, picked.name, BLUE);
  document.getElementById("scatter").hidden = !track;
  if (!track) return;
  fill("scatter-choices", choice("shift ", shifts.map((each) => [each.name, titleOf(each, run)]), picked.name, (shift) => state.set({ shift }), "scatter-shift"));
  chart("scatter-chart", (width) => scatterChart(width, {
    tracks: [{ ...track, named: true }], alpha: state.alpha, label: `Accuracy on ${reference.name} against accuracy on ${titleOf(picked, run)}, by alpha`,
    xLabel: `accuracy on ${reference.name}, %`, yLabel: `accuracy on ${titleOf(picked, run)}, %`, smallest: 0.5 / track.n, baseline: baselineOf(run, picked),
  }));
  const now = track.points[nearest(track.points.map((each) => each.alpha), state.alpha)];
  const said = [`At alpha = ${now.alpha}: ${percent(now.x)} % on `, name(reference.name), ` and ${percent(now.y)} % on `, name(titleOf(picked, run)), ". Square: zero-shot; circle: fine-tuned; star: chosen. "];
  fill("scatter-text", node("p", { "data-live": "scatter" }, ...said, ...robustness(run, picked, now, reference), ...unmatched(run, picked, reference)));
}

const POOR_FIT = 0.5;
const robustnessRows = (run, line) => rowsOf(run, "effective_robustness").filter((row) => row.dataset === line.name && row.group === "logit");

// The line that the analysis of effective robustness fitted to other models, in logit space.
function baselineOf(run, line) {
  const rows = robustnessRows(run, line);
  const [slope, intercept] = ["baseline_slope", "baseline_intercept"].map((metric) => rows.find((row) => row.metric === metric)?.value);
  if (slope === undefined || intercept === undefined) return null;
  return (value) => 1 / (1 + Math.exp(-(slope * logit(value) + intercept)));
}

function robustness(run, line, { alpha, x }, axis) {
  if (!rowsOf(run, "effective_robustness").length) return ["Effective robustness needs a baseline: see Analyses."];
  const row = robustnessRows(run, line).find((each) => each.metric === "effective_robustness" && each.alpha === alpha);
  if (!row) return ["Effective robustness is measured on single shifts: choose one above."];
  const interval = row.ci_low === null ? "" : ` (95 % interval ${signed(row.ci_low)} to ${signed(row.ci_high)})`;
  const fit = robustnessRows(run, line).find((each) => each.metric === "baseline_r_squared");
  const poor = fit && fit.value < POOR_FIT ? ` But the baselines hardly lie on a line here (R\u00b2 = ${fixed(fit.value, 2)}): this number means little.` : "";
  const known = rowsOf(run, "effective_robustness").filter((each) => each.metric === "baseline_accuracy" && each.dataset === axis.name && each.other === line.name).map((each) => each.value);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const beyond = known.length && (x < low || x > high) ? ` The baselines' accuracies on the reference are ${percent(low)} to ${percent(high)} %: here their line is extrapolated.` : "";
  return [`Effective robustness: ${signed(row.value)} points${interval}; the solid line, where it is in view, is the baselines'.${poor}${beyond}`];
}

const WORDS = { weight_space: "Accuracy of merged weights", output_ensemble: "Accuracy of the ensemble of logits", probability_ensemble: "Accuracy of the ensemble of probabilities" };
const words = (text) => WORDS[text] ?? text.replaceAll("_", " ").replace(/\b(?:ece|nll|kl|cka)\b/gu, (each) => each.toUpperCase()).replace(/^./u, (first) => first.toUpperCase());

// Counts at one step of a list of changes; width: numbers before the count.
function countsAt(steps, place, width) {
  const found = new Map();
  for (const step of steps.slice(0, place + 1)) {
    for (let at = 0; at < step.length; at += width + 1) {
      const key = step.slice(at, at + width).join(",");
      found.set(key, (found.get(key) ?? 0) + step[at + width]);
    }
  }
  return found;
}

function alphasOf(run, set) {
  return run.lines.find((line) => line.name === set.name && line.split === set.split)?.alphas ?? run.alphas;
}

const ORDERS = [["data", "as in the data"], ["change", "by change"], ["low", "least accurate first"]];
const MOST_CLASSES = 40;

function drawClasses(state) {
  const run = state.run;
  document.getElementById("classes").hidden = !run.classes.length;
  if (!run.classes.length) return;
  const set = run.classes.find((each) => each.name === state.classSet) ?? run.classes[0];
  const alphas = alphasOf(run, set), place = nearest(alphas, state.alpha);
  const places = { zero: alphas.indexOf(0), now: place, one: alphas.indexOf(1) };
  const order = state.order ?? (set.names.length > MOST_CLASSES ? "change" : "data");
  const body = node("div", { class: "columns" }, classTable(set, places, order, alphas[place]), pairParts(set, places, alphas[place]));
  fill("classes-body",
    node("div", { class: "choices" },
      choice("set ", run.classes.map((each) => [each.name, each.name]), set.name, (classSet) => state.set({ classSet }), "class-set"),
      choice("order ", ORDERS, order, (value) => state.set({ order: value }), "class-order")),
    body);
  if (set.whole) {
    const cells = [...countsAt(set.right, place, 1)].map(([key, value]) => [Number(key), Number(key), value])
      .concat([...countsAt(set.pairs, place, 2)].map(([key, value]) => [...key.split(",").map(Number), value]));
    chart("matrix-chart", (width) => matrixChart(Math.min(width, 30 + 36 * set.names.length + 120), {
      names: set.names, totals: set.totals, cells, label: `Confusion matrix of ${set.name} at alpha ${alphas[place]}: rows are the labels, columns the answers`,
    }), Math.min(1, (36 * set.names.length + 150) / 500));
  }
}

function classTable(set, places, order, alpha) {
  const counts = Object.fromEntries(Object.entries(places).map(([key, at]) => [key, at < 0 ? null : countsAt(set.right, at, 1)]));
  const share = (key, label) => (counts[key] === null ? null : (counts[key].get(String(label)) ?? 0) / set.totals[label]);
  let rows = set.names.map((each, label) => ({ each, label, now: share("now", label), zero: share("zero", label), one: share("one", label) })).filter(({ label }) => set.totals[label]);
  if (order === "low") rows.sort((a, b) => a.now - b.now || a.label - b.label);
  if (order === "change") rows.sort((a, b) => Math.abs(b.now - (b.zero ?? b.now)) - Math.abs(a.now - (a.zero ?? a.now)) || a.label - b.label);
  const all = rows.length;
  rows = rows.slice(0, MOST_CLASSES);
  const text = (value) => (value === null ? "\u2013" : percent(value));
  const caption = `Accuracy by class at alpha = ${alpha}, in %${all > rows.length ? `; ${rows.length} of ${all} classes, see the order` : ""}`;
  return dataTable(caption, ["class", "n", "zero-shot", "here", "fine-tuned", "here \u2212 zero-shot"], rows.map((row) => ({
    cells: [name(row.each), set.totals[row.label], text(row.zero), text(row.now), text(row.one), row.zero === null ? "\u2013" : change(row.now - row.zero)],
  })));
}

function pairParts(set, places, alpha) {
  const counts = Object.fromEntries(Object.entries(places).map(([key, at]) => [key, at < 0 ? new Map() : countsAt(set.pairs, at, 2)]));
  const keys = [...new Set([...counts.zero.keys(), ...counts.now.keys(), ...counts.one.keys()])];
  const at = (key, which) => counts[which].get(key) ?? 0;
  keys.sort((a, b) => at(b, "now") - at(a, "now") || at(b, "zero") + at(b, "one") - at(a, "zero") - at(a, "one") || a.localeCompare(b, "en", { numeric: true }));
  const rows = keys.slice(0, 10).map((key) => {
    const [label, answer] = key.split(",").map(Number);
    return { cells: [[[name(set.names[label]), " \u2192 ", answer === set.names.length ? "no class of the set" : name(set.names[answer])], null], at(key, "zero"), at(key, "now"), at(key, "one")] };
  });
  const parts = node("div", {});
  if (set.whole) parts.append(node("div", { class: "chart", id: "matrix-chart" }));
  parts.append(dataTable(`Most confused at alpha = ${alpha}: images of a class that are taken for another`, ["label \u2192 answer", "zero-shot", "here", "fine-tuned"], rows));
  if (!set.whole) parts.append(node("p", { class: "note" }, "Of so many classes the page has the most confused pairs at the ends and at the chosen alpha."));
  return parts;
}

const KINDS = {{kinds}};

function drawFlips(state) {
  const run = state.run, sets = Object.keys(run.flip_counts);
  document.getElementById("flips").hidden = !sets.length;
  if (!sets.length) return;
  const kinds = Object.keys(KINDS);
  const counts = dataTable(`Images that are right at one of zero-shot, alpha = ${run.alpha} (chosen) and fine-tuned, and wrong at another`,
    ["set", ...kinds], sets.map((set) => ({ cells: [name(set), ...kinds.map((kind) => run.flip_counts[set][kind] ?? 0)] })));
  const meaning = node("ul", { class: "plain note" }, ...kinds.map((kind) => node("li", {}, node("b", {}, kind), `: ${KINDS[kind]}`)));
  const shown = run.flips.filter((each) => (!state.flipSet || each.name === state.flipSet) && (!state.flipKind || each.kind === state.flipKind));
  fill("flips-body", counts, folded(state, "flip-kinds", "What the kinds mean", meaning),
    node("div", { class: "choices" },
      choice("set ", [["", "all"], ...sets.map((set) => [set, set])], state.flipSet ?? "", (flipSet) => state.set({ flipSet }), "flip-set"),
      choice("kind ", [["", "all"], ...kinds.map((kind) => [kind, kind])], state.flipKind ?? "", (flipKind) => state.set({ flipKind }), "flip-kind")),
    node("p", { class: "note", role: "status" }, shown.length ? `${shown.length === 1 ? "1 image" : `${shown.length} images`}, of each kind and set those that the chosen model is surest of. The bar shows where along alpha the answer is right.` : "No image of these is shown; the table counts them all."),
    node("ul", { class: "cards" }, ...shown.map((flip) => card(flip, run, state.alpha))));
}

function card(flip, run, alpha) {
  const names = run.classes.find((each) => each.name === flip.name)?.names ?? [];
  const called = (place) => (place < names.length ? name(names[place]) : "no class of the set");
  const now = flip.answers.filter(([at]) => at <= alpha + 1e-9).pop() ?? flip.answers[0];
  const right = Boolean(now[2]);
  const strip = svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
  const [first, last] = [run.alphas[0], run.alphas[run.alphas.length - 1]];
  const x = (value) => (100 * (value - first)) / (last - first || 1);
  flip.answers.forEach(([at, , ok], place) => {
    const end = flip.answers[place + 1]?.[0] ?? last;
    strip.append(svg("rect", { x: x(at), y: ok ? 0 : 3, width: Math.max(0.5, x(end) - x(at)), height: ok ? 10 : 4, fill: ok ? GREEN : RED }));
  });
  strip.append(svg("rect", { x: Math.min(98, Math.max(0, x(alpha) - 1)), y: 0, width: 2, height: 10, fill: "var(--ink)" }));
  const facts = node("div", {},
    node("div", {}, right ? "\u2713 right: " : "\u2717 wrong: ", node("b", {}, called(now[1]))),
    node("div", {}, "label: ", called(flip.label)), strip,
    node("div", { class: "id" }, name(flip.name), `, ${flip.kind}`), node("div", { class: "id" }, name(flip.id)));
  const made = node("li", { class: `card ${right ? "is-right" : "is-wrong"}` });
  if (flip.image) made.append(node("img", { src: flip.image, alt: `Image of the class ${names[flip.label] ?? "unknown"}`, class: Math.max(...flip.size) <= 48 ? "small" : null, width: flip.size[0], height: flip.size[1] }));
  made.append(facts);
  return made;
}
