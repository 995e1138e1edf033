// {{name}} under rnn-spec. Build and judge it:
//
//     g++ -std=c++17 -O2 -o {{name}}/worker {{name}}/worker.cpp
//     rnn-spec check worker:{{name}}/worker
//
// `run` holds a toy RNN, so that the skeleton passes from the first minute. Put your own layer in its
// place, then claim more levels in `main`: stack, bidirectional, lengths, gradients, dropout, precision.
#include "rnn_spec.hpp"

using namespace rnn_spec;

// One layer, one direction: h_t = act(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh).
template <class Number>
Observation forward(const Case& c, const Array& input, const std::optional<Array>& h_0) {
    const long T = input.shape[0], N = input.shape[1], I = c.config.input_size, H = c.config.hidden_size;
    const auto& W_ih = c.parameters.at("weight_ih_l0").data;  // (H, I), row-major
    const auto& W_hh = c.parameters.at("weight_hh_l0").data;  // (H, H), row-major
    std::vector<Number> h(N * H, 0), next(N * H);
    if (h_0) h.assign(h_0->data.begin(), h_0->data.end());
    Observation o;
    o.output.shape = {T, N, H};
    for (long t = 0; t < T; ++t) {
        for (long n = 0; n < N; ++n) {
            for (long j = 0; j < H; ++j) {
                Number sum = 0;
                if (c.config.bias) {
                    sum += static_cast<Number>(c.parameters.at("bias_ih_l0").data[j]);
                    sum += static_cast<Number>(c.parameters.at("bias_hh_l0").data[j]);
                }
                for (long i = 0; i < I; ++i) {
                    sum += static_cast<Number>(W_ih[j * I + i]) * static_cast<Number>(input.data[(t * N + n) * I + i]);
                }
                for (long k = 0; k < H; ++k) sum += static_cast<Number>(W_hh[j * H + k]) * h[n * H + k];
                next[n * H + j] = c.config.nonlinearity == "tanh" ? std::tanh(sum) : (sum < 0 ? Number(0) : sum);
            }
        }
        h.swap(next);
        o.output.data.insert(o.output.data.end(), h.begin(), h.end());
    }
    o.h_n.shape = {1, N, H};
    o.h_n.data.assign(h.begin(), h.end());
    o.dtypes = {{"output", c.dtype}, {"h_n", c.dtype}};
    return o;
}

template <class Number>
Observation run_as(const Case& c) {
    std::vector<Array> earlier;  // the calls to be made first, on the same layer
    for (const Call& call : c.earlier) earlier.push_back(forward<Number>(c, call.input, call.h_0).output);
    Observation o = forward<Number>(c, c.input, c.h_0);
    o.earlier = earlier;
    return o;
}

Observation run(const Case& c) { return c.dtype == "float64" ? run_as<double>(c) : run_as<float>(c); }

int main() {
    const Hello hello{"{{name}}", "0.1", {"cell", "sequence"}, {"float64", "float32"}};
    return serve(hello, run);
}
