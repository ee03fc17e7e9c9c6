const content = JSON.parse(document.getElementById("content").textContent);
const { base, metrics, per, settings } = content;
const DAY = 86400, STEP = 100, NOW = Date.now() / 1000;
const byId = (id) => document.getElementById(id);
const state = { text: "", data: "", metric: 0, sort: "age", down: false, rows: STEP, picked: [], shown: new Set() };
let reference = content.reference;

// A column has its different values and, for each run, the number of its value.
const facts = Object.entries(content.facts), varying = Object.keys(settings).sort((a, b) => (b === "data.name") - (a === "data.name") || (a < b ? -1 : 1));
const scoreOf = (ends, at) => (ends[0][at] === null ? null : ends.map((values) => values[at]));
const runs = Array.from({ length: content.count }, (_, index) => {
  const run = Object.fromEntries(facts.map(([name, { levels, at }]) => [name, levels[at[index]]]));
  return {
    ...run, index,
    name: run.names[0] || run.commit.slice(0, 7),
    table: `${run.data} ${run.version}`.trim(),
    scores: metrics.map(({ key }) => scoreOf(content.scores[key], index)),
    gain: scoreOf(content.scores.gain, index),
    saving: scoreOf(content.scores.saving, index),
  };
});
const settingOf = (run, key) => (key in settings ? settings[key].levels[settings[key].at[run.index]] : base[key]);

// A chosen option (model.name, split.kind) stands for the keys below it.
function changes(run, other) {
  const keys = varying.filter((key) => settings[key].at[run.index] !== settings[key].at[other.index]);
  const options = keys.filter((key) => /\.(name|kind)$/.test(key)).map((key) => key.replace(/[^.]+$/, ""));
  return keys.filter((key) => /\.(name|kind)$/.test(key) || !options.some((option) => key.startsWith(option)));
}
const written = (value) => (value === null || value === undefined ? "null" : typeof value === "string" ? value : JSON.stringify(value));
const settingsOf = (run) => changes(run, runs[reference]).map((key) => `${key.replace(/\.name$/, "")}=${written(settingOf(run, key))}`).join(" ");

function age(run) {
  const seconds = NOW - run.at;
  const units = [[31536000, "y", 2], [2592000, "mo", 2], [604800, "w", 1], [DAY, "d", 1], [3600, "h", 1], [60, "min", 1]];
  for (const [size, name, least] of units) if (seconds >= least * size) return `${Math.floor(seconds / size)} ${name}`;
  return "now";
}

// As many decimals as two digits of the interval need.
function places(score) {
  const width = score[2] - score[1];
  if (score[1] === null || score[2] === null || !(width > 0)) return score[0] && Math.abs(score[0]) < 100 ? 4 : 0;
  return Math.min(Math.max(1 - Math.floor(Math.log10(width)), 0), 9);
}
const formats = Array.from({ length: 13 }, (_, digits) => new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
const number = (value, digits) => (value === null || value === undefined ? "–" : formats[digits].format(value).replace("-", "\u2212"));
const span = (score, digits) => `[${number(score[1], digits)}${Math.abs(score[2]) >= 1000 ? " to " : ", "}${number(score[2], digits)}]`;

function element(name, attributes = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") made.addEventListener(...value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...inside.filter((part) => part !== null && part !== ""));
  return made;
}
const drawn = (name, attributes, ...inside) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
};
const estimate = (score) => {
  if (!score) return "–";
  const digits = places(score);
  return [number(score[0], digits), " ", element("span", { class: "span" }, span(score, digits))];
};

