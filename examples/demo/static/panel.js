// What stands beside the chat: the robot and the pulse, which come as server-sent events, and pictures.

import { $, clock, element, mark } from "./text.js";

const MINUTE = 60;
const requests = [];

function robot({ pid, starts, news }) {
  mark($("#robot"), pid ? "good" : "bad", pid ? `process ${pid}` : "dead");
  $("#robot").title = `started ${starts} times`;
  $("#news").replaceChildren(
    ...news.toReversed().map(({ time, text }) => {
      const item = element("li");
      item.append(clock(time), text);
      return item;
    }),
  );
}

function pulse({ requests: count, people, lines, uptime }) {
  requests.push(count);
  if (requests.length > MINUTE) requests.shift();
  $("#figures").textContent = `${count} now; ${people} people, ${lines} lines, up ${uptime} s`;
  const top = Math.max(5, ...requests);
  const bars = requests.map((one, index) => {
    const height = Math.max(1, (46 * one) / top);
    const x = (MINUTE - requests.length + index) * 5;
    return `M${x} 48v-${height.toFixed(1)}h4v${height.toFixed(1)}z`;
  });
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", bars.join(""));
  $("#pulse").replaceChildren(path);
}

const feed = new EventSource("/feed");
feed.addEventListener("robot", ({ data }) => robot(JSON.parse(data)));
feed.addEventListener("pulse", ({ data }) => pulse(JSON.parse(data)));
feed.onerror = () => mark($("#robot"), "bad", "no news");

async function post(path, body) {
  const headers = { "X-CSRF-Token": document.body.dataset.token, Accept: "text/plain" };
  try {
    const answer = await fetch(path, { method: "POST", headers, body });
    return answer.ok ? "" : await answer.text();
  } catch {
    return "The server did not answer.";
  }
}

$("#crash").addEventListener("click", async () => {
  $("#crash-notice").textContent = await post("/crash");
});

$("#picture").addEventListener("submit", async (submitted) => {
  submitted.preventDefault();
  const form = submitted.target;
  const tooLarge = $("#file").files[0].size > 1_000_000;
  const problem = tooLarge ? "A picture may have up to 1 MB." : await post(form.action, new FormData(form));
  $("#picture-notice").textContent = problem;
  if (!problem) form.reset();
});
