// Spark's own pages of an application: its UI while it runs, then the history server. A local server opens them, each on
// an origin of its own, where no program of the job's can read our token.

const AT_ONCE_MS = 3000; // browsers open a window for a click for so long
const HISTORY_MS = 1000; // between two looks whether a history server has started
const HISTORY_LOOKS = 90;
const NO_ROUTE = "the server could not find the requested resource"; // of a control plane that reaches no pod

class SparkLink {
  constructor(signal) {
    this.signal = signal;
    this.button = el("button", { type: "button" });
    this.told = el("span", { role: "status" });
    this.node = el("p", { id: "spark", hidden: "" }, this.button, " ", this.told);
    this.button.addEventListener("click", () => this.#open());
  }

  draw({ driver }) {
    this.driver = driver;
    this.node.hidden = !driver || !(isOver(driver) || driver.phase === "Running");
    if (this.node.hidden) return;
    setText(this.button, isOver(driver) ? "Spark history" : "Spark UI");
  }

  async #open() {
    const { driver } = this;
    const began = performance.now();
    this.button.disabled = true;
    this.#tell("");
    try {
      const url = isOver(driver) ? await this.#historyOf(driver) : await this.#uiOf(driver);
      if (performance.now() - began < AT_ONCE_MS) window.open(url, "_blank", "noopener");
      else this.#tell("It is ready: press again.");
    } catch (error) {
      const isUnrouted = error.isStatus === false && [403, 404].includes(error.code); // API Gateway's own words
      this.#tell(isUnrouted || error.message === NO_ROUTE ? this.#wayThere(driver) : error.message);
    } finally { this.button.disabled = false; }
  }

  async #uiOf({ namespace, name, uiPort }) {
    return (await this.#ask(namespace, `pods/${encodeURIComponent(name)}:${uiPort}/page`)).url;
  }

  // The first to ask waits for the server to start, and everybody until it has read the log.
  async #historyOf({ namespace, sparkId }) {
    for (let look = 0; ; look += 1) {
      const { url, waits } = await this.#ask(namespace, `history/${encodeURIComponent(sparkId)}`);
      if (url) return url;
      if (look >= HISTORY_LOOKS) throw new Error("The history server has no event log of this application.");
      this.#tell(waits);
      await sleep(HISTORY_MS);
      this.signal.throwIfAborted();
    }
  }

  async #ask(namespace, path) {
    const place = `sparkanywhere/v1/namespaces/${encodeURIComponent(namespace)}/${path}`;
    return (await request(place, {}, this.signal, "POST")).json();
  }

  // In words, where nothing can be linked.
  #wayThere(driver) {
    const where = driver.namespace === "default" ? "" : ` --namespace ${driver.namespace}`;
    const command = isOver(driver) ? `sparkanywhere history${where}` : `sparkanywhere ui ${driver.name}${where}`;
    return `No link leads there: this control plane reaches no pod. In a terminal, ${command} prints the way: on AWS a tunnel by Session Manager.`;
  }

  #tell(text) { setText(this.told, text); }
}