const columns = new Map([
  ["run", { title: "run", value: (run) => run.name, cell: (run) => nameCell(run), text: true }],
  ["age", { title: "age", value: (run) => NOW - run.at, cell: (run) => element("time", { datetime: new Date(run.at * 1000).toISOString(), title: new Date(run.at * 1000).toISOString().slice(0, 16).replace("T", " ") }, age(run)) }],
  ["model", { title: "model", value: (run) => run.model, text: true }],
  ...metrics.map(({ key, name, better }, at) => [key, { title: name, falls: better === "higher", value: (run) => run.scores[at] && run.scores[at][0], cell: (run) => estimate(run.scores[at]) }]),
  ["gain", { title: "gain over best baseline", falls: true, value: (run) => run.gain && run.gain[0], cell: (run) => estimate(run.gain) }],
  ["saving", { title: `saving per ${per.toLocaleString("en-US")} rows`, falls: true, value: (run) => run.saving && run.saving[0], cell: (run) => (run.saving ? [...estimate(run.saving), ` ${run.currency}`] : "–") }],
  ["goal", { title: "goal", value: (run) => run.goal, text: true, cell: (run) => (run.goal ? element("span", { class: `tag accent ${{ reached: "better", missed: "worse" }[run.goal] || "unclear"}` }, run.goal) : "–") }],
  ["settings", { title: "settings that differ", value: (run) => settingsOf(run), text: true, wide: true }],
  ["data", { title: "data", value: (run) => run.table, text: true }],
  ["rows", { title: "test rows", falls: true, value: (run) => run.rows, cell: (run) => number(run.rows, 0) }],
  ["subject", { title: "commit message", value: (run) => run.subject, text: true, wide: true }],
  ...varying.map((key) => [key, { title: key, value: (run) => settingOf(run, key), text: true, cell: (run) => written(settingOf(run, key)), setting: true }]),
]);

function nameCell(run) {
  const sha = run.commit.slice(0, 7), more = run.names.length > 1 ? ` +${run.names.length - 1}` : "";
  const label = run.card ? element("a", { href: run.card, title: "model card" }, run.name) : run.name;
  return [label, run.index === reference ? element("span", { class: "tag" }, "reference") : "",
    element("small", { title: run.names.join(", ") || null }, [run.kind === "commit" ? "" : run.kind + more, run.name === sha ? "" : sha].filter(Boolean).join(" · "))];
}

// Filter: words that a run must contain, and conditions such as roc_auc>0.75.
function conditions(text) {
  return text.trim().split(/\s+/).filter(Boolean).map((word) => {
    const match = word.match(/^([\w.@/-]+?)(!=|<=|>=|=|<|>|~)(.*)$/);
    if (!match) return (run) => haystack(run).includes(word.toLowerCase());
    const [, key, sign, value] = match;
    const known = columns.get(key) || (key in base || key in settings ? { value: (run) => settingOf(run, key) } : null);
    if (!known) throw new Error(`no run has ${key}`);
    return (run) => {
      const found = key === "age" ? (NOW - run.at) / DAY : known.value(run);
      if (sign === "~") return written(found).toLowerCase().includes(value.toLowerCase());
      if (typeof found === "number" && value !== "" && !Number.isNaN(Number(value))) {
        const bound = Number(value);
        return { "=": found === bound, "!=": found !== bound, "<": found < bound, ">": found > bound, "<=": found <= bound, ">=": found >= bound }[sign];
      }
      return sign === "=" ? written(found) === value : sign === "!=" ? written(found) !== value : false;
    };
  });
}
const haystack = (run) => (run.hay ||= [run.names.join(" "), run.commit, run.kind, run.model, run.table, run.subject, settingsOf(run)].join(" ").toLowerCase());

function chosen() {
  let wanted = [];
  byId("found").classList.remove("wrong");
  try {
    wanted = conditions(state.text);
  } catch (error) {
    byId("found").classList.add("wrong");
    byId("found").textContent = `${error.message}; a condition is KEY=VALUE, KEY>VALUE or KEY~TEXT`;
    return null;
  }
  return runs.filter((run) => (!state.data || run.table === state.data) && wanted.every((holds) => holds(run)));
}

function ordered(found) {
  const { value, falls } = columns.get(state.sort), down = state.down !== Boolean(falls) ? -1 : 1;
  const keyed = found.map((run) => [value(run), run]);
  const there = keyed.filter(([key]) => key !== null && key !== undefined);
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : written(a).localeCompare(written(b), "en", { numeric: true }));
  there.sort((a, b) => down * -compare(b[0], a[0]) || b[1].at - a[1].at);
  return [...there, ...keyed.filter(([key]) => key === null || key === undefined)].map(([, run]) => run);
}

