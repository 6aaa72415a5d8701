// One application: its figures, timeline, use, Events and logs.

const LOG_MS = 2000; // between two looks at a log that may grow
const EVENTS_MS = 10000; // Events come with changes of a pod; this catches those that come alone
const FIRST_LINES = 1000;
const MAX_LINES = 5000; // older ones leave the page, not the log
const LOG_BYTES = 1000000;
const EVENT_PODS = 20; // one small request for each; the driver and the first executors say what matters

// A log read by looks: each asks from the last line's time on, and leaves out what was seen.
class LogTail {
  constructor(pod, container) { Object.assign(this, { pod, container, last: "", same: 0 }); }

  async more(signal) {
    const params = { timestamps: true, container: this.container, limitBytes: LOG_BYTES };
    if (this.last) params.sinceTime = this.last;
    else params.tailLines = FIRST_LINES;
    const text = await (await request(logPath(this.pod), params, signal)).text();
    const lines = text.split("\n");
    const open = lines.pop(); // a line still being written, or cut by the limit: the next look has it whole
    if (open && (!lines.length || isOver(this.pod))) lines.push(open);
    return this.#fresh(lines);
  }

  #fresh(lines) {
    let skip = this.same;
    const fresh = [];
    for (const line of lines) {
      const at = line.slice(0, line.indexOf(" "));
      if (Number.isNaN(instant(at))) { fresh.push(line); continue; }
      const order = compareTimes(at, this.last);
      if (order < 0 || (order === 0 && skip-- > 0)) continue;
      this.same = order === 0 ? this.same + 1 : 1;
      this.last = at;
      fresh.push(line.slice(at.length + 1));
    }
    return fresh;
  }
}

// RFC 3339 in UTC, with fractions of any length.
const compareTimes = (a, b) => {
  const key = (text) => {
    const [whole, fraction = ""] = text.replace("Z", "").split(".");
    return whole + fraction.padEnd(9, "0");
  };
  return key(a) < key(b) ? -1 : Number(key(a) > key(b));
};

class Detail {
  constructor(node, application) {
    Object.assign(this, { node, application, pulls: new Map(), events: new Map(), seen: new Map(), showsAll: false });
    this.stop = new AbortController();
    this.#build();
    this.draw();
    this.#loop(EVENTS_MS, () => this.#readEvents());
    this.#loop(LOG_MS, () => this.#readLog());
  }

  close() { this.stop.abort(); }

  #build() {
    this.cause = el("p", { class: "cause", role: "status", hidden: "" });
    this.figures = el("dl");
    this.spark = new SparkLink(this.stop.signal);
    this.timeline = el("ol", { class: "timeline" });
    this.all = el("button", { type: "button", hidden: "" }, "Show all pods");
    this.charts = el("div", { class: "charts" });
    this.eventRows = el("tbody");
    this.pick = el("select", { id: "log-pod" });
    this.follow = el("input", { type: "checkbox", id: "log-follow", checked: "" });
    this.log = el("pre", { tabindex: "0", role: "log", "aria-live": "off", "aria-label": "Log" });
    this.all.addEventListener("click", () => { this.showsAll = true; this.draw(); });
    this.pick.addEventListener("change", () => this.#open());
    const heads = ["Age", "Reason", "Pod", "Message"].map((text) => el("th", { scope: "col" }, text));
    this.node.replaceChildren(
      el("p", {}, el("a", { href: "#/" }, "← All applications")),
      el("h2", { id: "detail-title", tabindex: "-1" }, this.application.name), this.cause, this.figures, this.spark.node,
      el("h3", {}, "Timeline"), legend(), this.timeline, this.all,
      el("h3", {}, "Requested over time"), this.charts,
      el("h3", {}, "Log"),
      el("div", { class: "bar" }, el("label", {}, "Of ", this.pick), el("label", {}, this.follow, " Follow")), this.log,
      el("h3", {}, "Events"), el("table", {}, el("thead", {}, el("tr", {}, ...heads)), this.eventRows));
  }

  draw() {
    const now = Date.now();
    this.#drawFigures(now);
    this.spark.draw(this.application);
    drawTimeline(this.timeline, this.application, { pulls: this.pulls, now, showsAll: this.showsAll });
    this.all.hidden = this.showsAll || this.application.pods.size <= MAX_TRACKS;
    drawCharts(this.charts, this.application, now);
    this.#drawPicker();
    this.#drawEvents(now);
  }

  #drawFigures(now) {
    const { application } = this;
    const used = application.usage(now);
    const { driver } = application;
    const rows = [
      ["State", application.state], ["Started", dateTime(application.created)],
      application.ended ? ["Ended", `${dateTime(application.ended)}, after ${duration(application.took(now))}`]
        : ["Has taken", duration(application.took(now))],
      ["Executors", application.executorText], ["On Fargate", dollars(used.usd)],
      ["vCPU-hours", hours(used.vcpu)], ["GiB-hours", hours(used.gib)],
      ["Namespace", application.namespace], ["Application", application.id],
    ];
    this.#drawCause(driver);
    const ended = driver && isOver(driver) && (driver.cause ? driver.exit : driver.why);
    if (ended) rows.splice(1, 0, ["How it ended", ended]);
    if (driver && startWords(driver)) rows.push(["Driver's start", startWords(driver)]);
    this.figures.replaceChildren(...rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  }

