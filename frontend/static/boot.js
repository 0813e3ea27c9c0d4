// Runs before everything else, because two things cannot wait for the app: the browser's rule about which script URLs
// may be started (Trusted Types), and the colours of the first frame.
"use strict";

if (globalThis.trustedTypes) {
  const allowed = new Set(["/worker_loader.js", "/download-worker.js"]);
  trustedTypes.createPolicy("default", {
    createScriptURL: (url) => {
      if (allowed.has(url)) return url;
      throw new TypeError("this script is no part of Triplicate");
    },
  });
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("pf-v6-theme-dark", dark.matches);
dark.addEventListener("change", follow);
follow();