function table(found) {
  const isKnown = (value) => value !== null && value !== undefined && value !== "";
  const shown = [...columns].filter(([key, { value }]) => state.shown.has(key) && (!found.length || found.some((run) => isKnown(value(run)))));
  const head = element("tr", {}, element("th", { class: "text", scope: "col" }, element("span", { class: "soft" }, "pick two")), ...shown.map(([key, column]) =>
    element("th", { scope: "col", class: column.text ? "text" : null, "aria-sort": state.sort === key ? (state.down !== Boolean(column.falls) ? "descending" : "ascending") : null },
      element("button", { type: "button", title: `sort by ${column.title}`, on: ["click", () => sortBy(key)] }, column.title))));
  document.querySelector("#board thead").replaceChildren(head);
  const rows = found.slice(0, state.rows).map((run) => element("tr", { class: run.index === reference ? "ours" : null },
    element("td", { class: "pick" }, element("input", { type: "checkbox", value: run.index, "aria-label": `compare ${run.name}`, checked: state.picked.includes(run.index), on: ["change", () => pick(run.index)] })),
    ...shown.map(([key, column]) => {
      const inside = column.cell ? column.cell(run) : written(column.value(run) ?? "–");
      const parts = Array.isArray(inside) ? inside : [inside];
      return element(key === "run" ? "th" : "td", { scope: key === "run" ? "row" : null, class: [column.text ? "text" : "", column.wide ? "settings" : ""].join(" ").trim() || null },
        ...(column.wide ? [element("div", { title: inside }, ...parts)] : parts));
    })));
  document.querySelector("#board tbody").replaceChildren(...rows);
  const rest = found.length - state.rows;
  byId("more").hidden = rest <= 0;
  const frame = byId("board").parentElement;
  byId("goals").hidden = !state.shown.has("goal");
  byId("wide").hidden = frame.scrollWidth <= frame.clientWidth + 1;
  byId("more").textContent = `Show ${Math.min(rest, STEP)} of ${rest.toLocaleString("en-US")} more`;
}

function sortBy(key) {
  state.down = state.sort === key ? !state.down : false;
  state.sort = key;
  state.rows = STEP;
  list();
  document.querySelector("#board thead [aria-sort] button").focus();
}

function pick(index) {
  state.picked = state.picked.includes(index) ? state.picked.filter((one) => one !== index) : [...state.picked, index].slice(-2);
  for (const box of document.querySelectorAll("#board .pick input")) box.checked = state.picked.includes(Number(box.value));
  for (const mark of document.querySelectorAll("#chart [data-run]")) mark.setAttribute("class", classOf(runs[mark.dataset.run]));
  pair();
}

const classOf = (run) => [state.picked.includes(run.index) ? "chosen" : "", run.table === runs[reference].table ? "" : "other"].join(" ").trim();

