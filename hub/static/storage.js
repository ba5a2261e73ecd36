// Keeps data for the tool in the page's frame, while the page is open: browsers may keep back the cookies that it would
// keep there itself. LTI Client Side postMessages 0.1 (lti.capabilities, lti.put_data, lti.get_data).
"use strict";
(() => {
  const MOST_KEYS = 500, LONGEST_KEY = 1024, LONGEST_VALUE = 16384;
  const frame = document.querySelector("iframe[name=course]");
  const kept = new Map(); // of each origin its own

  // A window in the frame, however deep: a tool may have frames of its own.
  function isInside(source) {
    for (let each = source; each && each !== each.parent; each = each.parent) {
      if (each === frame.contentWindow) return true;
    }
    return false;
  }

  function refuse(code, message) { return { error: { code, message } }; }

  function isKey(key) { return typeof key === "string" && key.length > 0 && key.length <= LONGEST_KEY; }

  function put(own, { key, value }) {
    if (!isKey(key)) return refuse("bad_request", "key must be text of 1 to " + LONGEST_KEY + " characters.");
    if (value === null || value === undefined) { own.delete(key); return { key, value: null }; }
    if (typeof value !== "string") return refuse("bad_request", "value must be text.");
    if (value.length > LONGEST_VALUE || (own.size >= MOST_KEYS && !own.has(key))) {
      return refuse("storage_exhaustion", "At most " + MOST_KEYS + " values of " + LONGEST_VALUE + " are kept.");
    }
    own.set(key, value);
    return { key, value };
  }

  function get(own, { key }) {
    if (!isKey(key)) return refuse("bad_request", "key must be text of 1 to " + LONGEST_KEY + " characters.");
    return { key, value: own.has(key) ? own.get(key) : null };
  }

  const answers = {
    "lti.capabilities": () => ({ supported_messages: Object.keys(answers).map((subject) => ({ subject })) }),
    "lti.put_data": put,
    "lti.get_data": get,
  };

  window.addEventListener("message", (event) => {
    const said = event.data;
    if (!said || typeof said !== "object" || !Object.hasOwn(answers, said.subject) || !isInside(event.source)) return;
    if (!kept.has(event.origin)) kept.set(event.origin, new Map());
    const found = typeof said.message_id === "string"
      ? answers[said.subject](kept.get(event.origin), said)
      : refuse("bad_request", "message_id is missing.");
    const response = { subject: said.subject + ".response", message_id: said.message_id, ...found };
    event.source.postMessage(response, event.origin);
  });
})();
