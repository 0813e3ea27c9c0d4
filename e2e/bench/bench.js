// Measures the web app's worker, driven as its page drives it, and tells the figures on the console. `cargo xtask
// bench` serves this beside the app and opens it in a Chromium that nothing debugs: an attached DevTools copies every
// request body and slows uploads tenfold.
//
// Settings, in the address after #: token (of the setup link), rows (of up, back, small), mib, files, runs.

const SLICE_BYTES = 4 << 20;
const RANDOM_BYTES_MAX = 65_536; // of one getRandomValues
const SMALL_BYTES = 4096;
const FILES_WRITTEN_AT_ONCE = 32;

const settings = new URLSearchParams(location.hash.slice(1));

// The policy of the page allows this one, and the app has the same.
globalThis.trustedTypes?.createPolicy("default", {
  createScriptURL: (url) => {
    if (url === "/worker_loader.js") return url;
    throw new TypeError("this script is no part of the benchmark");
  },
});

function tell(message) {
  console.log(`triplicate-bench ${JSON.stringify(message)}`);
}

// The page's end of the line to the worker: frontend/src/message.rs.
class Line {
  #worker = new Worker("/worker_loader.js", { type: "module" });
  #pending = new Map();
  #next = 0;

  static async open() {
    const line = new Line();
    await new Promise((ready, failed) => {
      line.#worker.onmessage = ({ data }) => line.#receive(JSON.parse(data), ready);
      line.#worker.onerror = (event) => failed(new Error(`the worker stopped: ${event.message}`));
    });
    return line;
  }

  call(operation, parameters = {}, attachments = [], given = []) {
    const call = this.#next++;
    const message = JSON.stringify({ Call: [call, { [operation]: parameters }] });
    return new Promise((resolve, reject) => {
      this.#pending.set(call, { operation, resolve, reject });
      this.#worker.postMessage([message, attachments], given);
    });
  }

  #receive(message, ready) {
    if (message === "Ready") return ready();
    if (!message.Answer) return; // progress
    const [call, { Ok: answer, Err: failure }] = message.Answer;
    const { operation, resolve, reject } = this.#pending.get(call);
    this.#pending.delete(call);
    if (failure) reject(new Error(`${operation}: ${failure.what}`));
    else resolve(JSON.parse(answer));
  }
}

async function register(line) {
  const passphrase = await line.call("SuggestPassphrase");
  const kit = await line.call("PrepareAccount", { login: "bench", passphrase });
  const confirmed = { group: 0, typed: kit.groups[0], setup_token: settings.get("token") };
  await line.call("Register", confirmed);
}

function random(bytes) {
  const block = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += RANDOM_BYTES_MAX) {
    crypto.getRandomValues(block.subarray(at, Math.min(bytes, at + RANDOM_BYTES_MAX)));
  }
  return block;
}

// On disk, in the origin's private file system.
async function write(folder, name, bytes) {
  const handle = await folder.getFileHandle(name, { create: true });
  const out = await handle.createWritable();
  for (let left = bytes; left > 0; left -= SLICE_BYTES) {
    await out.write(random(Math.min(left, SLICE_BYTES)));
  }
  await out.close();
  return handle.getFile();
}

async function writeMany(folder, count) {
  const files = [];
  for (let at = 0; at < count; at += FILES_WRITTEN_AT_ONCE) {
    const names = Array.from({ length: Math.min(FILES_WRITTEN_AT_ONCE, count - at) }, (_, next) => `${at + next}`);
    files.push(...(await Promise.all(names.map((name) => write(folder, name, SMALL_BYTES)))));
  }
  return files;
}

async function measure(row, work) {
  tell("Begin");
  const start = performance.now();
  const counted = await work();
  tell({ Row: { row, seconds: (performance.now() - start) / 1000, ...counted } });
}

async function up(line, folder, files) {
  const described = files.map((file) => ({
    path: [...folder, file.name],
    bytes: file.size,
    modified_ms: Math.trunc(file.lastModified),
  }));
  const summary = await line.call("Backup", { files: described }, files);
  if (summary.files !== files.length) throw new Error(`${summary.files} of ${files.length} files were backed up`);
  return { files: summary.files, bytes: summary.bytes, sent: summary.sent_bytes };
}

// Pulls as static/download-worker.js does, two chunks ahead, and drops the bytes.
async function back(line, path) {
  const { download, bytes } = await line.call("Open", { moment: { source: null, seq: null }, path, folder: false });
  const { port1, port2 } = new MessageChannel();
  let received = 0;
  const ended = new Promise((resolve, reject) => {
    port1.onmessage = ({ data }) => {
      if (data.end) resolve();
      else if (data.failed) reject(new Error("the restore failed"));
      else if (data.chunk) {
        received += data.chunk.byteLength;
        port1.postMessage({ pull: true });
      }
    };
  });
  const streamed = line.call("Stream", { download }, [port2], [port2]);
  port1.postMessage({ pull: true });
  port1.postMessage({ pull: true });
  await Promise.all([ended, streamed]);
  port1.close();
  if (received !== bytes) throw new Error(`${received} of ${bytes} bytes came back`);
  return { files: 1, bytes: received };
}

async function run() {
  const rows = settings.get("rows").split(",");
  const line = await Line.open();
  await register(line);
  const disk = await navigator.storage.getDirectory();
  for (let number = 0; number < Number(settings.get("runs")); number++) {
    const folder = await disk.getDirectoryHandle(`run-${number}`, { create: true });
    if (rows.includes("up")) {
      const large = await write(folder, "large", Number(settings.get("mib")) * 2 ** 20);
      await measure("up", () => up(line, [`run-${number}`], [large]));
      await folder.removeEntry("large");
    }
    if (rows.includes("back")) await measure("back", () => back(line, [`run-${number}`, "large"]));
    if (rows.includes("small")) {
      const small = await writeMany(folder, Number(settings.get("files")));
      await measure("small", () => up(line, [`run-${number}`, "small"], small));
    }
  }
  tell("Done");
}

run().catch((error) => tell({ Failed: String(error) }));
