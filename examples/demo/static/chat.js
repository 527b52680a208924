// The chat: a WebSocket that is told everything, and a form.

import { $, clock, element, mark } from "./text.js";

const LINES = 200;
const log = $("#log");
let socket;
let pause = 500;
let you = null;

function add(line) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  log.append(line);
  while (log.childElementCount > LINES) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function event(text) {
  add(element("p", text, { class: "event" }));
}

function said({ name, door, text, picture, time }) {
  const line = element("p", "", name === you ? { class: "mine" } : {});
  line.append(clock(time), element("b", name), element("small", door), text);
  if (picture) {
    const image = element("img", "", { src: picture, alt: `A picture that ${name} shows` });
    image.onload = () => (log.scrollTop = log.scrollHeight);
    line.append(image);
  }
  add(line);
}

function people(list) {
  $("#people").replaceChildren(
    ...list.map(([name, door]) => {
      const one = element("li", `${name} `);
      one.append(element("small", door));
      return one;
    }),
  );
}

const hear = {
  hello(message) {
    you = message.you;
    log.setAttribute("aria-busy", "true"); // what was said before need not be read out
    log.replaceChildren();
    message.history.forEach(said);
    log.setAttribute("aria-busy", "false");
    event(you ? `You are ${you}.` : "You can listen. Tell a name to speak.");
    log.scrollTop = log.scrollHeight;
  },
  people(message) {
    people(message.people);
  },
  said,
  entered(message) {
    people(message.people);
    event(`${message.name} has come in (${message.door})`);
  },
  left(message) {
    people(message.people);
    event(`${message.name} has left`);
  },
  renamed(message) {
    people(message.people);
    event(`${message.before} is called ${message.name} now`);
  },
  notice(message) {
    $("#notice").textContent = message.text;
  },
  refused(message) {
    $("#notice").textContent = `${message.text} Take another name.`;
    document.body.dataset.state = "nameless";
    $("#name").focus();
  },
};

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/talk`);
  socket.onopen = () => {
    pause = 500;
    mark($("#link"), "good", "connected");
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    hear[message.kind]?.(message);
  };
  socket.onclose = ({ code }) => {
    mark($("#link"), "bad", code === 4000 ? "refused" : "not connected");
    if (code === 4000) return;
    setTimeout(connect, pause);
    pause = Math.min(pause * 2, 10000);
  };
}

$("#say").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  const input = $("#text");
  if (socket.readyState !== WebSocket.OPEN) {
    $("#notice").textContent = "There is no connection now.";
    return;
  }
  $("#notice").textContent = "";
  socket.send(input.value);
  input.value = "";
});

connect();
