// Numbers and times for people, and the one way to make elements: texts never become markup.

const el = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
};

const byId = (id) => document.getElementById(id);

// Writes only what differs, so that a screen reader hears news alone and a selection stays.
const setText = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};

const duration = (ms) => {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${seconds % 60}s`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)}h ${Math.floor((seconds % 3600) / 60)}m`;
  return `${Math.floor(seconds / 86400)}d ${Math.floor((seconds % 86400) / 3600)}h`;
};

const amount = (value) => String(Math.round(value * 100) / 100);
const hours = (seconds) => (seconds / 3600).toFixed(3);
const dollars = (usd) => `$${usd.toFixed(4)}`;
const dateTime = (ms) => (Number.isFinite(ms) ? new Date(ms).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" }) : "");
const clockTime = (ms) => new Date(ms).toLocaleTimeString();
const instant = (text) => (text ? Date.parse(text) : NaN);
