const said = JSON.parse(document.getElementById("said").textContent);
const form = document.getElementById("row");
const inputs = [...form.querySelectorAll("[name]")];
let asked = 0;

function valueOf(input) {
  const text = input.value.trim(), kind = input.dataset.kind, number = Number(text);
  if (text === "") return null;
  if (kind === "boolean") return text === "true";
  return kind !== "text" && Number.isFinite(number) ? number : input.value;
}

function show(tone, headline, detail, shares = [], wrong = []) {
  document.getElementById("result").className = `verdict ${tone}`;
  document.getElementById("headline").textContent = headline;
  document.getElementById("detail").textContent = detail;
  fill("shares", shares);
  fill("wrong", wrong.map((one) => `${one.column} ${one.reason}`));
  for (const input of inputs) {
    const own = wrong.filter((one) => one.column === input.name);
    const why = input.parentElement.querySelector(".why");
    input.setAttribute("aria-invalid", own.length > 0);
    why.hidden = own.length === 0;
    why.textContent = own.map((one) => one.reason).join("; ");
  }
}

function fill(id, lines) {
  document.getElementById(id).replaceChildren(...lines.map((line) => {
    const item = document.createElement("li");
    item.textContent = line;
    return item;
  }));
}

const percent = (share) => `${(100 * share).toFixed(1)}%`;
const plain = (number) => Number(number.toPrecision(6)).toLocaleString("en");

const signed = (number) => {
  const size = said.task === "regression" ? plain(Math.abs(number)) : (100 * Math.abs(number)).toFixed(1);
  return (number < 0 ? "\u2212" : "+") + size;
};

function explain(found) {
  if (said.contributions !== "available") return;
  const all = Object.entries(found ? found.columns : {}).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  const strongest = all.slice(0, 5), others = all.slice(5);
  const most = Math.max(...strongest.map(([, number]) => Math.abs(number))) || 1;
  const rest = others.length
    ? ` (${others.length} other columns: ${signed(others.reduce((sum, [, number]) => sum + number, 0))})`
    : "";
  const points = said.task === "regression" ? "" : ", in percentage points";
  const mean = found && (said.task === "regression" ? plain(found.baseline) : percent(found.baseline));
  document.getElementById("base").textContent =
    found ? `Mean prediction ${mean}. What the columns add${points}${rest}:` : "";
  document.getElementById("bars").replaceChildren(...strongest.map(([name, number]) => {
    const item = document.createElement("li");
    const [label, track, value] = ["name", "track", "value"].map((kind) => {
      const part = document.createElement("span");
      part.className = kind;
      return part;
    });
    const bar = document.createElement("span");
    bar.className = "bar";
    bar.style.width = `${(50 * Math.abs(number)) / most}%`;
    item.className = number < 0 ? "down" : "up";
    label.textContent = label.title = name;
    value.textContent = signed(number);
    track.append(bar);
    item.append(label, track, value);
    return item;
  }));
}

function render(found) {
  explain(found.contributions);
  const wrong = found.violations;
  const warning = wrong.length ? "unclear" : "better";
  if (said.task === "binary") {
    const acts = found.decision;
    const side = `${acts ? "above" : "not above"} the threshold of ${said.limit}`;
    const money = "expected_saving" in found
      ? ` ${acts ? "Acting is expected to save" : "Not acting; expected saving"} ${found.expected_saving.toFixed(2)} ${said.currency}.`
      : "";
    show(warning, `Probability of ${said.target}: ${percent(found.probability)}`, `Decision: ${acts ? "yes" : "no"}, ${side}.${money}`, [], wrong);
  } else if (said.task === "multiclass") {
    const names = Object.keys(found).filter((key) => key.startsWith("probability_"));
    const shares = names.map((key) => `${key.slice(12)} ${percent(found[key])}`);
    show(warning, `Prediction ${found.prediction}`, "", shares, wrong);
  } else {
    show(warning, `Prediction ${plain(found.prediction)}`, "", [], wrong);
  }
}

function fail(why, wrong = []) {
  explain(null);
  show("worse", "No prediction", why, [], wrong);
}

async function predict() {
  const mine = ++asked;
  const row = Object.fromEntries(inputs.map((input) => [input.name, valueOf(input)]));
  try {
    const answer = await fetch("predict", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ rows: [row], explain: said.contributions === "available" }),
    });
    const found = await answer.json();
    if (mine !== asked) return; // a later change has been answered for already
    if (answer.ok) render(found.predictions[0]);
    else fail(found.error, found.violations);
  } catch (error) {
    if (mine === asked) fail("The service does not answer.");
  }
}

form.addEventListener("submit", (event) => { event.preventDefault(); predict(); });
form.addEventListener("change", predict);
form.addEventListener("reset", () => setTimeout(predict));
predict();
