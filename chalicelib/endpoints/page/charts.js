// The timeline of an application's pods, and what they asked for over time.

const SVG = "http://www.w3.org/2000/svg";
const MAX_TRACKS = 60; // more bars than anybody reads; a button shows the rest
const LEGEND = [["queued", "queued"], ["pull", "image pull"], ["starting", "starting"], ["running", "running"],
  ["good", "ran, succeeded"], ["bad", "ran, failed"]];

const span = (application, now) => {
  const from = Math.min(...application.list.map((pod) => pod.created));
  const to = Math.max(...application.list.map((pod) => endOf(pod, now)), from + 1000);
  return { from, to, width: to - from };
};

const bar = ([kind, words, from, to], { from: origin, width }) => {
  const node = el("i", { class: kind, title: `${words} ${duration(to - from)}` });
  node.style.left = `min(${((from - origin) / width) * 100}%, 100% - 2px)`; // what ended at once shows too
  node.style.width = `${((to - from) / width) * 100}%`;
  return node;
};

const track = (pod, parts, { axis, driver }) => {
  const told = parts.map(([, words, from, to]) => `${words} ${duration(to - from)}`);
  const state = pod.isDeleting && !isOver(pod) ? "Deleting" : pod.phase;
  return el("li", { "data-pod": pod.name },
    el("b", { class: `state ${state}` }, pod.name),
    el("div", { class: "track", "aria-hidden": "true" }, ...parts.map((part) => bar(part, axis))),
    el("small", {}, [state, ...told, startWords(pod, driver), pod.why].filter(Boolean).join(" · ")));
};

const drawTimeline = (node, application, { pulls, now, showsAll }) => {
  const axis = span(application, now);
  const pods = showsAll ? application.list : application.list.slice(0, MAX_TRACKS);
  node.replaceChildren(...pods.map((pod) => track(pod, phases(pod, pulls.get(pod.uid), now), { axis, driver: application.driver })));
};

const legend = () => el("ul", { class: "legend", "aria-hidden": "true" },
  ...LEGEND.map(([kind, words]) => el("li", { class: kind }, words)));

// [[time, sum]] of what the pods that ran had asked for, a step at each start and end.
const steps = (application, field, now) => {
  const changes = [];
  for (const pod of application.list) {
    if (Number.isNaN(pod.started)) continue;
    changes.push([pod.started, pod.rate[field]]);
    if (!Number.isNaN(pod.ended)) changes.push([pod.ended, -pod.rate[field]]);
  }
  changes.sort(([a], [b]) => a - b);
  let sum = 0;
  return changes.map(([at, by]) => [at, (sum = Math.max(0, sum + by))]).concat([[span(application, now).to, sum]]);
};

const outline = (points, axis, top) => {
  const x = (at) => (((at - axis.from) / axis.width) * 1000).toFixed(1);
  const y = (value) => (98 - (value / top) * 90).toFixed(1);
  let path = `M${x(points[0][0])},98`;
  for (const [at, value] of points) path += ` H${x(at)} V${y(value)}`;
  return `${path} V98 Z`;
};

const chart = (application, { field, title, unit, now }) => {
  const points = steps(application, field, now);
  const top = Math.max(...points.map(([, value]) => value));
  const words = `${title}: ${amount(points.at(-1)[1])} ${unit} now, ${amount(top)} ${unit} at most`;
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of [["viewBox", "0 0 1000 100"], ["preserveAspectRatio", "none"], ["role", "img"], ["aria-label", words]]) {
    svg.setAttribute(name, value);
  }
  if (top > 0) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", outline(points, span(application, now), top));
    svg.append(path);
  }
  return el("figure", {}, svg, el("figcaption", {}, words));
};

const drawCharts = (node, application, now) => node.replaceChildren(
  chart(application, { field: "vcpus", title: "vCPU requested", unit: "vCPU", now }),
  chart(application, { field: "gib", title: "Memory requested", unit: "GiB", now }));
