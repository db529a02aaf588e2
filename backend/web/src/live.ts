/** The one WebSocket: connects, resumes where it stopped, waits longer after each failure. */

import { authorization, keepToken, token } from "./api";
import { follow } from "./departures";
import type { LiveMessage } from "./model";
import { connection, take } from "./state";

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;

/** The server pings; a line that says nothing at all for this long (it also beats when idle) is taken for dead. */
const SILENCE_MS = 20_000;

const PROTOCOL = "tallyman.live.1";

let socket: WebSocket | undefined;
let seq: string | undefined;
let retryMs = FIRST_RETRY_MS;
let silence: number | undefined;

export function signIn(given: string): void {
  keepToken(given);
  retryMs = FIRST_RETRY_MS;
  connect();
}

export function connect(): void {
  connection.value = "connecting";
  const address = new URL("/api/v1/live", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  if (seq) address.searchParams.set("seq", seq);
  const opened = new WebSocket(address, protocols());
  socket = opened;
  opened.onopen = () => {
    connection.value = "live";
    retryMs = FIRST_RETRY_MS;
    listen(opened);
  };
  opened.onmessage = (event: MessageEvent<string>) => {
    listen(opened);
    const message = JSON.parse(event.data) as LiveMessage | { type: "beat" };
    if (message.type === "beat") return;
    take(message);
    follow(message);
    seq = message.seq;
  };
  opened.onclose = () => {
    if (socket === opened) void retry();
  };
}

function listen(opened: WebSocket): void {
  window.clearTimeout(silence);
  silence = window.setTimeout(() => opened.close(), SILENCE_MS);
}

async function retry(): Promise<void> {
  window.clearTimeout(silence);
  if (await mustSignIn()) {
    connection.value = "sign-in";
    return;
  }
  connection.value = "lost";
  const jitter = 0.5 + Math.random();
  window.setTimeout(connect, retryMs * jitter);
  retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
}

/** A browser does not tell why a WebSocket was refused; a plain request does. */
async function mustSignIn(): Promise<boolean> {
  try {
    const answer = await fetch("/api/v1/sites?limit=1", { headers: authorization() });
    return answer.status === 401;
  } catch {
    return false;
  }
}

function protocols(): string[] {
  const given = token();
  if (!given) return [PROTOCOL];
  const packed = btoa(String.fromCharCode(...new TextEncoder().encode(given)));
  const safe = packed.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  return [PROTOCOL, `bearer.${safe}`];
}
