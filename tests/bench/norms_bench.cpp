// The slides' claim: "RMSNorm is on par with LayerNorm, but runs 7 % to 64 % faster" (Zhang, Sennrich 2019, measured
// there in whole networks). Here the two alone, on rows of Gemma 2B's hidden size: one (decoding) and 256 (a piece of
// prompt).
#include "gemma/components/layer_norm.hpp"
#include "gemma/components/rms_norm.hpp"
#include "tests/bench/layers.hpp"

#include <benchmark/benchmark.h>

using namespace gemma;

namespace {

constexpr float eps = 1e-6f;

Vector ones(std::size_t size) {
    Vector vector = Vector::from_shape({size});
    vector.fill(1.0f);
    return vector;
}

void rms_norm_rows(benchmark::State& state) {
    const std::size_t D = gemma_2b().hidden_size;
    const Matrix x = random_rows(static_cast<std::size_t>(state.range(0)), D);
    const Vector weight = ones(D);
    for (auto _ : state) benchmark::DoNotOptimize(rms_norm(x, weight, eps));
}

void layer_norm_rows(benchmark::State& state) {
    const std::size_t D = gemma_2b().hidden_size;
    const Matrix x = random_rows(static_cast<std::size_t>(state.range(0)), D);
    const Vector gain = ones(D), bias = ones(D);
    for (auto _ : state) benchmark::DoNotOptimize(layer_norm(x, gain, bias, eps));
}

}  // namespace

BENCHMARK(rms_norm_rows)->ArgName("rows")->Arg(1)->Arg(256)->UseRealTime();
BENCHMARK(layer_norm_rows)->ArgName("rows")->Arg(1)->Arg(256)->UseRealTime();
