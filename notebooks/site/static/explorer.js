// Draws what `jointprune.paper.explorer.page_facts` holds; explorer_data.js defines EXPLORER.
"use strict";
(() => {
  const at = (name) => document.getElementById(`explorer-${name}`);
  const percent = (share) => (100 * share).toFixed(1);
  const points = (share) => {
    const text = (100 * share).toFixed(1);
    return Number(text) === 0 ? "0.0" : (share > 0 ? "+" : "") + text;
  };
  const options = (menu, names) => menu.replaceChildren(
    ...names.map((name, i) => new Option(name, i)));

  function hand(side, share) {
    const mirror = side === "left" ? -1 : 1;
    const place = EXPLORER.hand.map(([x, y]) => [60 + 38 * mirror * x, 96 + 40 * y]);
    const lines = EXPLORER.bones.map(([a, b]) =>
      `<line x1="${place[a][0]}" y1="${place[a][1]}" x2="${place[b][0]}" y2="${place[b][1]}"/>`);
    const of = EXPLORER.names.map((name) => share[`${side}.${name}`] || 0);
    const dots = place.map(([x, y], i) =>
      `<circle cx="${x}" cy="${y}" r="${2 + 3.5 * of[i]}" style="fill-opacity: ${of[i]}">` +
      `<title>${EXPLORER.names[i].replace("_", " ")}: ${Math.round(100 * of[i])} %</title></circle>`);
    const kept = EXPLORER.names.map((name, i) => [name.replace("_", " "), of[i]])
      .filter(([, value]) => value > 0)
      .map(([name, value]) => `${name} ${Math.round(100 * value)} %`).join(", ") || "no joint";
    const count = of.reduce((a, b) => a + b, 0).toFixed(1);
    return `<figure><svg viewBox="0 0 120 106" role="img" aria-label="${side} hand: ${kept}">` +
      `${lines.join("")}${dots.join("")}</svg>` +
      `<figcaption>${side} hand: ${count} of 21</figcaption></figure>`;
  }

  function table(element, title, rows) {
    const caption = document.createElement("caption");
    caption.textContent = title;
    element.replaceChildren(caption, ...rows.map((row) => {
      const line = document.createElement("tr");
      const [name, change, ends] = ["th", "td", "td"].map((tag) => document.createElement(tag));
      name.scope = "row";
      name.textContent = row.name;
      change.textContent = points(row.difference);
      ends.textContent = `[${points(row.low)}, ${points(row.high)}]`;
      line.className = row.p_holm < 0.05 ? "differs" : "";
      line.append(name, change, ends);
      return line;
    }));
  }

  function show() {
    const data = EXPLORER.data[at("data").value];
    const method = data.methods[at("method").value];
    const k = Object.keys(method.at).map(Number)[at("k").value];
    const seen = method.at[k];
    at("shown").textContent = `${k} of ${data.joints}`;
    at("k").setAttribute("aria-valuetext", `${k} of ${data.joints} joints`);
    at("hands").innerHTML = hand("left", seen.share) + hand("right", seen.share);
    at("accuracy").textContent =
      `${method.label}, ${k} joints: ${percent(seen.mean)} % ` +
      `[${percent(seen.low)}, ${percent(seen.high)}]; all joints ${percent(data.full.mean)} % ` +
      `[${percent(data.full.low)}, ${percent(data.full.high)}] (95 % intervals over ${data.group}s).`;
    const half = Math.ceil(seen.changes.length / 2);
    table(at("losers"), `${data.class}s that lose most, points`, seen.changes.slice(0, half));
    table(at("winners"), `${data.class}s that gain most, points`,
      seen.changes.slice(half).reverse());
  }

  function choose() {
    const data = EXPLORER.data[at("data").value];
    options(at("method"), data.methods.map((method) => method.label));
    place();
  }

  function place() {
    const data = EXPLORER.data[at("data").value];
    const ks = Object.keys(data.methods[at("method").value].at);
    at("k").max = ks.length - 1;
    at("k").value = Math.max(0, ks.indexOf("12"));
    show();
  }

  if (!EXPLORER.data.length) return;
  options(at("data"), EXPLORER.data.map((data) => data.title));
  at("data").addEventListener("change", choose);
  at("method").addEventListener("change", place);
  at("k").addEventListener("input", show);
  choose();
})();
