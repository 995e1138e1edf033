// TensorFlow.js's tf.layers.simpleRNN under rnn-spec, on the backend that is named: cpu (default) or wasm.
//
//     npm install --prefix workers/tfjs --ignore-scripts
//     rnn-spec check tfjs:cpu
//
// A layer of it is one layer and one direction, batch-major, with one bias and no state of its own unless
// it is given. The adapter stacks, and runs the reverse direction as a second layer with goBackwards.
import { fileURLToPath } from "node:url";
import { serve } from "../../rnn_spec/far/templates/javascript/rnn-spec.mjs";

console.log = console.info = console.warn = console.error; // stdout is the protocol's
const backend = process.argv[2] ?? "cpu";
const tf = await import("@tensorflow/tfjs");
if (backend === "wasm") {
  const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
  setWasmPaths(fileURLToPath(new URL("./node_modules/@tensorflow/tfjs-backend-wasm/dist/", import.meta.url)));
}
await tf.setBackend(backend);

const tensor = ({ shape, data }, dtype = "float32") => tf.tensor(data, shape, dtype);
const array = (t) => ({ shape: t.shape, data: Array.from(t.dataSync()) });
const suffixes = ({ num_layers, bidirectional }) =>
  Array.from({ length: num_layers }, (_, l) => (bidirectional ? [`_l${l}`, `_l${l}_reverse`] : [`_l${l}`]));

/** The layers, a list for each layer of the stack with one entry for each direction. */
function build({ config, parameters }) {
  const { hidden_size: units, input_size, bias: useBias, nonlinearity: activation } = config;
  return suffixes(config).map((names, l) =>
    names.map((suffix, direction) => {
      const layer = tf.layers.simpleRNN({
        units, activation, useBias, returnSequences: true, returnState: true, goBackwards: direction === 1,
      });
      layer.apply(tf.zeros([1, 1, l ? names.length * units : input_size])); // so that it has its weights
      const weights = [parameters[`weight_ih${suffix}`], parameters[`weight_hh${suffix}`]].map((w) => tensor(w).transpose());
      if (useBias) weights.push(tensor(parameters[`bias_ih${suffix}`]).add(tensor(parameters[`bias_hh${suffix}`])));
      layer.setWeights(weights);
      return layer;
    }),
  );
}

/** (T, N, I), (L*D, N, H) -> (T, N, D*H), (L*D, N, H); mask (N, T), or null. */
function forward(layers, input, h_0, mask) {
  const directions = layers[0].length;
  let x = input.transpose([1, 0, 2]);
  const last = [];
  layers.forEach((both, l) => {
    const outputs = both.map((layer, direction) => {
      const options = h_0 ? { initialState: [h_0.slice(l * directions + direction, 1).squeeze([0])] } : {};
      if (mask) options.mask = mask;
      let [output, state] = layer.apply(x, options);
      if (direction === 1) output = output.reverse(1);
      last.push(state);
      // In the padding the framework repeats the last output, and torch has zeros.
      return mask ? tf.where(mask.expandDims(-1).cast("bool").broadcastTo(output.shape), output, tf.zerosLike(output)) : output;
    });
    x = outputs.length > 1 ? tf.concat(outputs, 2) : outputs[0];
  });
  return [x.transpose([1, 0, 2]), tf.stack(last)];
}

/** Torch's gradients, by name: that of the one bias is the gradient of each of the two. */
function gradients(layers, { config, cotangents }, input, h_0, mask) {
  const names = suffixes(config).flat();
  const weights = layers.flat().flatMap((layer) => layer.weights.map((w) => w.val));
  const loss = (x, h) => {
    const [output, h_n] = forward(layers, x, h, mask);
    return output.mul(tensor(cotangents.output)).sum().add(h_n.mul(tensor(cotangents.h_n)).sum());
  };
  const found = {};
  const [dx, dh] = tf.grads(loss)(h_0 ? [input, h_0] : [input]);
  found.input = array(dx);
  if (dh) found.h_0 = array(dh);
  const { grads } = tf.variableGrads(() => loss(input, h_0), weights);
  layers.flat().forEach((layer, i) => {
    const [kernel, recurrent, bias] = layer.weights.map((w) => grads[w.val.name]);
    found[`weight_ih${names[i]}`] = array(kernel.transpose());
    found[`weight_hh${names[i]}`] = array(recurrent.transpose());
    if (bias) found[`bias_ih${names[i]}`] = found[`bias_hh${names[i]}`] = array(bias);
  });
  return found;
}

const MOST = 2e7;
const SLOW = `more than ${MOST} multiplications: minutes in plain JavaScript`;

/** How many multiplications the forward pass takes. */
function work({ config: { hidden_size: H, num_layers, bidirectional }, input: { shape: [T, N, I] } }) {
  const D = bidirectional ? 2 : 1;
  return T * N * D * H * (I + H + (num_layers - 1) * (D * H + H));
}

function run(c) {
  const inputs = [c, ...c.earlier].map((call) => call.input);
  if (c.config.batch_first || inputs.some(({ shape }) => shape.length !== 3)) return { unsupported: "the adapter takes (T, N, I)" };
  if (backend === "cpu" && work(c) > MOST) return { unsupported: SLOW };
  tf.engine().startScope();
  try {
    const layers = build(c);
    const earlier = c.earlier.map((call) => array(forward(layers, tensor(call.input), call.h_0 && tensor(call.h_0), null)[0]));
    const [T, N] = c.input.shape;
    const mask = c.lengths && tf.tensor2d(c.lengths.flatMap((n) => Array.from({ length: T }, (_, t) => (t < n ? 1 : 0))), [N, T]);
    const input = tensor(c.input);
    const h_0 = c.h_0 && tensor(c.h_0);
    const [output, h_n] = forward(layers, input, h_0, mask);
    const answer = { output: array(output), h_n: array(h_n), dtypes: { output: output.dtype, h_n: h_n.dtype }, earlier };
    if (c.cotangents) {
      try {
        answer.gradients = gradients(layers, c, input, h_0, mask);
      } catch (e) {
        throw Object.assign(e, { phase: "backward" });
      }
    }
    return answer;
  } finally {
    tf.engine().endScope();
    tf.disposeVariables();
  }
}

const hello = {
  name: `tensorflow.js (${backend})`,
  version: tf.version.tfjs,
  homepage: "https://js.tensorflow.org",
  levels: ["cell", "sequence", "stack", "bidirectional", "lengths", "gradients"],
  dtypes: ["float32"],
  limits: backend === "cpu" ? [SLOW] : [],
  declares: { biases: "one", layout: "batch", stacking: "adapter", directions: "adapter", padding: "repeated" },
};
await serve(hello, run);
