// What the forms of GELU cost, on the gate of one token of Gemma 2B and of a piece of prompt of 16 tokens. Each
// benchmark copies its input first, as gelu() takes it over; "copy" is that alone, to be subtracted.
#include "gemma/components/geglu.hpp"
#include "gemma/components/gelu.hpp"
#include "tests/bench/layers.hpp"

#include <benchmark/benchmark.h>

#include <utility>

using namespace gemma;

namespace {

Matrix gate_rows(const benchmark::State& state) {
    return random_rows(static_cast<std::size_t>(state.range(0)), gemma_2b().intermediate_size);
}

void activation_copy(benchmark::State& state) {
    const Matrix x = gate_rows(state);
    for (auto _ : state) {
        Matrix copy = x;
        benchmark::DoNotOptimize(copy.data());
        benchmark::ClobberMemory();
    }
}

void activation_gelu(benchmark::State& state, Gelu form) {
    const Matrix x = gate_rows(state);
    for (auto _ : state) benchmark::DoNotOptimize(gelu(x, form));
}

// The same gate in the siblings of GEGLU: activation(gate) ⊗ up.
void gated(benchmark::State& state, Gate activation) {
    const Matrix gate = gate_rows(state), up = gate;
    for (auto _ : state) benchmark::DoNotOptimize(gated_unit(gate, up, activation));
}

}  // namespace

BENCHMARK(activation_copy)->ArgName("rows")->Arg(1)->Arg(16)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK_CAPTURE(activation_gelu, tanh, Gelu::tanh)
    ->ArgName("rows")
    ->Arg(1)
    ->Arg(16)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(activation_gelu, exact, Gelu::exact)
    ->ArgName("rows")
    ->Arg(1)
    ->Arg(16)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(activation_gelu, sigmoid, Gelu::sigmoid)
    ->ArgName("rows")
    ->Arg(1)
    ->Arg(16)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(gated, relu, Gate::relu)->ArgName("rows")->Arg(16)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK_CAPTURE(gated, gelu, Gate::gelu)->ArgName("rows")->Arg(16)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK_CAPTURE(gated, swish, Gate::swish)->ArgName("rows")->Arg(16)->Unit(benchmark::kMicrosecond)->UseRealTime();
