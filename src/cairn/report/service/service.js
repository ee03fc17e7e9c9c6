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

function render(found) {
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

async function predict() {
  const mine = ++asked;
  const row = Object.fromEntries(inputs.map((input) => [input.name, valueOf(input)]));
  try {
    const answer = await fetch("predict", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ rows: [row] }),
    });
    const found = await answer.json();
    if (mine !== asked) return; // a later change has been answered for already
    if (answer.ok) render(found.predictions[0]);
    else show("worse", "No prediction", found.error, [], found.violations || []);
  } catch (error) {
    if (mine === asked) show("worse", "No prediction", "The service does not answer.");
  }
}

form.addEventListener("submit", (event) => { event.preventDefault(); predict(); });
form.addEventListener("change", predict);
form.addEventListener("reset", () => setTimeout(predict));
predict();