  // In words of its own, so that a screen reader tells them once, and what is selected stays.
  #drawCause(driver) {
    const cause = driver?.cause || "";
    this.cause.hidden = !cause;
    if (this.cause.dataset.told === cause) return;
    this.cause.dataset.told = cause;
    const link = el("a", { href: "#log", class: "to-log" }, "See its log");
    link.addEventListener("click", (event) => {
      event.preventDefault();
      this.#show(driver);
    });
    this.cause.replaceChildren(el("strong", {}, "Failed: "), cause, " ", link);
  }

  // Bring a pod's log into view, at its end.
  #show(pod) {
    const option = [...this.pick.options].find((each) => each.value.startsWith(`${pod.uid}/`));
    if (option && this.pick.value !== option.value) {
      this.pick.value = option.value;
      this.#open();
    }
    this.log.scrollIntoView();
    this.log.focus({ preventScroll: true });
    this.log.scrollTop = this.log.scrollHeight;
  }

  #drawPicker() {
    const choices = this.application.list.flatMap((pod) => pod.containers.map((container) => ({
      value: `${pod.uid}/${container}`,
      text: pod.containers.length > 1 ? `${pod.name} / ${container}` : pod.name,
    })));
    const known = new Set([...this.pick.options].map((option) => option.value));
    for (const { value, text } of choices) if (!known.has(value)) this.pick.append(el("option", { value }, text));
    if (!this.tail && choices.length) this.#open();
  }

  #open() {
    const [uid, container] = this.pick.value.split("/");
    const pod = this.application.pods.get(uid);
    if (!pod) return;
    this.tail = new LogTail(pod, container);
    this.isRead = false;
    this.log.replaceChildren();
    if (this.stop.signal.aborted) return;
    this.#readLog();
  }

  async #readLog() {
    const { tail } = this;
    if (!tail || this.isReading === tail || this.isRead || !(this.follow.checked || !tail.last)) return;
    tail.pod = this.application.pods.get(tail.pod.uid) || tail.pod;
    if (Number.isNaN(tail.pod.started) || (tail.pod.isGone && !tail.pod.record)) return;
    this.isReading = tail;
    const wasOver = isOver(tail.pod);
    try {
      const lines = await tail.more(this.stop.signal);
      if (tail === this.tail) { this.#append(lines); this.isRead = wasOver; }
    } catch (error) {
      if (tail === this.tail && error.name !== "AbortError" && !this.log.childNodes.length) {
        this.log.append(`The log cannot be read: ${error.message}\n`);
      }
    } finally { this.isReading = null; }
  }

  #append(lines) {
    if (!lines.length) return;
    const { log } = this;
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    for (const line of lines) log.append(document.createTextNode(`${line}\n`));
    while (log.childNodes.length > MAX_LINES) log.firstChild.remove();
    if (isAtEnd && this.follow.checked) log.scrollTop = log.scrollHeight;
  }

  // Only pods that have changed are asked about, and the driver now and then.
  async #readEvents() {
    const pods = this.application.list.slice(0, EVENT_PODS).filter((pod) => !pod.isGone && (pod.isDriver || this.seen.get(pod.uid) !== pod.version));
    for (const pod of pods) {
      if (isOver(pod) && this.seen.get(pod.uid) === pod.version) continue;
      const path = podsPath(pod.namespace).replace(/pods$/, "events");
      const fieldSelector = `involvedObject.name=${pod.name},involvedObject.uid=${pod.uid}`;
      const answer = await request(path, { fieldSelector, limit: PAGE_SIZE }, this.stop.signal);
      for (const event of (await answer.json()).items) this.#keep(pod, event);
      this.seen.set(pod.uid, pod.version);
    }
    if (pods.length) this.#drawEvents(Date.now());
  }

  #keep(pod, event) {
    const at = instant(event.lastTimestamp || event.eventTime || event.metadata.creationTimestamp);
    this.events.set(event.metadata.uid, { ...event, at, pod: pod.name });
    const pull = this.pulls.get(pod.uid) || { from: NaN, to: NaN };
    if (event.reason === "Pulling") pull.from = at;
    if (event.reason === "Pulled") pull.to = at;
    this.pulls.set(pod.uid, pull);
  }

  #drawEvents(now) {
    const sorted = [...this.events.values()].sort((a, b) => b.at - a.at);
    this.eventRows.replaceChildren(...sorted.map(({ at, reason, pod, message, type, count }) => el("tr", {},
      el("td", { class: "short" }, duration(now - at)),
      el("td", {}, `${type === "Warning" ? "⚠ " : ""}${reason}${count > 1 ? ` ×${count}` : ""}`),
      el("td", {}, pod), el("td", {}, message || ""))));
  }

  async #loop(ms, action) {
    while (!this.stop.signal.aborted) {
      await whenVisible();
      try { await action(); } catch { /* the list says what is wrong with the connection */ }
      await sleep(ms);
    }
  }
}
