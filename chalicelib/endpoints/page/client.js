// The Kubernetes API, as its clients speak it: pages of a list, then a watch; polling where watches fail.

const PAGE_SIZE = 100; // pods an answer: some hundred kilobytes, so that the first ones show at once
const POLL_MS = 5000;
const WATCH_SECONDS = 300;
const RECORDS_MS = 500; // pods go by the dozen: their records are read together
const MIN_WATCH_MS = 1000; // one that ends at once, saying nothing, must not become a busy loop
const BASE = new URL(location.pathname.replace(/\/?$/, "/"), location.origin); // on AWS this holds the stage
const TOKEN = "sparkanywhere-token";

class ApiError extends Error {
  // A gateway before the control plane refuses without a Status.
  constructor(code, message, isStatus = true) { super(message); Object.assign(this, { code, isStatus }); }
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const whenVisible = () => new Promise((resolve) => {
  if (!document.hidden) return resolve();
  document.addEventListener("visibilitychange", resolve, { once: true });
});

const request = async (path, params = {}, signal = undefined, method = "GET") => {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value);
  const headers = { Accept: "application/json" };
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(url, { method, headers, signal, cache: "no-store", credentials: "omit", redirect: "error" });
  if (answer.ok) return answer;
  const text = await answer.text();
  let said = {};
  try { said = JSON.parse(text) || {}; } catch { /* not a Status: the text itself */ }
  throw new ApiError(answer.status, said.message || text.slice(0, 300), said.kind === "Status");
};

const podsPath = (namespace) => (namespace ? `api/v1/namespaces/${encodeURIComponent(namespace)}/pods` : "api/v1/pods");

const recordsPath = (namespace) => `apis/sparkanywhere.io/v1alpha1/${namespace ? `namespaces/${encodeURIComponent(namespace)}/` : ""}podrecords`;

const logPath = ({ namespace, name, record }) =>
  `${record ? recordsPath(namespace) : podsPath(namespace)}/${encodeURIComponent(record || name)}/log`;

// Gives the items of each page to `take`; returns the list's resourceVersion.
const listAll = async (path, params, take, signal) => {
  let next = "";
  for (;;) {
    const answer = await request(path, { ...params, limit: PAGE_SIZE, ...(next && { continue: next }) }, signal);
    const { metadata, items } = await answer.json();
    take(items || []);
    next = metadata.continue || "";
    if (!next) return metadata.resourceVersion;
  }
};

// Gives each event to `take` until the server ends the watch; returns the last resourceVersion seen.
const watchOnce = async (path, params, version, take, signal) => {
  const query = { ...params, watch: 1, allowWatchBookmarks: true, resourceVersion: version, timeoutSeconds: WATCH_SECONDS };
  const answer = await request(path, query, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", last = version;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return last;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines.filter(Boolean)) {
      const { type, object } = JSON.parse(line);
      if (type === "ERROR") throw new ApiError(object.code, object.message);
      last = object.metadata.resourceVersion || last;
      if (type !== "BOOKMARK") take(type, object);
    }
  }
};

// Keeps `applications` like the server's until stopped; tells of news, of how it goes and of what is wrong.
class Follower {
  constructor(applications, { onNews, onStatus, onProblem }) {
    Object.assign(this, { applications, onNews, onStatus, onProblem, stop: null });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.watching?.abort(); // nobody looks: no watch is held
    });
  }

  start(namespace) {
    this.stop?.abort();
    this.stop = new AbortController();
    this.applications.clear();
    this.records = recordsPath(namespace);
    this.#run(podsPath(namespace), this.stop.signal);
  }

  // What is kept of pods that are gone. Who may not read it sees living pods alone.
  async #listRecords(stop) {
    const uids = new Set();
    try {
      await listAll(this.records, { labelSelector: SELECTOR }, (items) => {
        for (const item of items) uids.add(this.applications.putRecord(item));
      }, stop);
    } catch (error) {
      if (error.code !== 403 && error.code !== 404) throw error;
    }
    this.applications.retainRecords(uids);
    this.onNews();
  }

  #readRecordsSoon(stop) {
    this.isDue ||= sleep(RECORDS_MS).then(() => {
      this.isDue = null;
      return this.#listRecords(stop);
    }).catch(() => {}); // the next list of pods brings them along
  }

  async #run(path, stop) {
    let version = "";
    while (!stop.aborted) {
      await whenVisible();
      try {
        if (!version) version = await this.#list(path, stop);
        this.onStatus("Live");
        version = await this.#watch(path, version, stop);
      } catch (error) {
        if (stop.aborted) return;
        if (error.name === "AbortError") continue;
        version = "";
        if (error.code === 410) continue; // too old: list anew
        if (error.code === 401 || error.code === 403) return this.onProblem(error);
        this.onStatus(`Polling every ${POLL_MS / 1000} seconds: ${error.message}`);
        await sleep(POLL_MS);
      }
    }
  }

  async #list(path, stop) {
    const uids = new Set();
    const version = await listAll(path, { labelSelector: SELECTOR }, (items) => {
      for (const item of items) { uids.add(item.metadata.uid); this.applications.put(item); }
      this.onNews();
    }, stop);
    this.applications.retain(uids);
    await this.#listRecords(stop);
    this.onProblem(null);
    this.onNews();
    return version;
  }

  async #watch(path, version, stop) {
    const began = performance.now();
    this.watching = new AbortController();
    const signal = AbortSignal.any([stop, this.watching.signal]);
    const last = await watchOnce(path, { labelSelector: SELECTOR }, version, (type, pod) => {
      this.applications.put(pod);
      if (type === "DELETED") {
        this.applications.remove(pod.metadata.uid);
        this.#readRecordsSoon(stop);
      }
      this.onNews();
    }, signal);
    if (last === version) await sleep(Math.max(0, MIN_WATCH_MS - (performance.now() - began)));
    return last;
  }
}
