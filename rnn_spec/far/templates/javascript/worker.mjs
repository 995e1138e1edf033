// {{name}} under rnn-spec. Judge it:
//
//     rnn-spec check 'worker:node {{name}}/worker.mjs'
//
// `run` holds a toy RNN, so that the skeleton passes from the first minute. Put your own layer in its
// place, then claim more levels below: stack, bidirectional, lengths, gradients, dropout, precision.
import { serve } from "./rnn-spec.mjs";

/** One layer, one direction: h_t = act(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh). */
function forward({ config, parameters, dtype }, input, h_0) {
  const [T, N, I] = input.shape;
  const H = config.hidden_size;
  const W_ih = parameters.weight_ih_l0.data; // (H, I), row-major
  const W_hh = parameters.weight_hh_l0.data; // (H, H), row-major
  const rounded = dtype === "float64" ? (x) => x : Math.fround;
  let h = h_0 ? h_0.data : new Array(N * H).fill(0);
  const output = [];
  for (let t = 0; t < T; t++) {
    const next = [];
    for (let n = 0; n < N; n++) {
      for (let j = 0; j < H; j++) {
        let sum = config.bias ? parameters.bias_ih_l0.data[j] + parameters.bias_hh_l0.data[j] : 0;
        for (let i = 0; i < I; i++) sum += W_ih[j * I + i] * input.data[(t * N + n) * I + i];
        for (let k = 0; k < H; k++) sum += W_hh[j * H + k] * h[n * H + k];
        next.push(rounded(config.nonlinearity === "tanh" ? Math.tanh(sum) : sum < 0 ? 0 : sum));
      }
    }
    h = next;
    output.push(...h);
  }
  return {
    output: { shape: [T, N, H], data: output },
    h_n: { shape: [1, N, H], data: h },
    dtypes: { output: dtype, h_n: dtype },
  };
}

function run(c) {
  const earlier = c.earlier.map((call) => forward(c, call.input, call.h_0).output); // first, on the same layer
  return { ...forward(c, c.input, c.h_0), earlier };
}

await serve({ name: "{{name}}", version: "0.1", levels: ["cell", "sequence"], dtypes: ["float64", "float32"] }, run);
