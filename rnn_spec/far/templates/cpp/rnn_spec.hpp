// The worker's side of rnn-spec's wire protocol: JSON, a line each way, over stdin and stdout.
// One header, C++17, the standard library alone. `serve` does it all; see worker.cpp.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace rnn_spec {

// Numbers in row-major order.
struct Array {
    std::vector<long> shape;
    std::vector<double> data;
};

// nn.RNN's constructor arguments.
struct Config {
    long input_size = 0, hidden_size = 0, num_layers = 1;
    std::string nonlinearity = "tanh";
    bool bias = true, batch_first = false, bidirectional = false;
    double dropout = 0;
};

// A call made on the same layer before the one that is asked about.
struct Call {
    Array input;
    std::optional<Array> h_0;
    bool training = false;
};

struct Cotangents {
    Array output, h_n;
};

// One question: input (T, N, I), h_0 (L*D, N, H) or none, parameters by nn.RNN's names.
struct Case {
    std::string id;
    Config config;
    std::map<std::string, Array> parameters;
    Array input;
    std::optional<Array> h_0;
    std::optional<std::vector<long>> lengths;
    bool training = false;
    std::string dtype;
    long seed = 0;
    std::optional<Cotangents> cotangents;
    std::vector<Call> earlier;
};

// The answer: output (T, N, D*H) and h_n (L*D, N, H), or why there is none. `gradients` are keyed
// "input", "h_0" and by parameter; `dtypes` "output" and "h_n"; `earlier` holds the output of each earlier call.
struct Observation {
    Array output, h_n;
    std::map<std::string, Array> gradients;
    std::map<std::string, std::string> dtypes;
    std::string unsupported;
    std::optional<std::vector<Array>> earlier = std::nullopt;
};

// What is under test, and which levels and dtypes it claims.
struct Hello {
    std::string name, version;
    std::vector<std::string> levels, dtypes;
    std::string homepage = "", language = "C++";
    std::vector<std::string> limits = {};  // reasons of answers that are unsupported, word for word
};

// To be thrown where the layer refuses a case: the phase is construct, forward or backward.
struct Error : std::runtime_error {
    std::string phase, type;
    Error(std::string phase, std::string type, const std::string& message)
        : std::runtime_error(message), phase(std::move(phase)), type(std::move(type)) {}
};

// -- JSON, as much of it as the protocol needs ------------------------------------------------------

struct Json {
    char kind = 'n';  // n: null, t: true, f: false, d: number, s: string, [: array, {: object
    double number = 0;
    std::string text;
    std::vector<Json> items;
    std::map<std::string, Json> members;

    explicit operator bool() const { return kind != 'n'; }
    const Json& operator[](const std::string& key) const {
        static const Json null;
        auto found = members.find(key);
        return found == members.end() ? null : found->second;
    }
    double value() const { return kind == 's' ? std::strtod(text.c_str(), nullptr) : number; }  // "NaN", ...
    long integer() const { return static_cast<long>(number); }
    bool truth() const { return kind == 't'; }
};

class Parser {
  public:
    explicit Parser(const std::string& text) : p(text.c_str()) {}

    Json parse() {
        Json value;
        char c = peek();
        if (c == '{') {
            value.kind = '{';
            list('}', [&] {
                std::string key = parse().text;
                expect(':');
                value.members.emplace(key, parse());
            });
        } else if (c == '[') {
            value.kind = '[';
            list(']', [&] { value.items.push_back(parse()); });
        } else if (c == '"') {
            value.kind = 's';
            value.text = string();
        } else if (c == 't' || c == 'f' || c == 'n') {
            value.kind = c;
            p += c == 'f' ? 5 : 4;
        } else {
            char* end = nullptr;
            value.kind = 'd';
            value.number = std::strtod(p, &end);
            if (end == p) throw std::runtime_error("not JSON");
            p = end;
        }
        return value;
    }

  private:
    const char* p;

    char peek() {
        while (*p == ' ' || *p == '\t' || *p == '\r') ++p;
        return *p;
    }
    void expect(char c) {
        if (peek() != c) throw std::runtime_error(std::string("JSON lacks a ") + c);
        ++p;
    }
    template <class F>
    void list(char close, F element) {
        ++p;
        if (peek() == close) {
            ++p;
            return;
        }
        for (;;) {
            element();
            if (peek() != ',') break;
            ++p;
        }
        expect(close);
    }
    std::string string() {
        std::string text;
        for (++p; *p != '"'; ++p) {
            if (!*p) throw std::runtime_error("JSON ends within a string");
            if (*p == '\\' && *++p == 'u') {  // what the protocol says is ASCII, but for free text
                text += '?';
                p += 4;
            } else {
                text += *p;
            }
        }
        ++p;
        return text;
    }
};

inline std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (unsigned char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c < 32 ? ' ' : static_cast<char>(c);
    }
    return out + '"';
}

