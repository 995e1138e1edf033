// ONNX Runtime's operator RNN in Node under rnn-spec: native (default), or wasm.
//
//     npm install --prefix workers/onnxruntime-node --ignore-scripts
//     rnn-spec check onnxruntime-node:native
//
// The operator runs one layer in one or two directions, time-major, with both biases in one vector; the
// adapter stacks. The model is built here, as the bytes that ONNX's protobuf schema gives it.
import { serve } from "../../rnn_spec/far/templates/javascript/rnn-spec.mjs";

const flavour = process.argv[2] ?? "native";
const ort = flavour === "native" ? (await import("onnxruntime-node")).default : await import("onnxruntime-web");
if (flavour === "wasm") ort.env.wasm.numThreads = 1;

// -- protobuf: a field is its number and wire type, then a varint or a length and bytes -----------

const varint = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...varint(Math.floor(n / 128))]);
const int = (field, n) => [...varint(field << 3), ...varint(n)];
const bytes = (field, content) => [...varint((field << 3) | 2), ...varint(content.length), ...content];
const text = (field, string) => bytes(field, [...new TextEncoder().encode(string)]);

const FLOAT = 1, INT32 = 6; // TensorProto.DataType
const OPSET = 22, IR = 10;

/** A ValueInfoProto: a tensor of this rank, its sizes left open. */
function value(name, type, rank) {
  const shape = Array.from({ length: rank }, () => bytes(1, [])).flat();
  return [...text(1, name), ...bytes(2, bytes(1, [...int(1, type), ...bytes(2, shape)]))];
}

/** A ModelProto with one RNN node; inputs that are absent have the empty name. */
function model({ hidden_size, nonlinearity, bidirectional }, inputs) {
  const activation = nonlinearity === "tanh" ? "Tanh" : "Relu";
  const attributes = [
    [...text(1, "hidden_size"), ...int(3, hidden_size), ...int(20, 2)],
    [...text(1, "direction"), ...text(4, bidirectional ? "bidirectional" : "forward"), ...int(20, 3)],
    [...text(1, "activations"), ...text(9, activation), ...(bidirectional ? text(9, activation) : []), ...int(20, 8)],
  ];
  const node = [
    ...inputs.flatMap((name) => text(1, name)), ...text(2, "Y"), ...text(2, "Y_h"), ...text(4, "RNN"),
    ...attributes.flatMap((a) => bytes(5, a)),
  ];
  const ranks = { X: 3, W: 3, R: 3, B: 2, sequence_lens: 1, initial_h: 3, Y: 4, Y_h: 3 };
  const declared = (field, names) =>
    names.filter(Boolean).flatMap((name) => bytes(field, value(name, name === "sequence_lens" ? INT32 : FLOAT, ranks[name])));
  const graph = [...bytes(1, node), ...text(2, "rnn"), ...declared(11, inputs), ...declared(12, ["Y", "Y_h"])];
  return new Uint8Array([...int(1, IR), ...bytes(7, graph), ...bytes(8, int(2, OPSET))]);
}

// -- the layer ----------------------------------------------------------------------------------------

const sessions = new Map();
function session(config, inputs) {
  const key = JSON.stringify([config.hidden_size, config.nonlinearity, config.bidirectional, inputs]);
  if (!sessions.has(key)) sessions.set(key, ort.InferenceSession.create(model(config, inputs)));
  return sessions.get(key);
}

const tensor = (data, shape) => new ort.Tensor("float32", Float32Array.from(data), shape);

/** Y is (T, D, N, H); torch's output is (T, N, D*H). */
function joined({ dims: [T, D, N, H], data }) {
  const out = new Float32Array(data.length);
  for (let t = 0; t < T; t++)
    for (let d = 0; d < D; d++)
      for (let n = 0; n < N; n++)
        for (let j = 0; j < H; j++) out[((t * N + n) * D + d) * H + j] = data[((t * D + d) * N + n) * H + j];
  return { shape: [T, N, D * H], data: out };
}

async function forward({ config, parameters }, input, h_0, lengths) {
  const { hidden_size: H, num_layers, bidirectional, bias } = config;
  const directions = bidirectional ? ["", "_reverse"] : [""];
  const D = directions.length, N = input.shape[1];
  const inputs = ["X", "W", "R", bias ? "B" : "", lengths ? "sequence_lens" : "", h_0 ? "initial_h" : ""];
  const run = await session(config, inputs);
  const last = [];
  for (let l = 0; l < num_layers; l++) {
    const all = (kind) => directions.flatMap((d) => parameters[`${kind}_l${l}${d}`].data);
    const feeds = {
      X: tensor(input.data, input.shape),
      W: tensor(all("weight_ih"), [D, H, input.shape[2]]),
      R: tensor(all("weight_hh"), [D, H, H]),
    };
    if (bias) {
      const both = directions.flatMap((d) => ["bias_ih", "bias_hh"].flatMap((kind) => parameters[`${kind}_l${l}${d}`].data));
      feeds.B = tensor(both, [D, 2 * H]);
    }
    if (lengths) feeds.sequence_lens = new ort.Tensor("int32", Int32Array.from(lengths), [N]);
    if (h_0) feeds.initial_h = tensor(h_0.data.slice(l * D * N * H, (l + 1) * D * N * H), [D, N, H]);
    const { Y, Y_h } = await run.run(feeds);
    last.push(...Y_h.data);
    input = joined(Y);
  }
  return [{ shape: input.shape, data: Array.from(input.data) }, { shape: [num_layers * D, N, H], data: last }];
}

async function run(c) {
  const calls = [...c.earlier, c];
  if (c.config.batch_first || calls.some(({ input }) => input.shape.length !== 3)) return { unsupported: "the operator takes (T, N, I)" };
  const earlier = [];
  for (const call of c.earlier) earlier.push((await forward(c, call.input, call.h_0, null))[0]);
  const [output, h_n] = await forward(c, c.input, c.h_0, c.lengths);
  return { output, h_n, dtypes: { output: "float32", h_n: "float32" }, earlier };
}

const hello = {
  name: `onnxruntime-${flavour === "native" ? "node" : "web (wasm)"}`,
  version: ort.env.versions?.common ?? "",
  homepage: "https://onnxruntime.ai",
  levels: ["cell", "sequence", "stack", "bidirectional", "lengths"],
  dtypes: ["float32"],
  declares: { biases: "two", layout: "time", stacking: "adapter", directions: "framework", padding: "zero" },
};
await serve(hello, run);
