// libtorch's torch::nn::RNN under rnn-spec.
//
//     workers/libtorch/build python3 workers/libtorch/worker    # against the torch that this Python has
//     rnn-spec check libtorch
#include <torch/torch.h>
#include <torch/version.h>

#include "rnn_spec.hpp"

using namespace rnn_spec;
using rnn_spec::Error;  // not c10's

const std::string batches_only = "torch::nn::RNN takes batches only";

torch::ScalarType dtype_of(const std::string& name) {
    static const std::map<std::string, torch::ScalarType> types = {
        {"float64", torch::kDouble}, {"float32", torch::kFloat}, {"float16", torch::kHalf}, {"bfloat16", torch::kBFloat16}};
    return types.at(name);
}

torch::Tensor tensor(const Array& a, torch::ScalarType dtype) {
    const auto values = torch::from_blob(const_cast<double*>(a.data.data()), a.shape, torch::kDouble);
    return values.clone().to(dtype);
}

Array array(const torch::Tensor& t) {
    const auto values = t.detach().to(torch::kDouble).contiguous();
    const double* p = values.data_ptr<double>();
    return {values.sizes().vec(), std::vector<double>(p, p + values.numel())};
}

// What the layer answers: output padded again where the case has lengths.
std::pair<torch::Tensor, torch::Tensor> forward(torch::nn::RNN& rnn, const Case& c, const torch::Tensor& x,
                                                const torch::Tensor& h_0) {
    if (!c.lengths) {
        auto [output, h_n] = rnn->forward(x, h_0);
        return {output, h_n};
    }
    using namespace torch::nn::utils::rnn;
    const bool batch_first = c.config.batch_first;
    const auto lengths = torch::tensor(std::vector<int64_t>(c.lengths->begin(), c.lengths->end()));
    auto [packed, h_n] = rnn->forward_with_packed_input(pack_padded_sequence(x, lengths, batch_first, false), h_0);
    const int64_t T = x.size(batch_first ? 1 : 0);
    return {std::get<0>(pad_packed_sequence(packed, batch_first, 0.0, T)), h_n};
}

Observation answer(const Case& c) {
    const auto dtype = dtype_of(c.dtype);
    bool batched = c.input.shape.size() == 3;
    for (const Call& call : c.earlier) batched = batched && call.input.shape.size() == 3;
    if (!batched) return {{}, {}, {}, {}, batches_only};
    torch::nn::RNN rnn(nullptr);
    try {
        rnn = torch::nn::RNN(torch::nn::RNNOptions(c.config.input_size, c.config.hidden_size)
                                 .num_layers(c.config.num_layers)
                                 .nonlinearity(c.config.nonlinearity == "tanh"
                                                   ? torch::nn::RNNOptions::nonlinearity_t(torch::kTanh)
                                                   : torch::nn::RNNOptions::nonlinearity_t(torch::kReLU))
                                 .bias(c.config.bias)
                                 .batch_first(c.config.batch_first)
                                 .dropout(c.config.dropout)
                                 .bidirectional(c.config.bidirectional));
        rnn->to(dtype);
    } catch (const c10::Error& e) {
        throw Error("construct", "c10::Error", e.what_without_backtrace());
    }
    std::map<std::string, torch::Tensor> leaves;
    std::vector<Array> earlier;
    {
        torch::NoGradGuard no_grad;
        for (auto& parameter : rnn->named_parameters()) {
            parameter.value().copy_(tensor(c.parameters.at(parameter.key()), dtype));
            leaves[parameter.key()] = parameter.value();
        }
        torch::manual_seed(c.seed);
        for (const Call& call : c.earlier) {
            rnn->train(call.training);
            auto h_0 = call.h_0 ? tensor(*call.h_0, dtype) : torch::Tensor();
            earlier.push_back(array(std::get<0>(rnn->forward(tensor(call.input, dtype), h_0))));
        }
    }
    rnn->train(c.training);
    auto x = leaves["input"] = tensor(c.input, dtype);
    torch::Tensor h_0;
    if (c.h_0) h_0 = leaves["h_0"] = tensor(*c.h_0, dtype);
    if (c.cotangents) {
        for (auto& leaf : leaves) leaf.second.requires_grad_();
    }
    auto [output, h_n] = forward(rnn, c, x, h_0);
    Observation o{array(output), array(h_n), {}, {{"output", c.dtype}, {"h_n", c.dtype}}, "", earlier};
    if (c.cotangents) {
        try {
            torch::autograd::backward({output, h_n}, {tensor(c.cotangents->output, dtype), tensor(c.cotangents->h_n, dtype)});
            for (auto& [name, leaf] : leaves) o.gradients[name] = array(leaf.grad());
        } catch (const c10::Error& e) {
            throw Error("backward", "c10::Error", e.what_without_backtrace());
        }
    }
    return o;
}

Observation run(const Case& c) {
    try {
        return answer(c);
    } catch (const c10::Error& e) {
        throw Error("forward", "c10::Error", e.what_without_backtrace());
    }
}

int main() {
    torch::set_num_threads(1);
    const Hello hello{"libtorch",
                      TORCH_VERSION,
                      {"cell", "sequence", "stack", "bidirectional", "lengths", "gradients", "dropout", "precision", "torch_api"},
                      {"float64", "float32", "float16", "bfloat16"},
                      "https://pytorch.org/cppdocs/",
                      "C++",
                      {batches_only}};
    return serve(hello, run);
}
