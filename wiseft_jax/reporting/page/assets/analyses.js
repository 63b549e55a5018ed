// The stored analyses: lines where they depend on alpha, bars where they are of groups, always a table.
const FIELDS = ["metric", "dataset", "split", "alpha", "other", "group", "value", "n", "ci_low", "ci_high", "p_value", "p_holm"];

function rowsOf(run, analysis) {
  const found = run.analyses.find((each) => each.name === analysis);
  return found ? found.rows.map((row) => Object.fromEntries(FIELDS.map((field, place) => [field, row[place]]))) : [];
}

const number = (value) => (value === null || value === undefined ? "\u2013" : precise(value, 4));
const AS_PERCENT = (value) => Number(fixed(100 * value, 2));
const UNITS = {  // of a metric: its numbers, ticks and what a title adds
  share: { text: percent, tick: AS_PERCENT, title: ", in %" },
  points: { text: signed, tick: AS_PERCENT, title: ", in points" },
};
const unitOf = (analysis, metric) => UNITS[analysis.units[metric]] ?? { text: number, tick: number, title: "" };
const distinct = (values) => [...new Set(values)];
const FIRST = { calibration: "ece", ensembles: "output_ensemble_gain" };  // the metric that is shown at first
const MOST_BARS = 60, MOST_LINES = 10, MOST_TABLE = 200, FEW_ROWS = 12;

function drawAnalyses(state) {
  const run = state.run, parts = [];
  run.analyses.forEach((each) => parts.push(analysisPart(each, state)));
  if (run.missing.length) {
    parts.push(node("p", { class: "note" }, "Not stored for this run. Each of these commands makes one (RUN is the run's directory); make the page again afterwards:"));
    parts.push(node("ul", { class: "plain" }, ...run.missing.map(([title, command]) => node("li", {}, `${title}: `, commandNode(command)))));
  }
  fill("analyses-body", ...parts.map((each) => (each instanceof Node ? each : each.part)));
  for (const each of parts) if (each.draw) each.draw();
}

function analysisPart(analysis, state) {
  const all = rowsOf(state.run, analysis.name), key = (field) => `${analysis.name}-${field}`;
  const metrics = distinct(all.map((row) => row.metric));
  const metric = [state[key("metric")], FIRST[analysis.name], analysis.name, metrics[0]].find((each) => metrics.includes(each));
  const ofMetric = all.filter((row) => row.metric === metric);
  const sets = distinct(ofMetric.map((row) => row.dataset ?? ""));
  const many = distinct(ofMetric.map(seriesName)).length > MOST_LINES;
  const set = sets.includes(state[key("set")]) ? state[key("set")] : many || sets.length === 1 ? sets[0] : "*";
  const ofSet = ofMetric.filter((row) => set === "*" || (row.dataset ?? "") === set);
  const pairs = ofSet.length && ofSet.every((row) => row.group?.split(":").length === 2) ? distinct(ofSet.map(modelsOf)) : [];
  const pair = pairs.includes(state[key("pair")]) ? state[key("pair")] : pairs[0];
  const rows = pairs.length ? ofSet.filter((row) => modelsOf(row) === pair) : ofSet;
  const part = node("div", {}, node("h3", {}, analysis.title), node("p", { class: "note" }, analysis.meaning));
  const choices = node("div", { class: "choices" });
  if (metrics.length > 1) choices.append(choice("metric ", metrics.map((each) => [each, words(each)]), metric, (value) => state.set({ [key("metric")]: value }), key("metric")));
  if (sets.length > 1) choices.append(choice("set ", [...(many ? [] : [["*", "all"]]), ...sets.map((each) => [each, each || "none"])], set, (value) => state.set({ [key("set")]: value }), key("set")));
  if (pairs.length > 1) choices.append(choice("models ", pairs.map((each) => [each, each]), pair, (value) => state.set({ [key("pair")]: value }), key("pair")));
  if (choices.childNodes.length) part.append(choices);
  const draw = pairs.length && set !== "*" ? gridChart(analysis, metric, rows) : analysisChart(analysis, metric, rows, state);
  if (draw) part.append(node("div", { class: "chart", id: `${analysis.name}-chart` }));
  const { table, count } = analysisTable(analysis, metric, rows, state.alpha);
  part.append(draw && count > FEW_ROWS ? folded(state, `${analysis.name}-table`, `The numbers: ${count} rows`, table) : table);
  if (analysis.left_out) part.append(node("p", { class: "note" }, `${analysis.left_out} more rows are in the run's directory.`));
  return { part, draw };
}

const model = (text) => text?.replaceAll("zero_shot", "zero-shot").replaceAll("fine_tuned", "fine-tuned");

// The alpha of a row; of a pair of models whose first is zero-shot there is nothing to say.
const alphaOf = (row) => (row.group?.startsWith("zero_shot/") ? null : row.alpha);

