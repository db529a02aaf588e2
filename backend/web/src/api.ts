/** Requests to the public API, with the token that this page was given, if any. */

const TOKEN_KEY = "tallyman.token";

/** Of the last change's answer: a replica that is asked afterwards shows at least that. */
const LSN_HEADER = "Tallyman-LSN";

const KEY_BYTES = 16;

let written: string | null = null;

export const token = (): string | null => sessionStorage.getItem(TOKEN_KEY);

export const keepToken = (given: string): void => sessionStorage.setItem(TOKEN_KEY, given);

export function authorization(): Record<string, string> {
  const given = token();
  return given ? { Authorization: `Bearer ${given}` } : {};
}

/** What the server, or the way to it, refuses: as it is told to a person. */
export class Refusal extends Error {
  constructor(
    message: string,
    readonly answered: boolean,
  ) {
    super(message);
  }
}

export async function get<T>(path: string): Promise<T> {
  const headers: Record<string, string> = authorization();
  if (written) headers[LSN_HEADER] = written;
  return (await asked(path, { headers })).json();
}

/** Change something. A repeat with the same key changes nothing twice. */
export async function post<T>(path: string, key: string, body: object): Promise<T> {
  const headers = {
    ...authorization(),
    "Content-Type": "application/json",
    "Idempotency-Key": key,
  };
  const answer = await asked(path, { method: "POST", headers, body: JSON.stringify(body) });
  written = answer.headers.get(LSN_HEADER);
  return answer.json();
}

/** A fresh key for one intended change. (`randomUUID` is not there on pages without TLS.) */
export function freshKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function asked(path: string, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(`/api/v1/${path}`, init);
  } catch {
    throw new Refusal("The server cannot be reached. Try again in a moment.", false);
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  const detail = problem.detail ?? `The server answers ${answer.status}`;
  throw new Refusal(`${detail}. ${problem.mend ?? ""}`.trim(), true);
}
