// Pods to applications: state, phases, use and cost. Pure. What an hour of a pod comes to stands in its annotation.

const APPLICATION = "sparkanywhere.io/application"; // one for all attempts of a job; executors of each have a selector of their own
const SELECTOR = "spark-app-selector";
const UI_PORT = 4040; // Spark's own choice
const HOUR = 3600;
const PRICES = JSON.parse(byId("prices").textContent);
const DONE = ["Succeeded", "Failed", "Killed", "Ended"];

const earliest = (times) => times.reduce((a, b) => (Number.isNaN(b) || b >= a ? a : b), Infinity);

const exitText = ({ reason, exitCode }) => `${reason || "ended"}, exit ${exitCode}`;

// Why it ended, or what it waits for, in one line.
const reasonOf = (status, states) => {
  const parts = [];
  for (const { terminated, waiting } of states) {
    if (terminated) parts.push(exitText(terminated));
    if (terminated?.message) parts.push(terminated.message);
    if (waiting && !DONE.includes(status.phase)) parts.push(waiting.message || waiting.reason || "");
  }
  const unscheduled = (status.conditions || []).find((each) => each.type === "PodScheduled" && each.status === "False");
  if (unscheduled) parts.push(unscheduled.message || unscheduled.reason || "");
  if (status.reason || status.message) parts.unshift([status.reason, status.message].filter(Boolean).join(": "));
  return parts.filter(Boolean).join("; ");
};

// Why a pod failed, in the control plane's one sentence; else what its status says.
const causeOf = (status, ends) => {
  const told = ends.find((each) => each?.exitCode && each.message);
  return status.phase === "Failed" ? told?.message || status.message || status.reason || "" : "";
};

// The phase of a pod; one that was deleted before its end has been stopped, whatever its exit code.
const phaseOf = (metadata, status) => {
  const phase = status.phase || "Pending";
  const isCutShort = phase === "Failed" && metadata.deletionTimestamp && metadata.deletionGracePeriodSeconds;
  return isCutShort ? (metadata.labels?.["spark-role"] === "driver" ? "Killed" : "Ended") : phase;
};

// From when a pod is paid for, NaN for never: a task that waits is from its start, one that was bound to it from then on.
const billedFrom = (marks, begunAt) => {
  if ("bound-to" in marks && !("warm-user" in marks)) return NaN; // the pod that has its task pays for all of it
  if ("bound-task" in marks && "billed-from" in marks) return instant(marks["billed-from"]);
  const isWaiting = "waits-for" in marks && "billed-from" in marks;
  return begunAt.length || isWaiting ? earliest([marks["billed-from"], ...begunAt].filter(Boolean).map(instant)) : NaN;
};

// Only what is shown is kept: a thousand applications' pods are megabytes.
const slim = (pod) => {
  const { metadata, spec = {}, status = {} } = pod;
  const labels = metadata.labels || {};
  const states = (status.containerStatuses || []).map((each) => each.state || {});
  const inits = (status.initContainerStatuses || []).map(({ state = {} }) => state.terminated || state.running);
  const begun = states.map((each) => each.terminated || each.running).filter((each) => each?.startedAt);
  const begunAt = [...inits, ...begun].map((each) => each?.startedAt);
  const ends = begun.map((each) => instant(each.finishedAt));
  const condition = (type) => (status.conditions || []).find((each) => each.type === type && each.status === "True");
  const moved = (status.conditions || []).map((each) => instant(each.lastTransitionTime)).filter((each) => each);
  const waiting = states.map((each) => each.waiting).find(Boolean);
  const marks = Object.fromEntries(Object.entries(metadata.annotations || {}).map(([key, text]) => [key.replace("sparkanywhere.io/", ""), text]));
  return {
    uid: metadata.uid, name: metadata.name, namespace: metadata.namespace, version: metadata.resourceVersion,
    app: labels[APPLICATION] || labels[SELECTOR], appName: labels["spark-app-name"] || "", isDriver: labels["spark-role"] === "driver",
    created: instant(metadata.creationTimestamp), isDeleting: Boolean(metadata.deletionTimestamp),
    phase: phaseOf(metadata, status), why: reasonOf(status, states),
    exit: states.flatMap((each) => each.terminated || []).map(exitText).join("; "),
    cause: causeOf(status, [...inits, ...states.map((each) => each.terminated)]), moved: Math.max(0, ...moved),
    scheduled: instant(condition("PodScheduled")?.lastTransitionTime),
    started: begun.length ? earliest(begun.map((each) => instant(each.startedAt))) : NaN,
    ended: ends.length && !ends.some(Number.isNaN) ? Math.max(...ends) : NaN,
    isPulling: /^(ErrImagePull|ImagePull|ErrImageNeverPull)/.test(waiting?.reason || "") || /^Pulling image/.test(waiting?.message || ""),
    containers: (spec.containers || []).map((each) => each.name),
    sparkId: labels[APPLICATION] ? metadata.name : labels[SELECTOR], // each attempt of a job is an application to Spark
    uiPort: (spec.containers || []).flatMap((each) => each.ports || []).find((each) => each.name === "spark-ui")?.containerPort || UI_PORT,
    billed: billedFrom(marks, begunAt.filter(Boolean)), paidBefore: "bound-to" in marks ? Infinity : Number(marks["paid-before"] || 0),
    gonePods: goneOf(marks["used-by-gone-pods"]), rate: rateOf(marks.rate),
    start: startOf(marks.start), number: labels["spark-exec-id"],
    isWarm: "warm-user" in marks, boundFrom: "bound-task" in marks ? marks["parked-pod"] : undefined, owners: (metadata.ownerReferences || []).map((each) => each.uid),
  };
};

