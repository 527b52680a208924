// The page of circuits.web.apps.inspector. What it is told comes from the application and its
// peers: it becomes text, by textContent, and never markup.
"use strict";

const meta = (name) => document.querySelector(`meta[name="inspector-${name}"]`).content;
const $ = (id) => document.getElementById(id);

// How much is kept, however long the page is open.
const TRACES = 5000, SHOWN = 200, KINDS = 1500, ERRORS = 200, POINTS = 60, NODES = 300;

// -- small things ------------------------------------------------------------------------------

function el(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) made[name] = value;
    else if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  for (const child of children) {
    if (child !== null && child !== undefined) made.append(child instanceof Node ? child : String(child));
  }
  return made;
}

function number(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(value < 1e7 ? 2 : 1)}M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)}k`;
  return value >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
}

function time(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds >= 10) return `${seconds.toFixed(1)} s`;
  if (seconds >= 1) return `${seconds.toFixed(2)} s`;
  if (seconds >= 1e-3) return `${(seconds * 1e3).toFixed(seconds < 1e-2 ? 2 : 1)} ms`;
  return `${Math.round(seconds * 1e6)} \u00b5s`;
}

function bytes(count) {
  if (count < 1024) return `${count} B`;
  return count < 1 << 20 ? `${(count / 1024).toFixed(1)} KiB` : `${(count / (1 << 20)).toFixed(1)} MiB`;
}

function clock(seconds) {
  const date = new Date(seconds * 1000), pad = (value, size) => String(value).padStart(size, "0");
  return `${pad(date.getHours(), 2)}:${pad(date.getMinutes(), 2)}:${pad(date.getSeconds(), 2)}.${pad(date.getMilliseconds(), 3)}`;
}

const where = (channels) => channels.join(", ") || "*";
const say = (text) => { $("said").textContent = text; };

// -- tiles ---------------------------------------------------------------------------------------

const series = { events: [], calls: [], depth: [], cpu: [] };

function draw(name, value) {
  const points = series[name];
  points.push(value);
  if (points.length > POINTS) points.shift();
  const svg = $(`g-${name}`), most = Math.max(1, ...points);
  svg.setAttribute("viewBox", `0 0 ${POINTS - 1} 100`);
  svg.setAttribute("preserveAspectRatio", "none");
  const first = POINTS - points.length;
  const line = points.map((point, index) => `${first + index},${(94 - (point / most) * 84).toFixed(1)}`).join(" ");
  if (!svg.firstChild) {
    for (const tag of ["path", "polyline"]) svg.append(document.createElementNS("http://www.w3.org/2000/svg", tag));
  }
  svg.firstChild.setAttribute("d", `M${first},100 L${line.replaceAll(" ", " L")} L${POINTS - 1},100 Z`);
  svg.lastChild.setAttribute("points", line);
}

// -- tables --------------------------------------------------------------------------------------

// A table whose columns sort. Rows are kept by their keys, so that a focus or a selection stays.
class Table {
  constructor(id, columns, sorted, descending = true) {
    this.table = $(id);
    this.columns = columns;
    this.sorted = sorted;
    this.descending = descending;
    this.rows = new Map();
    const head = this.table.querySelector("thead tr");
    columns.forEach((column, index) => {
      const button = el("button", { type: "button", onclick: () => this.sort(index) }, column.title);
      head.append(el("th", { scope: "col", class: column.text ? null : "num" }, button));
    });
    this.mark();
  }
  mark() {
    this.table.querySelectorAll("th").forEach((th, index) => {
      if (index === this.sorted) th.setAttribute("aria-sort", this.descending ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    });
  }
  sort(index) {
    this.descending = index === this.sorted ? !this.descending : !this.columns[index].text;
    this.sorted = index;
    this.mark();
    this.show(this.data || []);
    say(`Sorted by ${this.columns[index].title}`);
  }
  show(data) {
    this.data = data;
    const value = (row) => this.columns[this.sorted].value(row), sign = this.descending ? -1 : 1;
    const ordered = [...data].sort((one, other) => {
      const a = value(one), b = value(other);
      return (a < b ? -1 : a > b ? 1 : 0) * sign || (one.key < other.key ? -1 : 1);
    });
    const body = this.table.querySelector("tbody"), seen = new Set();
    ordered.forEach((row, index) => {
      seen.add(row.key);
      let tr = this.rows.get(row.key);
      if (!tr) {
        tr = el("tr", null, ...this.columns.map((column) => el("td", { class: column.kind || (column.text ? "wide" : "num") })));
        this.rows.set(row.key, tr);
      }
      this.columns.forEach((column, position) => {
        const text = column.show ? column.show(row) : String(column.value(row));
        if (tr.children[position].textContent !== text) tr.children[position].textContent = text;
      });
      if (body.children[index] !== tr) body.insertBefore(tr, body.children[index] || null);
    });
    for (const [key, tr] of this.rows) {
      if (!seen.has(key)) {
        tr.remove();
        this.rows.delete(key);
      }
    }
    this.table.hidden = !data.length;
  }
}

const rates = new Table("rates", [
  { title: "Event", text: true, kind: "name", value: (row) => row.name },
  { title: "Channel", text: true, value: (row) => row.where },
  { title: "Events/s", value: (row) => row.events, show: (row) => number(row.events) },
  { title: "Calls/s", value: (row) => row.calls, show: (row) => number(row.calls) },
  { title: "Total", value: (row) => row.total, show: (row) => number(row.total) },
], 4);

const times = new Table("times", [
  { title: "Handler", text: true, kind: "name", value: (row) => row.key },
  { title: "Runs/s", value: (row) => row.runs, show: (row) => number(row.runs) },
  { title: "p50", value: (row) => row.p50, show: (row) => (row.samples ? time(row.p50) : "\u2013") },
  { title: "p99", value: (row) => row.p99, show: (row) => (row.samples ? time(row.p99) : "\u2013") },
  { title: "Longest", value: (row) => row.most, show: (row) => (row.samples ? time(row.most) : "\u2013") },
  { title: "Samples", value: (row) => row.samples, show: (row) => number(row.samples) },
], 1);

const connections = new Table("connections", [
  { title: "Component", text: true, kind: "name", value: (row) => row.owner },
  { title: "Peer", text: true, value: (row) => row.peer },
  { title: "State", text: true, value: (row) => row.state },
  { title: "Unsent", value: (row) => row.unsent, show: (row) => bytes(row.unsent) },
], 0, false);

// -- events --------------------------------------------------------------------------------------

const traces = new Map(), children = new Map(), rows = new Map();
let chosen = null, paused = false;

function remember(trace) {
  const known = traces.get(trace.id);
  traces.set(trace.id, trace);
  if (!known && trace.parent !== null) {
    const siblings = children.get(trace.parent);
    if (siblings) siblings.push(trace.id);
    else children.set(trace.parent, [trace.id]);
  }
  if (traces.size > TRACES) {
    const [oldest] = traces.keys();
    if (oldest !== chosen) {
      traces.delete(oldest);
      children.delete(oldest);
    }
  }
}

function matches(trace) {
  if ($("only-errors").checked && !trace.errors.length) return false;
  const wanted = $("filter").value.trim().toLowerCase();
  if (!wanted) return true;
  return [trace.name, ...trace.channels, ...trace.handlers.map(([label]) => label)]
    .some((text) => text.toLowerCase().includes(wanted));
}

function why(trace) {
  if (trace.cause !== null) return `\u2190 ${trace.cause}`;
  return trace.origin === "thread" ? "\u2190 another thread" : trace.origin ? `\u2190 ${trace.origin}` : "";
}

function lasted(trace) {
  return trace.took === null ? "suspended" : time(trace.took);
}

function eventRow(trace) {
  const button = el("button", { type: "button", onclick: () => choose(trace.id, true) },
    el("span", { class: "at" }, clock(trace.at)),
    el("span", { class: "what" }, el("b", null, trace.name), " ", el("span", { class: "where" }, where(trace.channels))),
    el("span", { class: "why" }, why(trace)),
    el("span", { class: "took" }, lasted(trace)));
  if (trace.id === chosen) button.setAttribute("aria-current", "true");
  return el("li", { class: trace.errors.length ? "failed" : null }, button);
}

function addEvents(found) {
  const list = $("events");
  for (const trace of [...found].sort((one, other) => one.id - other.id)) {
    const row = rows.get(trace.id);
    if (row) { // it has gone on
      row.querySelector(".took").textContent = lasted(trace);
      row.classList.toggle("failed", trace.errors.length > 0);
    } else if (matches(trace)) {
      const made = eventRow(trace);
      rows.set(trace.id, made);
      list.prepend(made);
    }
  }
  for (const [id, row] of rows) {
    if (rows.size <= SHOWN) break;
    if (row.contains(document.activeElement)) continue;
    row.remove();
    rows.delete(id);
  }
  $("no-events").hidden = rows.size > 0;
}

function filterAgain() {
  $("events").replaceChildren();
  rows.clear();
  addEvents([...traces.values()].filter(matches).slice(-SHOWN));
  $("no-events").textContent = traces.size ? "No event matches." : "Nothing yet. Events are shown as they are handled.";
}

function choose(id, focus) {
  for (const [other, row] of rows) {
    if (other === id) row.firstChild.setAttribute("aria-current", "true");
    else row.firstChild.removeAttribute("aria-current");
  }
  chosen = id;
  showDetail();
  $("split").classList.toggle("chosen", id !== null);
  if (focus && id !== null) {
    $("detail").focus({ preventScroll: true });
    $("detail").scrollTop = 0;
    if (matchMedia("(max-width: 820px)").matches) $("detail").scrollIntoView({ block: "nearest" });
  }
}

function topOf(trace) {
  const seen = new Set();
  while (trace.parent !== null && traces.has(trace.parent) && !seen.has(trace.id)) {
    seen.add(trace.id);
    trace = traces.get(trace.parent);
  }
  return trace;
}

function reach(trace, found = []) {
  if (found.length < NODES) {
    found.push(trace);
    for (const id of children.get(trace.id) || []) if (traces.has(id)) reach(traces.get(id), found);
  }
  return found;
}

function causes(top) {
  const all = reach(top), begin = Math.min(...all.map((trace) => trace.at));
  const end = Math.max(...all.map((trace) => trace.at + (trace.took || 0)));
  const shown = new Set(all.map((trace) => trace.id)), scale = 100 / Math.max(end - begin, 1e-9);
  function node(trace) {
    const bar = el("i");
    bar.style.left = `${Math.min((trace.at - begin) * scale, 99)}%`;
    bar.style.width = `${Math.min((trace.took || 0) * scale, 100)}%`;
    const button = el("button", { type: "button", class: `node${trace.errors.length ? " failed" : ""}`, onclick: () => choose(trace.id, true) },
      el("span", { class: "row" },
        el("span", null, el("b", null, trace.name), " ", el("span", { class: "where" }, where(trace.channels))),
        el("span", { class: "took where" }, lasted(trace))),
      el("span", { class: "span" }, bar));
    if (trace.id === chosen) button.setAttribute("aria-current", "true");
    const below = (children.get(trace.id) || []).filter((id) => shown.has(id));
    const item = el("li", null, button);
    if (below.length) item.append(el("ul", null, ...below.map((id) => node(traces.get(id)))));
    return item;
  }
  return { list: el("ul", { class: "trace" }, node(top)), count: all.length };
}

function showDetail() {
  const detail = $("detail"), trace = chosen === null ? null : traces.get(chosen);
  if (!trace) {
    detail.replaceChildren(el("p", { class: "empty" }, "Choose an event to see what caused it, and what it caused."));
    return;
  }
  const facts = el("dl");
  const fact = (name, value) => { if (value !== null && value !== "") facts.append(el("dt", null, name), el("dd", null, value)); };
  fact("Begun", clock(trace.at));
  fact("Waited", time(trace.waited));
  fact("Took", trace.took === null ? "suspended" : time(trace.took));
  if (trace.parent !== null) {
    const known = traces.has(trace.parent);
    fact("Caused by", known
      ? el("button", { type: "button", class: "link", onclick: () => choose(trace.parent, true) }, trace.cause)
      : `${trace.cause} (not kept any more)`);
  } else fact("Fired", trace.origin === "thread" ? "by another thread" : trace.origin ? `in a ${trace.origin}` : "outside of events");
  const inner = el("div", { class: "inner" },
    el("button", { type: "button", class: "back", onclick: () => choose(null) }, "\u2190 All events"),
    el("h2", null, trace.name, el("span", { class: "where" }, where(trace.channels)),
      trace.errors.length ? el("span", { class: "badge bad" }, "failed") : trace.took === null ? el("span", { class: "badge run" }, "suspended") : null),
    facts);
  if (trace.args) inner.append(el("h3", null, "Arguments"), el("div", { class: "text mono" }, trace.args));
  if (trace.errors.length) inner.append(el("h3", null, "Raised"), el("pre", null, trace.errors.join("\n")));
  if (trace.handlers.length) {
    inner.append(el("h3", null, "Handlers"), el("table", null, el("tbody", null, ...trace.handlers.map(([label, seconds]) =>
      el("tr", null, el("td", { class: "wide" }, label), el("td", { class: "num" }, time(seconds)))))));
  } else inner.append(el("h3", null, "Handlers"), el("p", { class: "note" }, "None was run, or it is not known."));
  const { list, count } = causes(topOf(trace));
  inner.append(el("h3", null, count > 1 ? `Causes and effects (${count} events)` : "It caused nothing that is known"), count > 1 ? list : null);
  const top = detail.scrollTop;
  detail.replaceChildren(inner);
  detail.scrollTop = top;
}

// -- what comes in -------------------------------------------------------------------------------

const kinds = new Map(), handlers = new Map();

function showTick(tick) {
  const seconds = Math.max(tick.seconds, 1e-6);
  const values = { events: tick.events / seconds, calls: tick.calls / seconds, depth: tick.deepest, cpu: tick.cpu * 100 };
  for (const [name, value] of Object.entries(values)) {
    $(`n-${name}`).textContent = name === "cpu" ? value.toFixed(value < 10 ? 1 : 0) : number(Math.round(value * 10) / 10);
    draw(name, value);
  }
  for (const row of kinds.values()) row.events = row.calls = 0;
  for (const [name, channels, events, calls] of tick.kinds) {
    const key = JSON.stringify([name, channels]);
    const row = kinds.get(key) || { key, name, where: where(channels), total: 0 };
    row.events = events / seconds;
    row.calls = calls / seconds;
    row.total += events + calls;
    if (kinds.size < KINDS || kinds.has(key)) kinds.set(key, row);
  }
  for (const row of handlers.values()) row.runs = 0;
  for (const [key, runs, p50, p99, most, samples] of tick.handlers) {
    if (handlers.size < KINDS || handlers.has(key)) {
      handlers.set(key, { key, runs: runs / seconds, p50, p99, most, samples });
    }
  }
  rates.show([...kinds.values()]);
  times.show([...handlers.values()]);
  for (const trace of tick.traces) remember(trace);
  addEvents(tick.traces);
  if (chosen !== null) {
    const related = new Set(reach(topOf(traces.get(chosen) || { id: chosen, parent: null })).map((trace) => trace.id));
    if (tick.traces.some((trace) => related.has(trace.id))) showDetail();
  }
  const happened = tick.events + tick.calls, traced = tick.traces.length;
  $("sampling").textContent = happened > traced * 1.5 && happened > 50
    ? `A sample: ${number(traced)} of ${number(happened)} in the last second` : "";
  if (tick.errors.length) showErrors(tick.errors);
}

const failures = new Map();
let failed = 0;

function showErrors(found) {
  for (const error of found) {
    const key = [error.handler, error.exception, error.text, error.traceback].join("\n");
    const known = failures.get(key);
    failed += 1;
    failures.delete(key);
    failures.set(key, { ...error, count: (known ? known.count : 0) + 1, open: known && known.item ? known.item.querySelector("details").open : false });
    if (known && known.item) known.item.remove();
    if (failures.size > ERRORS) {
      const [oldest, gone] = failures.entries().next().value;
      if (gone.item) gone.item.remove();
      failures.delete(oldest);
    }
  }
  for (const error of failures.values()) {
    if (error.item) continue;
    const details = el("details", { open: error.open }, el("summary", null, "Traceback"), el("pre", null, error.traceback || "there is none"));
    error.item = el("li", null,
      el("div", { class: "top" },
        el("h3", null, `${error.exception}: ${error.text}`),
        error.count > 1 ? el("span", { class: "badge bad" }, `${number(error.count)} times`) : null,
        el("time", { datetime: new Date(error.at * 1000).toISOString() }, clock(error.at))),
      el("p", null, `in ${error.handler}, of ${error.event} on ${where(error.channels)}`),
      error.trace !== null && error.trace !== undefined
        ? el("p", null, el("button", { type: "button", class: "link", onclick: () => jump(error.trace) }, "What led to it")) : null,
      details);
    $("errors").prepend(error.item);
  }
  $("no-errors").hidden = failures.size > 0;
  $("c-errors").textContent = failed ? number(failed) : "";
  if (found.length) say(`${found.length} new ${found.length === 1 ? "error" : "errors"}: ${found[found.length - 1].exception}`);
}

function jump(id) {
  if (!traces.has(id)) return say("That event is not kept any more.");
  open("events");
  choose(id, true);
}

function showTree(tree) {
  $("title").textContent = tree.title;
  document.title = `${tree.title} \u2013 Inspector`;
  $("about").textContent = `process ${tree.pid}, circuits ${tree.version}, Python ${tree.python}`;
  const below = tree.components.map(() => []);
  tree.components.forEach((component, index) => { if (component.parent !== null) below[component.parent].push(index); });
  function node(index, depth) {
    const component = tree.components[index];
    const label = [el("b", null, component.class), " ", el("span", { class: "where" }, component.channel), " ",
      component.handlers ? el("span", { class: "badge", title: "handlers" }, component.handlers) : null];
    if (!below[index].length) return el("li", { title: component.module }, el("span", { class: "leaf" }, ...label));
    return el("li", { title: component.module }, el("details", { open: depth < 4 }, el("summary", null, ...label),
      el("ul", null, ...below[index].map((child) => node(child, depth + 1)))));
  }
  $("tree").replaceChildren(...(tree.components.length ? [node(0, 0)] : []));
  $("tree-title").textContent = tree.total > tree.components.length
    ? `Components (${tree.components.length} of ${tree.total})` : `Components (${tree.total})`;
  const channels = new Map();
  for (const [channel, name, label, priority, filter] of tree.handlers) {
    if (!channels.has(channel)) channels.set(channel, []);
    channels.get(channel).push({ name, label, priority, filter });
  }
  const open = new Set([...$("channels").querySelectorAll("details[open]")].map((one) => one.dataset.channel));
  $("channels").replaceChildren(...[...channels].sort(([a], [b]) => (a < b ? -1 : 1)).map(([channel, found]) => {
    const details = el("details", { open: open.has(channel) }, el("summary", null, channel, el("span", { class: "badge" }, found.length)),
      el("ul", null, ...found.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : b.priority - a.priority)).map((one) =>
        el("li", null, el("span", null, one.name, one.filter ? el("span", { class: "badge" }, "filter") : null,
          one.priority ? el("span", { class: "badge" }, `priority ${one.priority}`) : null), el("span", null, one.label)))));
    details.dataset.channel = channel;
    return details;
  }));
}

let lastTasks = "";

function showState(state) {
  const text = JSON.stringify(state.tasks.map(([handler, event, , places]) => [handler, event, places]));
  if (text !== lastTasks) {
    lastTasks = text;
    $("tasks").replaceChildren(...state.tasks.map(([handler, event, waits, places]) => el("li", null,
      el("h3", null, event), el("p", { class: "for" }, "waits for ", el("span", null, waits)), el("p", { class: "mono" }, handler),
      el("ol", { class: "mono" }, ...places.map((place) => el("li", null, place))))));
  } else { // only how long it is still
    state.tasks.forEach(([, , waits], index) => { $("tasks").children[index].querySelector(".for span").textContent = waits; });
  }
  $("no-tasks").hidden = state.tasks.length > 0;
  $("c-tasks").textContent = state.suspended ? number(state.suspended) : "";
  connections.show(state.connections.map(([owner, peer, phase, unsent], index) => ({ key: `${owner} ${peer} ${index}`, owner, peer, state: phase, unsent })));
  $("no-connections").hidden = state.connections.length > 0;
  $("c-connections").textContent = state.connected ? number(state.connected) : "";
}

const takers = { tick: showTick, tree: showTree, state: showState, errors: ({ errors }) => showErrors(errors) };

// -- the socket ----------------------------------------------------------------------------------

let attempts = 0;

function link(state, text) {
  $("link").dataset.state = state;
  $("link").textContent = text;
}

function connect() {
  const url = `${meta("base").replace(/^http/, "ws")}/socket`;
  const socket = new WebSocket(url.startsWith("ws") ? url : `${location.origin.replace(/^http/, "ws")}${url}`, ["circuits.inspector", meta("token")]);
  socket.onopen = () => {
    attempts = 0;
    link(paused ? "hold" : "live", paused ? "paused" : "live");
    failures.forEach((one) => one.item && one.item.remove());
    failures.clear();
    failed = 0;
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (!(paused && message.type === "tick") && takers[message.type]) takers[message.type](message);
  };
  socket.onclose = () => {
    attempts += 1;
    link("gone", attempts < 4 ? "reconnecting" : "gone");
    if (attempts === 4) say("The application is gone, or was restarted. Load the page again.");
    setTimeout(connect, Math.min(1000 * 2 ** attempts, 15000));
  };
}

// -- views ---------------------------------------------------------------------------------------

const tabs = [...document.querySelectorAll('[role="tab"]')];

function open(name, focus) {
  for (const tab of tabs) {
    const isIt = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", String(isIt));
    tab.tabIndex = isIt ? 0 : -1;
    $(tab.getAttribute("aria-controls")).hidden = !isIt;
    if (isIt && focus) tab.focus();
    if (isIt) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  history.replaceState(null, "", `#${name}`);
}

tabs.forEach((tab, index) => {
  tab.onclick = () => open(tab.id.slice(4));
  tab.onkeydown = (event) => {
    const step = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    open(tabs[(step + tabs.length) % tabs.length].id.slice(4), true);
  };
});

$("events").onkeydown = (event) => {
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  const other = step && event.target.closest("li")[step];
  if (other) {
    event.preventDefault();
    other.firstChild.focus();
  }
};
$("detail").onkeydown = (event) => {
  if (event.key !== "Escape" || chosen === null) return;
  const row = rows.get(chosen);
  choose(null);
  if (row) row.firstChild.focus();
};
$("filter").oninput = filterAgain;
$("only-errors").onchange = filterAgain;
$("pause").onclick = () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  if ($("link").dataset.state !== "gone") link(paused ? "hold" : "live", paused ? "paused" : "live");
};

const asked = location.hash.slice(1);
if (tabs.some((tab) => tab.id === `tab-${asked}`)) open(asked);
connect();