// The score of each run, the oldest on the left.
function chart(found) {
  const at = state.metric, { name, better } = metrics[at] || { name: "", better: "higher" };
  const points = found.filter((run) => run.scores[at]).sort((a, b) => a.at - b.at || a.index - b.index);
  const figure = byId("chart");
  if (!points.length) return figure.replaceChildren();
  const width = Math.max(figure.clientWidth, 280), height = 256, left = 56, right = 8, top = 12, bottom = 34;
  const ends = points.flatMap((run) => run.scores[at].filter((end) => end !== null));
  let [low, high] = limits(ends);
  if (low === high) [low, high] = [low - 1, high + 1];
  const margin = 0.06 * (high - low), y = (value) => top + (height - top - bottom) * (high + margin - Math.min(Math.max(value, low - margin), high + margin)) / (high - low + 2 * margin);
  const x = (place) => left + (width - left - right) * (points.length === 1 ? 0.5 : place / (points.length - 1));
  const radius = points.length > 400 ? 2 : points.length > 80 ? 3 : 4.5;
  const parts = ticks(low, high).map((value) => drawn("g", {}, drawn("line", { class: "rule", x1: left, x2: width - right, y1: y(value), y2: y(value) }), drawn("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, number(value, decimals(ticks(low, high))))));
  const marks = points.map((run, place) => {
    const score = run.scores[at], mark = drawn("g", { class: classOf(run), "data-run": run.index }, drawn("title", {}, `${run.name}: ${number(score[0], places(score))} ${span(score, places(score))}`));
    if (score[1] !== null && score[2] !== null) mark.append(drawn("line", { class: "span", x1: x(place).toFixed(1), x2: x(place).toFixed(1), y1: y(score[1]).toFixed(1), y2: y(score[2]).toFixed(1) }));
    mark.append(drawn("circle", { cx: x(place).toFixed(1), cy: y(score[0]).toFixed(1), r: radius }));
    mark.addEventListener("click", () => pick(run.index));
    return mark;
  });
  const beyond = points.filter((run) => run.scores[at][0] < low || run.scores[at][0] > high).length;
  const edge = beyond ? ` ${beyond} point${beyond > 1 ? "s lie" : " lies"} beyond the scale and ${beyond > 1 ? "are" : "is"} drawn at its edge.` : "";
  const dates = between(points[0].at, points[points.length - 1].at);
  const axis = [drawn("text", { x: left, y: height - 10 }, dates[0]), dates.length > 1 ? drawn("text", { x: width - right, y: height - 10, "text-anchor": "end" }, dates[1]) : ""];
  figure.replaceChildren(
    drawn("svg", { viewBox: `0 0 ${width} ${height}`, class: points.length > 400 ? "many" : "", role: "img", "aria-label": `${name} of ${points.length} runs, ${dates.join(" to ")}; the table has the numbers` }, ...parts, ...marks, ...axis.filter(Boolean)),
    element("figcaption", {}, `${name} on test with its interval, one step per run, the oldest on the left; ${better} is better. A click on a point picks it.${edge}`));
}
// The ends of a time axis: two days, two times of one day, or one time.
function between(first, last) {
  const [from, until] = [first, last].map((at) => new Date(at * 1000).toISOString().slice(0, 16).split("T"));
  if (from[0] !== until[0]) return [from[0], until[0]];
  return from[1] === until[1] ? [`${from.join(" ")} UTC`] : [from.join(" "), `${until[1]} UTC`];
}
// The rule of cairn/report/plots/canvas.py: without values three times the middle half's width beyond it,
// which are drawn at the edge, so that one failed run does not flatten the others.
function limits(values) {
  const sorted = Float64Array.from(values).sort(), last = sorted.length - 1;
  const [first, third] = [last / 4, (3 * last) / 4].map((at) => sorted[Math.floor(at)] + (at % 1) * (sorted[Math.ceil(at)] - sorted[Math.floor(at)]));
  const room = 3 * (third - first);
  return room ? [sorted.find((value) => value >= first - room), sorted.findLast((value) => value <= third + room)] : [sorted[0], sorted[last]];
}
function ticks(low, high) {
  const raw = (high - low) / 4, size = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].map((one) => one * size).find((one) => one >= raw);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1000; value += step) found.push(Number(value.toPrecision(12)));
  return found;
}
const decimals = (values) => Math.min(12, Math.max(0, ...values.map((value) => (String(value).split(".")[1] || "").length)));

function pair() {
  const box = byId("pair");
  if (state.picked.length === 0) return box.replaceChildren();
  const [one, other] = state.picked.map((index) => runs[index]);
  if (!other) return box.replaceChildren(element("p", { class: "soft" }, `Picked ${one.name}; pick another run to compare.`));
  const [a, b] = one.at <= other.at ? [one, other] : [other, one];
  const rows = [...metrics.map(({ key, name }, at) => [name, a.scores[at], b.scores[at], key]), ["saving", a.saving, b.saving, "saving"], ["gain over the best baseline", a.gain, b.gain, "gain"]]
    .filter(([, left, right]) => left && right);
  const same = a.table === b.table && a.rows === b.rows;
  const equal = same && rows.every(([, left, right]) => String(left) === String(right));
  const command = `cairn compare ${a.names[0] || a.commit} ${b.names[0] || b.commit}`;
  const lacking = [a, b].filter((run) => !run.cached).map((run) => run.name);
  const exact = content.paired[a.index === content.reference ? b.index : a.index];
  if (exact && [a.index, b.index].includes(content.reference)) {
    const [first, second] = [runs[content.reference], a.index === content.reference ? b : a];
    box.replaceChildren(element("div", { class: "box" },
      element("h2", {}, `A: ${first.name}, B: ${second.name}, paired on the same ${number(a.rows, 0)} rows`),
      element("p", {}, exact.verdict),
      element("div", { class: "scroll" }, element("table", {}, element("thead", {}, element("tr", {}, ...exact.header.map((title, at) => element("th", { scope: "col" }, title || (at ? "verdict" : "on test"))))),
        element("tbody", {}, ...exact.rows.map((cells) => element("tr", {}, ...cells.map((cell, at) => element(at ? "td" : "th", { scope: at ? null : "row" }, cell))))))),
      differing(first, second), buttons(first)));
    return;
  }
  box.replaceChildren(element("div", { class: "box" },
    element("h2", {}, `A: ${a.name}, B: ${b.name}`),
    element("div", { class: "scroll" }, element("table", {}, element("thead", {}, element("tr", {}, ...["on test", "A", "B", "B − A"].map((title) => element("th", { scope: "col" }, title)))),
      element("tbody", {}, ...rows.map(([name, left, right, key]) => {
        const digits = Math.max(places(left), places(right)), change = right[0] - left[0];
        return element("tr", { class: key === b.primary ? "first" : null }, element("th", { scope: "row" }, name),
          element("td", {}, number(left[0], digits), " ", element("span", { class: "span" }, span(left, digits))),
          element("td", {}, number(right[0], digits), " ", element("span", { class: "span" }, span(right, digits))),
          element("td", {}, (change > 0 ? "+" : "") + number(change, digits)));
      })))),
    differing(a, b),
    equal ? element("p", {}, "Every score is the same, with its interval.") : same
      ? element("p", {}, "These are the two records. Their intervals overlap even where one run is surely better: the paired comparison on the same rows decides. Type", element("pre", {}, command),
        lacking.length ? `The predictions of ${lacking.join(" and ")} are not in DVC's cache: it fetches them from the remote.` : "")
      : element("p", {}, `Not on the same test rows (${a.table}, ${number(a.rows, 0)} rows; ${b.table}, ${number(b.rows, 0)} rows): the difference says nothing about the models.`),
    buttons(a)));
}

function differing(a, b) {
  const keys = changes(b, a);
  return element("p", {}, keys.length ? `B differs from A in ${keys.length} setting${keys.length > 1 ? "s" : ""}: ` : "The settings of A and B are the same.",
    element("code", {}, keys.map((key) => `${key}=${written(settingOf(b, key))}`).join("  ")));
}

function buttons(a) {
  return element("p", { class: "buttons" },
    element("button", { type: "button", on: ["click", () => { state.picked = []; update(false); }] }, "Clear"), " ",
    element("button", { type: "button", on: ["click", () => { reference = a.index; runs.forEach((run) => { run.hay = null; }); update(false); }] }, "Take A as the reference"));
}

// Draws the table alone: which runs are shown is the same.
function list() {
  const found = chosen();
  if (found) table(ordered(found));
}

function update(fresh = true) {
  if (fresh) state.rows = STEP;
  const found = chosen();
  if (found === null) return;
  const others = found.some((run) => run.table !== runs[reference].table) ? ` Pale points: runs on other data than the reference (${runs[reference].table}); their scores cannot be compared with its.` : "";
  byId("found").textContent = `${found.length.toLocaleString("en-US")} of ${runs.length.toLocaleString("en-US")} runs.${others}`;
  table(ordered(found));
  chart(found);
  pair();
}

function start() {
  const current = runs[reference], tables = [...new Set(runs.map((run) => run.table))];
  byId("data").append(element("option", { value: "" }, "all"), ...tables.map((one) => element("option", { value: one }, one || "unknown")));
  byId("metric").append(...metrics.map(({ name }, at) => element("option", { value: at }, name)));
  state.metric = Math.max(0, metrics.findIndex(({ key }) => key === current.primary));
  byId("metric").value = state.metric;
  const primaries = [...new Set(runs.map((run) => run.primary))];
  state.shown = new Set(["run", "age", ...primaries, ...(runs.some((run) => run.saving) ? ["saving"] : []), ...(runs.some((run) => run.goal) ? ["goal"] : []), "settings",
    ...(new Set(runs.map((run) => run.model)).size > 1 ? ["model"] : []), ...(tables.length > 1 ? ["data"] : [])]);
  byId("columns").append(...[...columns].filter(([key]) => key !== "run").map(([key, { title }]) => element("label", {}, element("input", { type: "checkbox", checked: state.shown.has(key), on: ["change", (event) => { state.shown[event.target.checked ? "add" : "delete"](key); list(); }] }), title)));
  let waiting = 0;
  byId("filter").addEventListener("input", (event) => { clearTimeout(waiting); waiting = setTimeout(() => { state.text = event.target.value; update(); }, 120); });
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("data").addEventListener("change", (event) => { state.data = event.target.value; update(); });
  byId("metric").addEventListener("change", (event) => { state.metric = Number(event.target.value); const found = chosen(); if (found) chart(found); });
  byId("more").addEventListener("click", () => { state.rows += STEP; list(); });
  addEventListener("resize", () => { const found = chosen(); if (found) chart(found); });
  update();
}
start();
