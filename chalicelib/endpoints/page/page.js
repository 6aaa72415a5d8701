// The list of applications, the way between list and detail, and who looks.

const ROWS_AT_ONCE = 100;
const REDRAW_MS = 250; // at most four pictures a second, however fast pods change
const TICK_MS = 5000; // ages and costs grow by themselves
const NAMESPACE = "sparkanywhere-namespace";

const view = { rows: new Map(), limit: ROWS_AT_ONCE, detail: null, isDue: false };
const applications = new Applications();

const makeRow = (application) => {
  const link = el("a", { href: `#/${encodeURIComponent(application.namespace)}/${encodeURIComponent(application.id)}` });
  const where = el("small");
  const cause = el("small", { class: "why" });
  const cells = Array.from({ length: 6 }, () => el("td", { class: "short" }));
  for (const index of [2, 4]) cells[index].classList.add("wide");
  return { link, where, cause, cells, node: el("tr", {}, el("td", {}, link, where, cause), ...cells) };
};

const fillRow = (row, application, now) => {
  const used = application.usage(now);
  const { state } = application;
  setText(row.link, application.name);
  setText(row.where, `${application.namespace} · ${application.id}`);
  const { payer } = application;
  setText(row.cause, payer ? `paid by ${payer.name}` : application.driver?.cause || "");
  const texts = [state, application.executorText, dateTime(application.created), duration(application.took(now)), hours(used.vcpu), dollars(used.usd)];
  texts.forEach((text, index) => setText(row.cells[index], text));
  row.cells[0].className = `state short ${state}`;
};

const matches = (application, wanted) =>
  `${application.name} ${application.id} ${application.namespace} ${application.state}`.toLowerCase().includes(wanted);

const drawList = () => {
  const wanted = byId("filter").value.trim().toLowerCase();
  const found = applications.sorted().filter((each) => !wanted || matches(each, wanted));
  const shown = found.slice(0, view.limit);
  const now = Date.now();
  const body = byId("rows");
  const kept = new Map();
  shown.forEach((application, index) => {
    const row = view.rows.get(application.key) || makeRow(application);
    kept.set(application.key, row);
    fillRow(row, application, now);
    if (body.children[index] !== row.node) body.insertBefore(row.node, body.children[index] || null);
  });
  for (const [key, row] of view.rows) if (!kept.has(key)) row.node.remove();
  view.rows = kept;
  setText(byId("count"), `${shown.length === found.length ? found.length : `${shown.length} of ${found.length}`}`);
  byId("more").hidden = shown.length === found.length;
  byId("empty").hidden = applications.all.size > 0 || !view.isListed;
  const namespaces = [...new Set(applications.sorted().map((each) => each.namespace))];
  const options = byId("namespaces");
  if (options.children.length !== namespaces.length) options.replaceChildren(...namespaces.map((value) => el("option", { value })));
};

const wantedKey = () => {
  const [, namespace, id] = location.hash.split("/");
  return id ? `${decodeURIComponent(namespace)}/${decodeURIComponent(id)}` : "";
};

const closeDetail = () => {
  view.detail?.close();
  view.detail = null;
  byId("detail").replaceChildren();
};

const draw = () => {
  const key = wantedKey();
  if (view.detail && view.detail.application.key !== key) closeDetail();
  byId("list").hidden = Boolean(key);
  byId("detail").hidden = !key;
  if (!key) return drawList();
  const application = applications.all.get(key);
  if (view.detail && application) view.detail.application = application; // a new list makes new objects
  if (view.detail) return view.detail.draw();
  if (!application) return byId("detail").replaceChildren(
    el("p", {}, el("a", { href: "#/" }, "← All applications")),
    el("p", {}, view.isListed ? "No such application; it may have been removed." : "Looking for it"));
  view.detail = new Detail(byId("detail"), application);
};

const drawSoon = () => {
  if (view.isDue) return;
  view.isDue = true;
  const wait = Math.max(0, REDRAW_MS - (performance.now() - (view.drawn ?? -Infinity)));
  setTimeout(() => requestAnimationFrame(() => {
    view.isDue = false;
    view.drawn = performance.now();
    draw();
  }), wait);
};

const TOKEN_HINT = "The control plane asks for a bearer token, or does not know this one.";
const NAMESPACE_HINT = "Not allowed. Name a namespace that you may see.";

const showProblem = (error) => {
  const node = byId("problem");
  node.hidden = !error;
  if (!error) { view.isListed = true; return; }
  const asksToken = error.code === 401 || !sessionStorage.getItem(TOKEN); // who brings none is anonymous: a 403
  setText(node, `${asksToken ? TOKEN_HINT : NAMESPACE_HINT} ${error.message}`);
  setText(byId("connection"), "Not connected");
  if (asksToken) {
    byId("access").open = true;
    byId("token").focus();
  } else byId("namespace").focus();
};

const follower = new Follower(applications, {
  onNews: drawSoon,
  onStatus: (text) => setText(byId("connection"), text),
  onProblem: showProblem,
});

const restart = () => {
  view.isListed = false;
  byId("problem").hidden = true;
  setText(byId("connection"), "Connecting");
  follower.start(byId("namespace").value.trim());
  closeDetail();
  draw(); // at once: what the last token showed is gone
};

const useToken = (token) => {
  if (token) sessionStorage.setItem(TOKEN, token);
  else sessionStorage.removeItem(TOKEN);
  byId("token").value = "";
  byId("access").open = false;
  restart();
};

byId("login").addEventListener("submit", (event) => { event.preventDefault(); useToken(byId("token").value.trim()); });
byId("forget").addEventListener("click", () => useToken(""));
byId("scope").addEventListener("submit", (event) => event.preventDefault());
byId("namespace").addEventListener("change", () => {
  sessionStorage.setItem(NAMESPACE, byId("namespace").value.trim());
  restart();
});
byId("filter").addEventListener("input", () => { view.limit = ROWS_AT_ONCE; drawSoon(); });
byId("more").addEventListener("click", () => { view.limit += ROWS_AT_ONCE; drawSoon(); });
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); byId("main").focus(); });
addEventListener("hashchange", () => {
  draw();
  byId(wantedKey() ? "detail-title" : "list-title")?.focus();
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && wantedKey() && !event.target.closest("input, select")) location.hash = "#/";
});

byId("namespace").value = sessionStorage.getItem(NAMESPACE) || "";
setText(byId("prices-note"), `On Fargate: an estimate by the list prices of ${PRICES.date}. ${PRICES.source}.`);
setInterval(() => { if (!document.hidden) drawSoon(); }, TICK_MS);
restart();