// What tells rows apart, in words: of set, part, comparison and alpha those that differ, and no more than it takes.
function namer(rows, withAlpha) {
  const parts = [
    (row) => row.dataset, (row) => model(row.group), (row) => row.other && !row.group?.includes(row.other) && `against ${model(row.other)}`,
    (row) => withAlpha && alphaOf(row) !== null && `alpha ${row.alpha}`,
  ].map((part) => (row) => part(row) || "");
  const differing = parts.filter((part) => distinct(rows.map(part)).length > 1);
  const named = (kept) => (row) => kept.map((part) => part(row)).filter(Boolean).join(", ");
  const tell = (names) => names.every(Boolean) && distinct(names).length === names.length;
  const enough = differing.findIndex((_, place) => tell(rows.map(named(differing.slice(0, place + 1)))));
  const telling = enough < 0 ? differing : differing.slice(0, enough + 1);
  return (row) => named(telling.length ? telling : parts)(row) || "all";
}

const seriesName = (row) => [row.dataset, row.group, row.other].join();
const alphasIn = (rows) => distinct(rows.map((row) => row.alpha).filter((each) => each !== null)).sort((a, b) => a - b);

const modelsOf = (row) => `alpha ${row.alpha ?? "?"} and ${row.other ?? "?"}`;

// Rows of pairs "A:B" as a grid, A down and B across: the similarity of each layer with each.
function gridChart(analysis, metric, rows) {
  const pairs = rows.map((row) => [...row.group.split(":"), row.value]);
  const [down, across] = [distinct(pairs.map(([one]) => one)), distinct(pairs.map(([, other]) => other))];
  const label = `${analysis.title}, ${words(metric)}: one model's layers down, the other's across; the table below has the numbers`;
  return () => chart(`${analysis.name}-chart`, (width) => heatChart(Math.min(width, 200 + 52 * across.length), { down, across, cells: pairs, label, format: unitOf(analysis, metric).text }), 1);
}

function analysisChart(analysis, metric, rows, state) {
  const unit = unitOf(analysis, metric);
  const label = `${analysis.title}, ${words(metric)}; the table below has the numbers`;
  if (alphasIn(rows).length >= 3) {
    const called = namer(rows, false);
    const series = distinct(rows.map(seriesName)).slice(0, MOST_LINES).map((each, place, all) => {
      const own = rows.filter((row) => seriesName(row) === each && row.alpha !== null).sort((a, b) => a.alpha - b.alpha);
      if (!own.length) return null;
      const bands = all.length <= 2 && own.every((row) => row.ci_low !== null && row.ci_high !== null);
      return {
        label: called(own[0]), alphas: own.map((row) => row.alpha), values: own.map((row) => row.value), low: own.map((row) => row.ci_low), high: own.map((row) => row.ci_high),
        colour: [BLUE, RED, GREEN, FAINT][place % 4], dash: [null, "6 3", "2 3"][Math.floor(place / 4) % 3], width: 1.8, band: bands, text: unit.text,
      };
    }).filter(Boolean);
    return () => chart(`${analysis.name}-chart`, (width) => lineChart(width, { series, alpha: state.alpha, chosen: state.run.alpha, format: unit.tick, label, yLabel: words(metric) + unit.title }));
  }
  const grouped = rows.filter((row) => row.group !== null || row.other !== null);
  if (grouped.length < 2) return null;
  const called = namer(grouped, true);
  const bars = grouped.slice(0, MOST_BARS).map((row) => ({ label: called(row), value: row.value, low: row.ci_low, high: row.ci_high }));
  return () => chart(`${analysis.name}-chart`, (width) => barChart(width, { bars, label, format: unit.text }));
}

// The alpha whose rows are shown; null where there are rows of too few alphas to move along.
function nearestAlpha(rows, alpha) {
  const found = alphasIn(rows);
  return found.length >= 3 ? found[nearest(found, alpha)] : null;
}

const pOnly = (value) => pText(value).replace(/^p (?:= )?/u, "");

function analysisTable(analysis, metric, rows, alpha) {
  const unit = unitOf(analysis, metric);
  const at = nearestAlpha(rows, alpha);
  const here = rows.filter((row) => at === null || row.alpha === null || row.alpha === at).slice(0, MOST_TABLE);
  const called = namer(here, false), none = "\u2013";
  const shown = (value, text) => (value === null || value === undefined ? none : text(value));
  const columns = [
    ["of", (row) => name(called(row))], ["alpha", (row) => (at === null ? alphaOf(row) ?? none : none)], ["value", (row) => unit.text(row.value)],
    ["95 % interval", (row) => shown(row.ci_low, () => `${unit.text(row.ci_low)} to ${unit.text(row.ci_high)}`)],
    ["n", (row) => row.n ?? none], ["p", (row) => shown(row.p_value, pOnly)], ["p, Holm", (row) => shown(row.p_holm, pOnly)],
  ].filter(([, text]) => here.some((row) => text(row) !== none));
  const title = `${words(metric)}${at === null ? "" : ` at alpha = ${at}`}${unit.title}`;
  const table = dataTable(title, columns.map(([head]) => head), here.map((row) => ({ cells: columns.map(([, text]) => text(row)) })));
  return { table, count: here.length };
}
