/* <feedback-widget interaction-id="..." endpoint="https://..." key="flw_...">: thumbs near an answer.
 *
 * After a thumb down it asks for a reason, in random order, and then for words. It needs nothing else, works under a
 * strict Content-Security-Policy, and puts texts into the page as text only. Attributes and events: docs/how-to/serve.md.
 */
"use strict";
(() => {
  if (customElements.get("feedback-widget")) return;

  const SCRIPT_ORIGIN = document.currentScript ? new URL(document.currentScript.src).origin : location.origin;
  const RETRIES_MS = [1000, 4000, 15000];
  const MAX_WAIT_MS = 60000;
  const MAX_TEXT = 4000;
  const WORDS = {
    group: "Feedback on this answer",
    up: "Helpful",
    down: "Not helpful",
    why: "What went wrong?",
    other: "Something else",
    skip: "Skip",
    text: "Anything to add? (optional)",
    send: "Send",
    thanks: "Thank you for your feedback.",
    failed: "Your feedback could not be sent. Please try again.",
  };
  const REASONS =
    "wrong_information=It is wrong;incomplete=It is incomplete;off_topic=It does not answer the question;" +
    "outdated=It is outdated;too_long=It is too long;wrong_tone=I do not like the tone";
  const PATHS = {
    up: "M2 10h4v11H2zM8 21V10l5-8c1.5 0 2.5 1 2.2 2.6L14.4 9H20c1.2 0 2 1 1.8 2.2l-1.3 8c-.2 1-1 1.8-2 1.8z",
    down: "M22 14h-4V3h4zM16 3v11l-5 8c-1.5 0-2.5-1-2.2-2.6L9.6 15H4c-1.2 0-2-1-1.8-2.2l1.3-8C3.7 3.8 4.5 3 5.5 3z",
  };
  /* Colours are the page's own: text, borders and pictures have the contrast of its text. A pressed thumb is filled,
   * so that it differs by more than colour. */
  const SHEET = new CSSStyleSheet();
  SHEET.replaceSync(`
    :host { display: inline-block; font: inherit; color: inherit; }
    [hidden] { display: none !important; }
    button, textarea { font: inherit; color: inherit; background: transparent; border: 1px solid currentColor;
      border-radius: .5rem; }
    button { min-width: 2.75rem; min-height: 2.75rem; padding: .25rem .75rem; cursor: pointer; }
    .thumb { border-color: transparent; padding: .25rem; }
    .thumb svg { width: 1.25rem; height: 1.25rem; fill: none; stroke: currentColor; stroke-width: 2; vertical-align: middle; }
    .thumb[aria-pressed="true"] { border-color: currentColor; }
    .thumb[aria-pressed="true"] svg { fill: currentColor; }
    button:hover { text-decoration: underline; }
    :focus-visible { outline: 3px solid currentColor; outline-offset: 2px; }
    .panel { margin-top: .5rem; max-width: 32rem; }
    .title { margin: 0 0 .5rem; font-weight: 600; display: block; }
    .choices { display: flex; flex-wrap: wrap; gap: .5rem; }
    textarea { display: block; box-sizing: border-box; width: 100%; min-height: 5rem; padding: .5rem; margin-bottom: .5rem; }
    .status { margin: .25rem 0 0; min-height: 1.2em; }
    .status:empty { margin: 0; min-height: 0; }
    @media (prefers-reduced-motion: no-preference) { button { transition: border-color .15s; } }
  `);

  const shown = new Set(); // interactions of this page whose widget was seen
  const unsent = new Set(); // that wait for another try
  let clockAhead = 0; // ms that this device's clock is ahead of the service's, once it said so

  function newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return "w-" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  function shuffle(list) {
    for (let i = list.length - 1; i > 0; i--) {
      const j = crypto.getRandomValues(new Uint32Array(1))[0] % (i + 1);
      [list[i], list[j]] = [list[j], list[i]];
    }
    return list;
  }

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children); // strings become text, never markup
    return made;
  }

  function picture(path) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const line = document.createElementNS(space, "path");
    line.setAttribute("d", path);
    svg.append(line);
    return svg;
  }

  function clean(text) {
    return text.replace(/\p{Surrogate}/gu, "\ufffd").replaceAll("\0", "").trim().slice(0, MAX_TEXT);
  }

  /* One record on its way. Its id is made once, so that however often it is sent it is stored once. */
  class Sending {
    constructor(url, key, record) {
      Object.assign(this, { url, key, record, tries: 0, hasNewTime: false });
      this.done = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
      this.done.catch(() => {});
      this.send();
    }

    async send() {
      clearTimeout(this.timer);
      unsent.delete(this);
      const isLast = this.tries++ >= RETRIES_MS.length;
      let reply;
      try {
        reply = await fetch(this.url, {
          method: "POST",
          keepalive: true, // goes on when the page is left, as a beacon, but with headers
          credentials: "omit",
          referrerPolicy: "origin", // none at all would hide the origin from the service, too
          headers: { Authorization: `Bearer ${this.key}`, "Content-Type": "application/json" },
          body: JSON.stringify(this.record),
        });
      } catch {
        return isLast ? this.reject(new Error("the service cannot be reached")) : this.waitFor(0);
      }
      if (reply.ok) return this.resolve();
      const said = await reply.json().catch(() => ({}));
      if (reply.status === 422 && /was imported before/.test(said.error)) return this.resolve(); // an earlier try arrived
      if (reply.status === 422 && said.server_time && /'occurred_at' is too/.test(said.error) && !this.hasNewTime) {
        this.hasNewTime = true;
        clockAhead = Date.now() - Date.parse(said.server_time);
        this.record.occurred_at = said.server_time;
        return this.send();
      }
      const mayPass = reply.status === 408 || reply.status === 429 || reply.status >= 500;
      if (!mayPass || isLast) return this.reject(new Error(said.error || `the service answered ${reply.status}`));
      this.waitFor(1000 * Number(reply.headers.get("Retry-After") || 0));
    }

    waitFor(leastMs) {
      const ms = Math.max(RETRIES_MS[this.tries - 1] * (0.75 + Math.random() / 2), Math.min(leastMs, MAX_WAIT_MS));
      unsent.add(this);
      this.timer = setTimeout(() => this.send(), ms);
    }
  }

  addEventListener("pagehide", () => unsent.forEach((sending) => sending.send()));

  class FeedbackWidget extends HTMLElement {
    static observedAttributes = ["interaction-id"];

    connectedCallback() {
      if (!this.shadowRoot) this.build();
      this.leave = () => document.visibilityState === "hidden" && this.finish("");
      document.addEventListener("visibilitychange", this.leave);
      this.watch();
    }

    disconnectedCallback() {
      this.finish("");
      document.removeEventListener("visibilitychange", this.leave);
      this.watcher?.disconnect();
    }

    attributeChangedCallback(_name, before, after) {
      if (this.shadowRoot && before !== null && before !== after) {
        this.shadowRoot.replaceChildren();
        this.build();
        this.watch();
      }
    }

    word(name) {
      return this.getAttribute(`label-${name}`) ?? WORDS[name];
    }

    build() {
      const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [SHEET];
      this.pending = null; // a reason whose words are still being written
      this.thumbs = {};
      const bar = element("div", { role: "group", "aria-label": this.word("group"), part: "bar" });
      for (const name of ["up", "down"]) {
        const attributes = { type: "button", class: "thumb", part: `thumb ${name}`, "aria-pressed": "false" };
        const thumb = element("button", { ...attributes, "aria-label": this.word(name), title: this.word(name) });
        thumb.append(picture(PATHS[name]));
        thumb.addEventListener("click", () => this.press(name));
        this.thumbs[name] = thumb;
        bar.append(thumb);
      }
      this.panel = element("div", { class: "panel", part: "panel", hidden: "" });
      this.panel.addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        this.close();
      });
      this.status = element("p", { class: "status", part: "status", role: "status", "aria-live": "polite" });
      root.append(bar, this.panel, this.status);
    }

    /* Seen is more than half of it in view. */
    watch() {
      this.watcher?.disconnect();
      const id = this.getAttribute("interaction-id");
      if (!id || shown.has(id)) return;
      this.watcher = new IntersectionObserver(
        (entries) => {
          if (!entries.some((entry) => entry.isIntersecting) || shown.has(id)) return;
          shown.add(id);
          this.watcher.disconnect();
          this.record({ signal: "shown" }).catch(() => shown.delete(id));
        },
        { threshold: 0.5 },
      );
      this.watcher.observe(this);
    }

    /* Sends a record; the page hears of it by an event. */
    record(said) {
      const record = {
        feedback_id: newId(),
        interaction_id: this.getAttribute("interaction-id") ?? "",
        occurred_at: new Date(Date.now() - clockAhead).toISOString(),
        ...said,
      };
      const user = this.getAttribute("user-id");
      if (user) record.user_id = user;
      const endpoint = (this.getAttribute("endpoint") || SCRIPT_ORIGIN).replace(/\/+$/, "");
      const sending = new Sending(`${endpoint}/v1/feedback`, this.getAttribute("key") ?? "", record);
      const tell = (name, more) =>
        this.dispatchEvent(new CustomEvent(name, { bubbles: true, composed: true, detail: { ...record, ...more } }));
      return sending.done.then(
        () => tell("feedback-sent"),
        (error) => {
          tell("feedback-failed", { error: error.message });
          throw error;
        },
      );
    }

    press(name) {
      const thumb = this.thumbs[name];
      const wasPressed = thumb.getAttribute("aria-pressed") === "true";
      if (name === "down") this.ask();
      else this.close();
      if (wasPressed) return;
      for (const other of Object.values(this.thumbs)) other.setAttribute("aria-pressed", String(other === thumb));
      this.status.textContent = "";
      this.record({ signal: name === "up" ? "thumbs_up" : "thumbs_down" }).then(
        () => name === "up" && this.say("thanks"),
        () => {
          thumb.setAttribute("aria-pressed", "false");
          this.panel.hidden = true;
          this.say("failed");
        },
      );
    }

    say(name) {
      this.status.textContent = this.word(name);
    }

    ask() {
      const pairs = (this.getAttribute("reasons") ?? REASONS).split(";").map((pair) => pair.split("="));
      const reasons = pairs.filter(([code]) => code.trim()).map(([code, ...label]) => [code.trim(), label.join("=").trim() || code.trim()]);
      const choices = element("div", { class: "choices", role: "group", "aria-labelledby": "why" });
      for (const [code, label] of [...shuffle(reasons), ["other", this.word("other")]]) {
        const choice = element("button", { type: "button", part: "choice", "data-reason": code }, label);
        choice.addEventListener("click", () => this.askForText(code));
        choices.append(choice);
      }
      const skip = element("button", { type: "button", part: "choice skip" }, this.word("skip"));
      skip.addEventListener("click", () => this.end());
      choices.append(skip);
      this.show(element("span", { class: "title", id: "why" }, this.word("why")), choices);
      choices.firstChild.focus();
    }

    askForText(reason) {
      this.pending = { reason };
      const area = element("textarea", { id: "text", maxlength: String(MAX_TEXT), part: "text" });
      const send = element("button", { type: "button", part: "send" }, this.word("send"));
      const skip = element("button", { type: "button", part: "skip" }, this.word("skip"));
      send.addEventListener("click", () => this.end(area.value));
      skip.addEventListener("click", () => this.end());
      const label = element("label", { class: "title", for: "text" }, this.word("text"));
      this.show(label, area, element("div", { class: "choices" }, send, skip));
      area.focus();
    }

    show(...children) {
      this.panel.replaceChildren(...children);
      this.panel.hidden = false;
    }

    /* What was chosen goes out, with words or without. The thumb went before it; this is a record of its own. */
    finish(text) {
      const chosen = this.pending;
      this.pending = null;
      const comment = clean(text);
      if (!chosen && !comment) return Promise.resolve();
      const said = { signal: "comment" };
      if (chosen) said.reason = chosen.reason;
      if (comment) said.comment = comment;
      return this.record(said);
    }

    async end(text = "") {
      const sent = this.finish(text);
      this.close();
      try {
        await sent;
        this.say("thanks");
      } catch {
        this.say("failed");
      }
    }

    close() {
      if (this.panel.hidden) return;
      this.finish("").catch(() => this.say("failed"));
      this.panel.hidden = true;
      this.thumbs.down.focus();
    }
  }

  customElements.define("feedback-widget", FeedbackWidget);
})();