inline std::string number(double x) {
    if (std::isnan(x)) return "\"NaN\"";
    if (std::isinf(x)) return x > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    char text[32];
    std::snprintf(text, sizeof text, "%.17g", x);
    return text;
}

template <class Items, class F>
std::string joined(const Items& items, F text) {
    std::string out;
    for (const auto& item : items) out += (out.empty() ? "" : ",") + text(item);
    return out;
}

inline std::string written(const Array& a) {
    return "{\"shape\":[" + joined(a.shape, [](long n) { return std::to_string(n); }) + "],\"data\":[" +
           joined(a.data, number) + "]}";
}
inline std::string written(const std::string& text) { return quoted(text); }
inline std::string written(const std::vector<std::string>& list) { return "[" + joined(list, quoted) + "]"; }
template <class T>
std::string written(const std::map<std::string, T>& items) {
    return "{" + joined(items, [](const auto& x) { return quoted(x.first) + ":" + written(x.second); }) + "}";
}

// -- the records ------------------------------------------------------------------------------------

inline Array array(const Json& json) {
    Array a;
    for (const Json& n : json["shape"].items) a.shape.push_back(n.integer());
    a.data.reserve(json["data"].items.size());
    for (const Json& x : json["data"].items) a.data.push_back(x.value());
    return a;
}

inline std::optional<Array> optional_array(const Json& json) {
    return json ? std::optional<Array>(array(json)) : std::nullopt;
}

inline Case read_case(const Json& json) {
    const Json& config = json["config"];
    Case c;
    c.id = json["id"].text;
    c.config.input_size = config["input_size"].integer();
    c.config.hidden_size = config["hidden_size"].integer();
    c.config.num_layers = config["num_layers"].integer();
    c.config.nonlinearity = config["nonlinearity"].text;
    c.config.bias = config["bias"].truth();
    c.config.batch_first = config["batch_first"].truth();
    c.config.dropout = config["dropout"].number;
    c.config.bidirectional = config["bidirectional"].truth();
    for (const auto& [name, value] : json["parameters"].members) c.parameters[name] = array(value);
    c.input = array(json["input"]);
    c.h_0 = optional_array(json["h_0"]);
    if (json["lengths"]) {
        const Array lengths = array(json["lengths"]);
        c.lengths.emplace(lengths.data.begin(), lengths.data.end());
    }
    c.training = json["training"].truth();
    c.dtype = json["dtype"].text;
    c.seed = json["seed"].integer();
    if (json["cotangents"]) {
        c.cotangents = Cotangents{array(json["cotangents"]["output"]), array(json["cotangents"]["h_n"])};
    }
    for (const Json& call : json["earlier"].items) {
        c.earlier.push_back({array(call["input"]), optional_array(call["h_0"]), call["training"].truth()});
    }
    return c;
}

inline std::string answer(const std::string& seq, const std::function<Observation(const Case&)>& run,
                          const Json& json) {
    const std::string begin = "{\"seq\":" + seq;
    const auto refused = [&](const std::string& phase, const std::string& type, const char* message) {
        return begin + ",\"error\":{\"phase\":" + quoted(phase) + ",\"type\":" + quoted(type) +
               ",\"message\":" + quoted(message) + "}}";
    };
    try {
        const Observation o = run(read_case(json));
        if (!o.unsupported.empty()) return begin + ",\"unsupported\":" + quoted(o.unsupported) + "}";
        return begin + ",\"output\":" + written(o.output) + ",\"h_n\":" + written(o.h_n) +
               ",\"gradients\":" + written(o.gradients) + ",\"dtypes\":" + written(o.dtypes) +
               (o.earlier ? ",\"earlier\":[" + joined(*o.earlier, [](const Array& a) { return written(a); }) + "]" : "") + "}";
    } catch (const Error& e) {
        return refused(e.phase, e.type, e.what());
    } catch (const std::exception& e) {
        return refused("forward", "std::exception", e.what());
    }
}

// Answer the requests on stdin until bye, or the end. Print nothing else to stdout: use stderr.
inline int serve(const Hello& hello, const std::function<Observation(const Case&)>& run) {
    std::ios::sync_with_stdio(false);
    for (std::string line; std::getline(std::cin, line);) {
        const Json request = Parser(line).parse();
        const std::string op = request["op"].text;
        if (op == "bye") break;
        if (op == "hello") {
            std::cout << "{\"name\":" << quoted(hello.name) << ",\"version\":" << quoted(hello.version)
                      << ",\"language\":" << quoted(hello.language) << ",\"levels\":" << written(hello.levels)
                      << ",\"dtypes\":" << written(hello.dtypes) << ",\"limits\":" << written(hello.limits)
                      << ",\"homepage\":" << quoted(hello.homepage) << "}\n";
        } else {
            std::cout << answer(std::to_string(request["seq"].integer()), run, request["case"]) << '\n';
        }
        std::cout.flush();
    }
    return 0;
}

}  // namespace rnn_spec