const KINDS = { Succeeded: "good", Ended: "good", Failed: "bad", Killed: "bad" };
const NO_RATE = { vcpus: 0, gib: 0, usdPerHourOnFargate: 0 };
const NOTHING = { vcpu: 0, gib: 0, usd: 0 };

const podUsage = (pod, now) => {
  if (Number.isNaN(pod.billed)) return NOTHING;
  const seconds = Math.max(0, ((isOver(pod) ? endOf(pod, now) : now) - pod.billed) / 1000);
  const usd = (Math.max(seconds, PRICES.minimum_seconds - pod.paidBefore) / HOUR) * pod.rate.usdPerHourOnFargate;
  return { vcpu: pod.rate.vcpus * seconds, gib: pod.rate.gib * seconds, usd };
};

// A pod whose task another one got: what a warm one has paid stays its own, without the least price.
const handedOver = (pod) => ({ ...pod, paidBefore: Infinity, billed: pod.isWarm ? pod.billed : NaN });

const sum = (all) => all.reduce((a, b) => ({ vcpu: a.vcpu + b.vcpu, gib: a.gib + b.gib, usd: a.usd + b.usd }), NOTHING);

// What a pod asks for and costs; nothing for one that has had no task.
const rateOf = (text) => {
  try {
    return { ...NO_RATE, ...JSON.parse(text) };
  } catch {
    return NO_RATE;
  }
};

// What the control plane tells of a pod's start: phases, when it ran, and of a driver when its executors registered.
const startOf = (text) => {
  try {
    return { ...JSON.parse(text) };
  } catch {
    return {};
  }
};

// How a pod's start went, in words; nothing of one whose provider does not tell. Of an executor its driver knows the JVM's.
const startWords = ({ start, number }, driver) => {
  const after = driver?.start.executors?.[number];
  const JVM = after > 0 && start.runningAt ? (instant(driver.start.runningAt) - instant(start.runningAt)) / 1000 + after : 0;
  const said = JVM ? { ...start, JVM } : start;
  const parts = ["placement", "pull", "start", "JVM", "register"].filter((phase) => said[phase] >= 0.05)
    .map((phase) => `${phase} ${said[phase].toFixed(1)} s`);
  return parts.join(", ") + (said.faster ? `; faster: ${said.faster}` : "");
};

// What a driver's pod says of pods that are no longer kept.
const goneOf = (text) => {
  try {
    const { vcpuSeconds, gibSeconds, usdOnFargate } = JSON.parse(text);
    return { vcpu: vcpuSeconds, gib: gibSeconds, usd: usdOnFargate };
  } catch {
    return NOTHING;
  }
};

// A pod that is gone, as its record has it.
const fromRecord = ({ metadata, pod, state, deletionTime }) => {
  const last = slim(pod);
  const ended = Number.isNaN(last.ended) ? instant(deletionTime) : last.ended;
  return { ...last, record: metadata.name, isGone: true, phase: state, ended };
};

const isOver = (pod) => pod.isGone || DONE.includes(pod.phase);

// Spark deletes its executors when it ends; whoever has seen them still sees what they did.
const gone = (pod, now) => ({
  ...pod, isGone: true, phase: isOver(pod) ? pod.phase : "Removed", ended: Number.isNaN(pod.ended) ? now : pod.ended, moved: now,
});

// When a pod's bar ends; of one that never ran, the last that its status says.
const endOf = (pod, now) => {
  if (!Number.isNaN(pod.ended) && (isOver(pod) || pod.isDeleting)) return pod.ended;
  return isOver(pod) ? pod.moved || pod.created : now;
};

// [kind, words, from, to] of each part of a pod's life. `pull` is {from, to} where Events tell it.
const phases = (pod, pull, now) => {
  const end = endOf(pod, now);
  const start = Number.isNaN(pod.started) ? end : pod.started;
  const scheduled = Number.isNaN(pod.scheduled) ? start : Math.min(pod.scheduled, start);
  const parts = [["queued", "queued", pod.created, scheduled]];
  if (pull && pull.from >= scheduled && pull.to <= start) {
    parts.push(["starting", "starting", scheduled, pull.from], ["pull", "image pull", pull.from, pull.to]);
    parts.push(["starting", "starting", pull.to, start]);
  } else {
    parts.push(pod.isPulling ? ["pull", "image pull", scheduled, start] : ["starting", "image pull and start", scheduled, start]);
  }
  const kind = KINDS[pod.phase] || "running";
  const before = parts.filter(([, , from, to]) => to > from);
  return Number.isNaN(pod.started) ? before : [...before, [kind, isOver(pod) ? "ran" : "running", start, end]];
};

