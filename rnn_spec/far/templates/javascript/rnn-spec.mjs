// The worker's side of rnn-spec's wire protocol: JSON, a line each way, over stdin and stdout.
// One module, Node 18 or later, no dependencies. `serve` does it all; see worker.mjs.
import { createInterface } from "node:readline";

const numbers = (array) => array && { shape: array.shape, data: array.data.map(Number) }; // "NaN", "Infinity"

/** The case with every array as { shape, data }, data a list of numbers in row-major order. */
function read(c) {
  const parameters = Object.fromEntries(Object.entries(c.parameters).map(([name, a]) => [name, numbers(a)]));
  const cotangents = c.cotangents && { output: numbers(c.cotangents.output), h_n: numbers(c.cotangents.h_n) };
  const earlier = c.earlier.map((call) => ({ ...call, input: numbers(call.input), h_0: numbers(call.h_0) }));
  return { ...c, parameters, cotangents, earlier, input: numbers(c.input), h_0: numbers(c.h_0), lengths: numbers(c.lengths)?.data };
}

/** JSON has no NaN and no infinity: they are strings. */
const written = (_, value) => (typeof value === "number" && !Number.isFinite(value) ? String(value) : value);

/**
 * Answer the requests on stdin until bye, or the end. Print nothing else to stdout: use console.error.
 *
 * hello: { name, version, language, levels, dtypes }. run(case) gives { output, h_n, gradients?, dtypes?, earlier? }
 * or { unsupported: "why" }, or a promise of it; what it throws is an error in phase forward, or in the
 * `phase` of the error thrown.
 */
export async function serve(hello, run) {
  const say = (message) => process.stdout.write(JSON.stringify(message, written) + "\n");
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    if (request.op === "bye") break;
    if (request.op === "hello") {
      say({ language: `JavaScript, Node ${process.versions.node}`, ...hello });
      continue;
    }
    try {
      say({ ...(await run(read(request.case))), seq: request.seq });
    } catch (e) {
      say({ seq: request.seq, error: { phase: e.phase ?? "forward", type: e.name ?? "Error", message: String(e.message ?? e) } });
    }
  }
}
