// The linear maps of a Gemma 2B layer with bfloat16 weights: one row of x (decoding, where bytes a second count) and
// 256 (a piece of prompt, where operations a second count), in both precisions. Two layers' weights take turns, so that
// one row finds most of them in memory and not in the CPU's cache, as in decoding.
#include "gemma/linear/linear.hpp"
#include "tests/bench/layers.hpp"

#include <benchmark/benchmark.h>

#include <string>

using namespace gemma;

namespace {

const Weights& two_layers() {
    static const Weights weights = [] {
        Config config = one_layer(1);
        config.num_hidden_layers = 2;
        return bench::random_weights(config);
    }();
    return weights;
}

using Choice = const WeightMatrix& (*)(const LayerWeights& layer);

void linear_map(benchmark::State& state, Choice choice, Precision precision) {
    const WeightMatrix weights[] = {choice(two_layers().layers[0]), choice(two_layers().layers[1])};
    const std::size_t T = static_cast<std::size_t>(state.range(0)), in = weights[0].columns, out = weights[0].rows;
    const Matrix x = random_rows(T, in, precision);
    std::size_t turn = 0;
    for (auto _ : state) benchmark::DoNotOptimize(linear(x, weights[turn++ % 2], precision));
    using benchmark::Counter;
    const double numbers = static_cast<double>(in * out);
    state.counters["bytes"] = Counter(numbers * 2, Counter::kIsIterationInvariantRate);
    state.counters["operations"] = Counter(numbers * 2 * static_cast<double>(T), Counter::kIsIterationInvariantRate);
}

const struct {
    const char* name;
    Choice choice;
} maps[] = {
    {"q_proj", [](const LayerWeights& layer) -> const WeightMatrix& { return layer.self_attn.q_proj; }},
    {"k_proj", [](const LayerWeights& layer) -> const WeightMatrix& { return layer.self_attn.k_proj; }},
    {"gate_proj", [](const LayerWeights& layer) -> const WeightMatrix& { return layer.mlp.gate_proj; }},
    {"down_proj", [](const LayerWeights& layer) -> const WeightMatrix& { return layer.mlp.down_proj; }},
};

const bool registered = [] {
    for (const Precision precision : {Precision::float32, Precision::bfloat16}) {
        for (const auto& [name, choice] : maps) {
            const std::string title = "linear/" + std::string(name) + "/" + std::string(to_string(precision));
            benchmark::RegisterBenchmark(title.c_str(), linear_map, choice, precision)
                ->ArgName("rows")
                ->Arg(1)
                ->Arg(256)
                ->Unit(benchmark::kMicrosecond)
                ->UseRealTime();
        }
    }
    return true;
}();

}  // namespace