class Application {
  constructor(key, namespace, id, book) {
    Object.assign(this, { key, namespace, id, book, pods: new Map(), created: Infinity });
  }

  put(pod) {
    this.pods.set(pod.uid, pod);
    this.created = Math.min(this.created, pod.created);
  }

  get list() {
    return [...this.pods.values()].sort((a, b) => b.isDriver - a.isDriver || a.created - b.created || (a.name < b.name ? -1 : 1));
  }

  get driver() { return this.list.findLast((pod) => pod.isDriver); }
  get executors() { return this.list.filter((pod) => !pod.isDriver); }
  get name() { return this.driver?.name || this.list[0]?.appName || this.id; }

  get isWarm() { return this.list.some((pod) => pod.isWarm); }

  // Of tasks that wait for a job: the application that has left them, and pays for them.
  get payer() { return this.isWarm ? this.list.flatMap((pod) => pod.owners).map((uid) => this.book.drivers.get(uid)).find(Boolean) : undefined; }

  get isGone() { return [...this.pods.values()].every((pod) => pod.isGone); }

  get state() {
    const driver = this.driver;
    if (this.isWarm) return this.list.some((pod) => !isOver(pod) && !pod.isDeleting) ? "Warm" : "Ended";
    if (!driver) return this.isGone ? "Ended" : "Running";
    if (driver.isGone) return driver.phase;
    return driver.isDeleting ? "Deleting" : driver.phase;
  }

  // When its driver ended, or in client mode its last executor; NaN while it has not.
  get ended() {
    const { driver } = this;
    if (driver) return isOver(driver) ? endOf(driver, NaN) : NaN;
    return this.isGone ? Math.max(...this.list.map((pod) => pod.ended)) : NaN;
  }

  took(now) { return (this.ended || now) - this.created; }

  get executorText() {
    const all = this.executors;
    const running = all.filter((pod) => pod.phase === "Running").length;
    return isOver(this.driver || {}) ? `${all.length}` : `${running} of ${all.length}`;
  }

  usage(now) {
    if (this.payer) return NOTHING;
    const of = (pods) => sum(pods.map((pod) => podUsage(pod.isGone && this.book.bound.has(`${pod.namespace}/${pod.name}`) ? handedOver(pod) : pod, now)));
    const drivers = this.list.filter((pod) => pod.isDriver);
    const others = [...this.executors, ...drivers.flatMap((pod) => [...(this.book.kept.get(pod.uid)?.values() || [])])];
    const told = sum(drivers.map((pod) => pod.gonePods)); // may lag behind what was seen here, or know more
    const seen = of(others.filter((pod) => pod.isGone));
    return sum([of(drivers), of(others.filter((pod) => !pod.isGone)), seen.vcpu > told.vcpu ? seen : told]);
  }
}

// All applications, by key; told of every pod that comes, changes or goes.
class Applications {
  constructor() { this.clear(); }

  // The book has the application of each driver, by their owner's uid the pods that were kept warm, and whose task is another's.
  clear() { this.all = new Map(); this.homes = new Map(); this.book = { drivers: new Map(), kept: new Map(), bound: new Set() }; }

  put(raw) {
    const pod = slim(raw);
    if (!pod.app) return;
    this.#place(pod);
    this.homes.set(pod.uid, `${pod.namespace}/${pod.app}`);
  }

  #place(pod) {
    const key = `${pod.namespace}/${pod.app}`;
    if (!this.all.has(key)) this.all.set(key, new Application(key, pod.namespace, pod.app, this.book));
    this.all.get(key).put(pod);
    if (pod.isDriver) this.book.drivers.set(pod.uid, this.all.get(key));
    if (pod.boundFrom) this.book.bound.add(`${pod.namespace}/${pod.boundFrom}`);
    if (!pod.isWarm) return;
    for (const uid of pod.owners) this.book.kept.set(uid, (this.book.kept.get(uid) || new Map()).set(pod.uid, pod));
  }

  remove(uid) {
    const application = this.all.get(this.homes.get(uid));
    this.homes.delete(uid);
    if (!application) return;
    this.#place(gone(application.pods.get(uid), Date.now()));
  }

  // Returns the uid of the pod that a record is of.
  putRecord(raw) {
    this.#place(fromRecord(raw));
    return raw.pod.metadata.uid;
  }

  // Forgets applications of which neither a pod nor a record is left.
  retainRecords(uids) {
    for (const [key, application] of this.all) {
      if (application.isGone && !application.list.some((pod) => uids.has(pod.uid))) this.all.delete(key);
    }
  }

  retain(uids) {
    for (const uid of [...this.homes.keys()]) if (!uids.has(uid)) this.remove(uid);
  }

  sorted() { return [...this.all.values()].sort((a, b) => b.created - a.created); }
}
