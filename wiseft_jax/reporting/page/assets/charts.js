// Charts as SVG, drawn at the width that there is. Text gets in as text, never as markup.
const SVG = "http://www.w3.org/2000/svg";
const BLUE = "var(--blue)", RED = "var(--red)", GREEN = "var(--green)", FAINT = "var(--faint)";

function node(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

// A command, which breaks between its words and not at their hyphens.
function commandNode(text) {
  return node("code", {}, ...text.split(" ").flatMap((word, place) => [place ? " " : "", node("span", { class: "whole" }, word)]));
}

function svg(name, attributes = {}, text = null) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  return made;
}

const name = (text) => node("bdi", {}, text);  // its direction of writing is its own
// As toFixed for at least 1 digit, but a tie goes to the even digit, as in Python, which writes the tables in files: 6.25 is 6.2.
const fixed = (value, digits) => {
  const more = 30, exact = Math.abs(value).toFixed(digits + more);
  const kept = exact.slice(0, -more), tie = exact.endsWith(`5${"0".repeat(more - 1)}`);
  return tie && Number(kept.slice(-1)) % 2 === 0 ? (value < 0 ? "-" : "") + kept : value.toFixed(digits);
};
// A number of so many significant digits, by the same rule.
const precise = (value, digits) => {
  const places = digits - 1 - Math.floor(Math.log10(Math.abs(value) || 1));
  return Number(places > 0 && places < 40 ? fixed(value, places) : value.toPrecision(digits));
};
const percent = (value) => fixed(100 * value, 1);
const signed = (value) => {
  const shown = fixed(100 * value, 1);
  return shown === "-0.0" || shown === "0.0" ? "0.0" : (value > 0 ? "+" : "\u2212") + shown.replace("-", "");
};
const pText = (value) => (value < 0.001 ? "p < .001" : `p = ${precise(value, 2)}`);
const short = (text, most) => {
  const letters = [...text];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}\u2026` : text;
};

function nearest(sorted, value) {
  let best = 0;
  sorted.forEach((each, place) => {
    if (Math.abs(each - value) < Math.abs(sorted[best] - value)) best = place;
  });
  return best;
}

function niceTicks(low, high, most) {
  const rough = (high - low || 1) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-6; at += 1) found.push(at * step);
  return found;
}

function frame(width, height, label) {
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  return picture;
}

function path(points) {
  return points.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

// Lines over alpha. series: {label, alphas, values, low, high, between, colour, width, dash, band, dot}
function lineChart(width, options) {
  const { series, alpha, chosen, format, label, yLabel } = options;
  const wide = width > 640;
  const height = Math.round(Math.max(260, Math.min(430, width * 0.52)));
  const box = { left: 48, right: width - (wide ? 148 : 14), top: 26, bottom: height - 42 };
  const shown = series.flatMap((each) => [...each.values, ...(each.band ? [...each.low, ...each.high] : [])]);
  const spread = Math.max(...shown) - Math.min(...shown) || Math.abs(shown[0]) * 0.1 || 0.1;
  const floor = Math.min(...shown) - spread * 0.05, ceiling = Math.max(...shown) + spread * 0.05;
  const alphas = series.flatMap((each) => each.alphas);
  const first = Math.min(0, ...alphas), last = Math.max(1, ...alphas);
  const x = (value) => box.left + ((value - first) / (last - first)) * (box.right - box.left);
  const y = (value) => box.bottom - ((value - floor) / (ceiling - floor)) * (box.bottom - box.top);
  const picture = frame(width, height, label);
  for (const tick of niceTicks(floor, ceiling, 6)) {
    picture.append(svg("line", { class: "grid", x1: box.left, x2: box.right, y1: y(tick), y2: y(tick) }));
    picture.append(svg("text", { class: "soft", x: box.left - 7, y: y(tick) + 4, "text-anchor": "end" }, format(tick)));
  }
  for (const tick of niceTicks(first, last, wide ? 10 : 5)) {
    picture.append(svg("text", { class: "soft", x: x(tick), y: box.bottom + 18, "text-anchor": "middle" }, Number(tick.toFixed(2))));
  }
  picture.append(svg("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }));
  picture.append(svg("text", { class: "soft", x: box.left, y: box.bottom + 36 }, "zero-shot"));
  picture.append(svg("text", { class: "soft", x: (box.left + box.right) / 2, y: box.bottom + 36, "text-anchor": "middle" }, "alpha"));
  picture.append(svg("text", { class: "soft", x: box.right, y: box.bottom + 36, "text-anchor": "end" }, "fine-tuned"));
  picture.append(svg("text", { class: "soft", x: 4, y: 13 }, yLabel));
  if (chosen !== null) {
    picture.append(svg("line", { class: "chosen", x1: x(chosen), x2: x(chosen), y1: box.top, y2: box.bottom }));
    picture.append(svg("text", { class: "soft halo", x: x(chosen), y: box.top - 3, "text-anchor": "middle" }, "chosen"));
  }
  for (const each of series) drawLine(picture, each, x, y);
  picture.append(svg("line", { class: "now", x1: x(alpha), x2: x(alpha), y1: box.top, y2: box.bottom }));
  for (const each of series) drawNow(picture, each, alpha, x, y);
  if (wide) drawNames(picture, series, box.right + 8, y, box);
  return { picture, alphaAt: (place) => first + ((place - box.left) / (box.right - box.left)) * (last - first) };
}

function drawLine(picture, each, x, y) {
  const at = (values, alphas) => alphas.map((alpha, place) => [x(alpha), y(values[place])]);
  if (each.band) {
    const around = path([...at(each.high, each.alphas), ...at(each.low, each.alphas).reverse()]);
    const area = svg("path", { d: `${around}Z`, fill: each.colour });
    area.style.opacity = "var(--shade)";
    picture.append(area);
  }
  const shown = each.between ?? each;
  picture.append(svg("path", {
    d: path(at(shown.values, shown.alphas)), fill: "none", stroke: each.colour,
    "stroke-width": each.width ?? 1.3, "stroke-dasharray": each.dash ?? "none", "stroke-linejoin": "round",
  }));
}

function drawNow(picture, each, alpha, x, y) {
  const place = nearest(each.alphas, alpha);
  const [cx, cy] = [x(each.alphas[place]), y(each.values[place])];
  if (each.band) {
    picture.append(svg("line", { x1: cx, x2: cx, y1: y(each.low[place]), y2: y(each.high[place]), stroke: each.colour, "stroke-width": 3 }));
  }
  const dot = svg("circle", { cx, cy, r: each.band ? 5.5 : 3.2, fill: each.colour, stroke: "var(--paper)", "stroke-width": 1.5, "data-series": each.label });
  dot.append(svg("title", {}, `${each.label}: ${each.text ? each.text(each.values[place]) : each.values[place]}`));
  picture.append(dot);
}

function drawNames(picture, series, left, y, box) {
  const ends = series.map((each) => ({ each, y: y(each.values[each.values.length - 1]) })).sort((a, b) => a.y - b.y);
  const gap = 14;
  let lowest = box.top - gap + 6;
  for (const end of ends) { end.y = Math.max(end.y, lowest + gap); lowest = end.y; }
  let highest = box.bottom + gap;
  for (const end of [...ends].reverse()) { end.y = Math.min(end.y, highest - gap); highest = end.y; }
  for (const { each, y: at } of ends) {
    const label = svg("text", { x: left, y: at + 4, direction: "ltr" }, short(each.label, 19));
    label.style.fill = each.colour === FAINT ? "var(--soft)" : each.colour;
    label.style.unicodeBidi = "isolate";
    if (each.band) label.style.fontWeight = "700";
    picture.append(label);
  }
}

const logit = (value) => Math.log(value / (1 - value));

// A scatter with logit axes. tracks: {label, points: [{alpha, x, y, xLow, xHigh, yLow, yHigh}], colour, chosen}
function scatterChart(width, options) {
  const { tracks, alpha, label, xLabel, yLabel, smallest, baseline } = options;
  const height = Math.round(Math.max(300, Math.min(480, width * 0.62)));
  const box = { left: 52, right: width - 16, top: 26, bottom: height - 44 };
  const clip = (value) => logit(Math.min(1 - smallest, Math.max(smallest, value)));
  const points = tracks.flatMap((each) => each.points);
  const range = (axis) => {
    const values = points.map((point) => clip(point[axis]));
    const spread = Math.max(Math.max(...values) - Math.min(...values), 0.1);
    return [Math.min(...values) - spread * 0.13, Math.max(...values) + spread * 0.13];
  };
  const [xs, ys] = [range("x"), range("y")];
  const within = (value, low, high) => Math.min(high, Math.max(low, value));
  const x = (value) => within(box.left + ((clip(value) - xs[0]) / (xs[1] - xs[0])) * (box.right - box.left), box.left, box.right);
  const y = (value) => within(box.bottom - ((clip(value) - ys[0]) / (ys[1] - ys[0])) * (box.bottom - box.top), box.top, box.bottom);
  const picture = frame(width, height, label);
  const share = (value) => 1 / (1 + Math.exp(-value));
  for (const tick of logitTicks(share(ys[0]), share(ys[1]), 7)) {
    picture.append(svg("line", { class: "grid", x1: box.left, x2: box.right, y1: y(tick), y2: y(tick) }));
    picture.append(svg("text", { class: "soft", x: box.left - 7, y: y(tick) + 4, "text-anchor": "end" }, Number((100 * tick).toFixed(2))));
  }
  for (const tick of logitTicks(share(xs[0]), share(xs[1]), width > 640 ? 9 : 5)) {
    picture.append(svg("line", { class: "grid", x1: x(tick), x2: x(tick), y1: box.top, y2: box.bottom }));
    picture.append(svg("text", { class: "soft", x: x(tick), y: box.bottom + 18, "text-anchor": "middle" }, Number((100 * tick).toFixed(2))));
  }
  picture.append(svg("text", { class: "soft", x: box.right, y: box.bottom + 37, "text-anchor": "end" }, short(xLabel, Math.floor(width / 8))));
  picture.append(svg("text", { class: "soft", x: 4, y: 13 }, short(yLabel, Math.floor(width / 8))));
  for (const [line, dash] of [[(value) => value, "5 4"], ...(baseline ? [[baseline, "none"]] : [])]) {
    drawDiagonal(picture, line, dash, [xs, ys], box, x, y, share);
  }
  for (const track of tracks) drawTrack(picture, track, alpha, x, y);
  return { picture };
}

function drawDiagonal(picture, line, dash, [xs, ys], box, x, y, share) {
  const steps = Array.from({ length: 101 }, (_, place) => xs[0] + ((xs[1] - xs[0]) * place) / 100);
  const inside = steps.map((at) => [share(at), line(share(at))]).filter(([, to]) => logit(to) >= ys[0] && logit(to) <= ys[1]);
  if (inside.length > 1) {
    picture.append(svg("path", { d: path(inside.map(([a, b]) => [x(a), y(b)])), fill: "none", stroke: "var(--control)", "stroke-dasharray": dash }));
  }
}

function logitTicks(low, high, most) {
  const all = [0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995, 0.999];
  const coarse = all.filter((tick) => tick >= low && tick <= high);
  const found = coarse.length > 2 ? coarse : niceTicks(100 * low, 100 * high, 5).map((tick) => tick / 100).filter((tick) => tick > 0 && tick < 1);
  const step = Math.ceil(found.length / most);
  return found.filter((_, place) => place % step === 0);
}

function drawTrack(picture, track, alpha, x, y) {
  const { points, colour } = track;
  const at = (point) => [x(point.x), y(point.y)];
  picture.append(svg("path", { d: path(points.map(at)), fill: "none", stroke: colour, "stroke-width": 2, "stroke-linejoin": "round" }));
  for (const point of points) picture.append(svg("circle", { cx: at(point)[0], cy: at(point)[1], r: 2.2, fill: colour }));
  const now = points[nearest(points.map((each) => each.alpha), alpha)];
  const [cx, cy] = at(now);
  picture.append(svg("line", { class: "now", x1: x(now.xLow), x2: x(now.xHigh), y1: cy, y2: cy }));
  picture.append(svg("line", { class: "now", x1: cx, x2: cx, y1: y(now.yLow), y2: y(now.yHigh) }));
  for (const [end, text] of [[0, "zero-shot"], [1, "fine-tuned"]]) {
    const point = points.find((each) => each.alpha === end);
    if (!point) continue;
    const [left, top] = at(point);
    const shape = end === 0 ? svg("rect", { x: left - 5, y: top - 5, width: 10, height: 10 }) : svg("circle", { cx: left, cy: top, r: 5.5 });
    shape.setAttribute("fill", "var(--paper)");
    shape.setAttribute("stroke", colour);
    shape.setAttribute("stroke-width", 2);
    picture.append(shape);
    const room = 76, beyond = picture.viewBox.baseVal.width - room;  // for the longer of the names
    const late = left > beyond || (left > room && left > x(points[Math.floor(points.length / 2)].x));
    if (track.named) picture.append(svg("text", { class: "soft halo", x: left + (late ? 9 : -9), y: top + 16, "text-anchor": late ? "end" : "start" }, text));
  }
  const dot = svg("circle", { cx, cy, r: 7, fill: colour, stroke: "var(--paper)", "stroke-width": 2, "data-series": track.label });
  dot.append(svg("title", {}, `${track.label}: ${percent(now.x)} %, ${percent(now.y)} %`));
  picture.append(dot);
  const chosen = points.find((each) => each.alpha === track.chosen);
  if (chosen) picture.append(svg("path", { d: star(...at(chosen), 9), fill: "none", stroke: "var(--ink)", "stroke-width": 1.3 }));
}

function star(cx, cy, size) {
  const corners = Array.from({ length: 10 }, (_, place) => {
    const [angle, radius] = [(place * Math.PI) / 5 - Math.PI / 2, place % 2 ? size * 0.45 : size * 1.25];
    return [cx + radius * Math.cos(angle), cy + radius * Math.sin(angle)];
  });
  return `${path(corners)}Z`;
}

// Bars to the right (or left, of negative values); names beside them, above where it is narrow. bars: {label, value, low, high}
function barChart(width, { bars, label, format }) {
  const narrow = width < 480, row = narrow ? 38 : 22, line = narrow ? 16 : 0;
  const longest = Math.max(...bars.map((each) => [...each.label].length));
  const left = narrow ? 4 : Math.min(16 + 7 * Math.max(28, longest), width * 0.5), right = width - 64;
  const height = bars.length * row + 12;
  const values = bars.flatMap((each) => [each.value, each.low ?? each.value, each.high ?? each.value]);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values) || 1];
  const x = (value) => left + ((value - low) / (high - low)) * (right - left);
  const picture = frame(width, height, label);
  bars.forEach((each, place) => {
    const top = place * row + 6, at = narrow ? { x: left } : { x: left - 8, "text-anchor": "end" };
    picture.append(svg("text", { ...at, y: top + 13 }, short(each.label, Math.floor((narrow ? width : left) / 7))));
    const [from, to] = [Math.min(x(0), x(each.value)), Math.max(x(0), x(each.value))];
    picture.append(svg("rect", { x: from, y: top + line + 2, width: Math.max(1, to - from), height: 14, fill: BLUE }));
    if (each.low != null && each.high != null) {
      picture.append(svg("line", { class: "now", x1: x(each.low), x2: x(each.high), y1: top + line + 9, y2: top + line + 9 }));
    }
    picture.append(svg("text", { class: "soft", x: Math.max(to, x(each.high ?? each.value)) + 6, y: top + line + 13 }, format(each.value)));
  });
  return { picture };
}

// Shares by name and name, darker where they are larger. cells: [down, across, value]
function heatChart(width, { down, across, cells, label, format }) {
  const longest = (names, most) => Math.min(most, Math.max(...names.map((each) => [...each].length)));
  const left = 8 + longest(down, 16) * 6.8, top = 8 + longest(across, 12) * 5.2;
  const size = Math.max(6, Math.min(46, (width - left - 30) / across.length));
  const picture = frame(width, Math.ceil(top + size * down.length + 8), label);
  across.forEach((each, place) => {
    const [x, y] = [left + (place + 0.5) * size, top - 5];
    picture.append(svg("text", { class: "soft", x: x - 2, y, transform: `rotate(-40 ${x} ${y})` }, short(each, 12)));
  });
  down.forEach((each, place) => picture.append(svg("text", { class: "soft", x: left - 6, y: top + (place + 0.5) * size + 4, "text-anchor": "end" }, short(each, 16))));
  for (const [one, other, value] of cells) {
    const [x, y] = [left + across.indexOf(other) * size, top + down.indexOf(one) * size];
    const cell = svg("rect", { x, y, width: size - 1, height: size - 1, fill: BLUE });
    cell.style.opacity = String(0.04 + 0.5 * Math.min(1, Math.max(0, value)));
    cell.append(svg("title", {}, `${one}, ${other}: ${format(value)}`));
    picture.append(cell);
    if (size >= 34) picture.append(svg("text", { x: x + size / 2, y: y + size / 2 + 4, "text-anchor": "middle" }, fixed(value, 2)));
  }
  return { picture };
}

// Counts by label (rows) and answer (columns), shaded by the share of the row.
function matrixChart(width, { names, totals, cells, label }) {
  const count = names.length, answers = count + (cells.some(([, answer]) => answer === count) ? 1 : 0);
  const letters = count > 30 ? 0 : Math.min(14, Math.max(...names.map((each) => [...each].length)));
  const left = 8 + letters * 7.4, top = 34 + (letters ? Math.min(letters, 10) * 5.2 : 0);
  const size = Math.max(4, Math.min(34, (width - left - 8) / answers));
  const picture = frame(width, Math.ceil(top + size * count + 8), label);
  const at = new Map(cells.map(([row, column, value]) => [row * (count + 1) + column, value]));
  picture.append(svg("text", { class: "soft", x: left, y: 12 }, "answer \u2192"));
  if (letters) {
    for (let place = 0; place < answers; place += 1) {
      const text = short(place === count ? "none" : names[place], 10);
      const [x, y] = [left + (place + 0.5) * size, top - 5];
      picture.append(svg("text", { class: "soft", x: x - 2, y, transform: `rotate(-40 ${x} ${y})` }, text));
      if (place < count) picture.append(svg("text", { class: "soft", x: left - 6, y: top + (place + 0.5) * size + 4, "text-anchor": "end" }, short(names[place], 14)));
    }
  }
  picture.append(svg("rect", { x: left, y: top, width: size * answers, height: size * count, fill: "none", class: "grid" }));
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < answers; column += 1) {
      const value = at.get(row * (count + 1) + column);
      if (!value) continue;
      const share = value / totals[row], right = row === column;
      const cell = svg("rect", { x: left + column * size, y: top + row * size, width: size - 1, height: size - 1, fill: right ? BLUE : RED });
      cell.style.opacity = String(right ? 0.1 + 0.35 * share : Math.min(0.55, 0.12 + 2 * share));
      cell.append(svg("title", {}, `${names[row]} \u2192 ${names[column] ?? "none"}: ${value} of ${totals[row]}`));
      picture.append(cell);
      if (size >= 20) picture.append(svg("text", { x: left + (column + 0.5) * size, y: top + (row + 0.5) * size + 4, "text-anchor": "middle" }, value));
    }
  }
  return { picture };
}
