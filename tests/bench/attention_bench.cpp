// The slides' claim: multi-query attention decodes faster (Shazeer 2019: 46 → 3.8 TPUv2-µs a token), because its cache
// of keys and values, which each new token reads, is as many times smaller as there are query heads.
//
// Here: one new token through one attention layer of Gemma 2B's shapes in bfloat16, after so many tokens, with 1
// key/value head (the 2B) and with 8 (multi-head). The linear maps are part of it: with 8 heads those of keys and
// values are larger.
#include "gemma/components/mqa.hpp"
#include "tests/bench/layers.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>

using namespace gemma;

namespace {

constexpr Precision precision = Precision::bfloat16;

// A cache that holds random keys and values of so many tokens.
KeyValues filled(const Config& config, std::size_t tokens) {
    constexpr std::size_t piece = 64;
    const std::size_t K = config.num_key_value_heads, d = config.head_dim;
    Tensor3 numbers = Tensor3::from_shape({piece, K, d});
    random_numbers(0, 0, 0, numbers.size(), 1.0f, numbers.data());
    numbers = rounded(precision, std::move(numbers));
    KeyValues past(K, tokens + 1, d, precision);
    while (past.length < tokens) past.append(numbers, numbers);
    return past;
}

void decode_attention(benchmark::State& state) {
    const std::size_t tokens = static_cast<std::size_t>(state.range(0));
    const Config config = one_layer(static_cast<std::size_t>(state.range(1)));
    const Weights weights = bench::random_weights(config);
    const Matrix x = random_rows(1, config.hidden_size, precision);
    const Rotation rotation = rope_rotation(tokens, 1, config.head_dim);
    KeyValues past = filled(config, tokens);
    for (auto _ : state) {
        benchmark::DoNotOptimize(attention(x, weights.layers[0].self_attn, rotation, past, {}, precision));
        past.length = tokens;
    }
    const std::size_t numbers = 2 * config.num_key_value_heads * config.head_dim * tokens;
    state.counters["cache"] = benchmark::Counter(static_cast<double>(numbers * sizeof(std::uint16_t)),
                                                 benchmark::Counter::kDefaults, benchmark::Counter::kIs1024);
}

}  // namespace

BENCHMARK(decode_attention)
    ->ArgNames({"context", "kv_heads"})
    ->ArgsProduct({{128, 512, 2048, 8192}, {1, 8}})
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();
