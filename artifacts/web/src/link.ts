/** State in a link's fragment, which browsers never send: `#VIEW=` and deflated JSON in base64url. */

export type View = "configure" | "try";

/** What a link says; null where it says nothing that can be read. */
export interface Link {
  view: View;
  state: unknown;
}

export async function write({ view, state }: Link): Promise<string> {
  if (state === null) return `#${view}`;
  const bytes = await through(new CompressionStream("deflate-raw"), new TextEncoder().encode(JSON.stringify(state)));
  const base64 = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return `#${view}=${base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")}`;
}

export async function read(fragment: string): Promise<Link> {
  const [name, text] = fragment.replace(/^#/, "").split("=", 2);
  const view = name === "try" ? "try" : "configure";
  if (!text) return { view, state: null };
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = await through(
      new DecompressionStream("deflate-raw"),
      Uint8Array.from(binary, (character) => character.charCodeAt(0)),
    );
    return { view, state: JSON.parse(new TextDecoder().decode(bytes)) };
  } catch {
    return { view, state: null };
  }
}

async function through(transform: CompressionStream | DecompressionStream, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough<Uint8Array>(transform);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
