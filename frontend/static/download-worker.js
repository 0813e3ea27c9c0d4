// The service worker: turns bytes that the page's worker has decrypted into a download that the browser writes to disk
// as they come. It answers /download/… only, asks no server, and keeps nothing.
//
// Page -> here:        {open: {id, name, bytes, port}}, answered with {opened: id}; {stop: id}, after which a download
//                      that has not ended fails; {alive: true}, so that the browser does not end this worker while a
//                      download waits for a slow node
// here -> the port:    {pull: true} asks for one chunk; {cancel: true}: the person stopped the download
// the port -> here:    {chunk}, {end: true}, {failed: true}, or {alive: true} while a chunk takes its time
"use strict";

// A wish for a chunk is answered, or followed by signs of life every few seconds. Browsers slow the clocks of hidden
// pages down to one tick a minute; after three minutes the other side is gone.
const SILENCE_MS_MAX = 180_000;
const AWAKE_MS = 65_000; // longer than a minute, and shorter than what browsers grant to one event
const downloads = new Map(); // announced, not asked for yet
const running = new Map(); // under way: how to fail it, and its end

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));

addEventListener("message", (event) => {
  const { open, stop } = event.data;
  if (open) {
    downloads.set(open.id, open);
    event.source.postMessage({ opened: open.id });
  } else if (stop) {
    downloads.delete(stop);
    running.get(stop)?.fail();
  }
  event.waitUntil(awake());
});

addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (url.origin !== location.origin || !url.pathname.startsWith("/download/")) return;
  const id = url.pathname.slice("/download/".length);
  const download = downloads.get(id);
  downloads.delete(id);
  event.respondWith(download ? respond(download) : new Response("This download is not known any more.", { status: 404 }));
  event.waitUntil(awake());
});

// Keeps this worker until the downloads have ended, or for a while that the next sign of life renews: events that last
// for minutes are ended by browsers, and the worker with them.
function awake() {
  const ends = [...running.values()].map(({ ended }) => ended);
  return Promise.race([Promise.all(ends), new Promise((resolve) => setTimeout(resolve, AWAKE_MS))]);
}

function respond({ id, name, bytes, port }) {
  const headers = new Headers({
    "Content-Type": "application/octet-stream",
    "Content-Disposition": `attachment; filename*=UTF-8''${encode(name)}`,
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "no-store",
  });
  if (bytes !== null) headers.set("Content-Length", String(bytes));
  return new Response(stream(id, bytes, port), { headers });
}

// A download that ends early must never look complete: every end that is not announced, and every announced end with
// another length than promised, is an error of the stream.
function stream(id, bytes, port) {
  let controller;
  let sent = 0;
  let over = false;
  let pulled = null; // answers the pull that waits for a chunk
  let watchdog;
  let hasEnded;
  const ended = new Promise((resolve) => (hasEnded = resolve));
  const end = () => {
    over = true;
    clearTimeout(watchdog);
    running.delete(id);
    port.close();
    hasEnded();
  };
  const finish = (how) => {
    if (over) return;
    end();
    how();
    pulled?.();
  };
  const fail = () => finish(() => controller.error(new Error("the restore stopped early")));
  const watch = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(fail, SILENCE_MS_MAX);
  };
  port.onmessage = ({ data }) => {
    if (over) return;
    if (data.chunk) {
      clearTimeout(watchdog);
      sent += data.chunk.byteLength;
      controller.enqueue(new Uint8Array(data.chunk));
      pulled?.();
      pulled = null;
    } else if (data.end) {
      if (bytes !== null && sent !== bytes) fail();
      else finish(() => controller.close());
    } else if (data.failed) {
      fail();
    } else if (data.alive && pulled) {
      watch();
    }
  };
  running.set(id, { fail, ended });

  return new ReadableStream(
    {
      start(given) {
        controller = given;
      },
      pull() {
        return new Promise((resolve) => {
          pulled = resolve;
          if (over) return resolve();
          watch();
          port.postMessage({ pull: true });
        });
      },
      cancel() {
        port.postMessage({ cancel: true });
        end();
      },
    },
    { highWaterMark: 2 },
  );
}

// RFC 8187: all but the characters that need no escape there.
function encode(name) {
  return encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
