#include "gemma/bench/peak.hpp"

#include "gemma/bench/clock.hpp"
#include "gemma/parallel.hpp"

#include <cstddef>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gemma::bench {

namespace {

// A kernel keeps this many sums, each waiting for itself alone: enough for the latency of an instruction (4 to 6
// cycles) times the instructions that start in a cycle (1 to 4), and few enough for the registers.
constexpr std::size_t sums = 12;

constexpr std::size_t rounds = 1 << 14;  // of one call: some 0.1 ms

struct Kernel {
    const char* instructions;
    float (*run)(float a, float b);
    std::size_t lanes;                // float32 numbers of a sum
    std::size_t operations_per_lane;  // of one instruction
};

// sum[i] = a · sum[i] + b goes to the fixed point b / (1 - a): no overflow, no denormal numbers.
constexpr float a_number = 0.5f, b_number = 0.25f;

using Lanes4 = float __attribute__((vector_size(16)));
using Lanes8 = float __attribute__((vector_size(32)));
using Lanes16 = float __attribute__((vector_size(64)));

// A multiply-add of each sum a round, in the vectors of the target that this is compiled into.
template <typename Lanes>
[[gnu::always_inline]] inline float multiply_adds(float a, float b) {
    Lanes sum[sums];
    for (Lanes& s : sum) s = Lanes{} + b;
    for (std::size_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (std::size_t i = 0; i < sums; ++i) sum[i] = sum[i] * a + b;
    }
    Lanes total = sum[0];
    for (std::size_t i = 1; i < sums; ++i) total += sum[i];
    return total[0];
}

// Four lanes are what x86-64 and arm64 both have without asking.
float float32_base(float a, float b) { return multiply_adds<Lanes4>(a, b); }

#if defined(__x86_64__)

[[gnu::target("avx512f")]] float float32_avx512(float a, float b) { return multiply_adds<Lanes16>(a, b); }

[[gnu::target("avx2,fma")]] float float32_avx2(float a, float b) { return multiply_adds<Lanes8>(a, b); }

// The sums grow by about a · b + a · b a round, which stays far from the largest float32.
[[gnu::target("avx512f,avx512bf16")]] float bfloat16_avx512(float a, float b) {
    const __m512bh x = _mm512_cvtne2ps_pbh(_mm512_set1_ps(a), _mm512_set1_ps(a));
    const __m512bh y = _mm512_cvtne2ps_pbh(_mm512_set1_ps(b), _mm512_set1_ps(b));
    __m512 sum[sums];
    for (__m512& s : sum) s = _mm512_set1_ps(b);
    for (std::size_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (std::size_t i = 0; i < sums; ++i) sum[i] = _mm512_dpbf16_ps(sum[i], x, y);
    }
    __m512 total = sum[0];
    for (std::size_t i = 1; i < sums; ++i) total = _mm512_add_ps(total, sum[i]);
    return _mm512_cvtss_f32(total);
}

#endif

Kernel float32_kernel() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return {"AVX-512", float32_avx512, 16, 2};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {"AVX2", float32_avx2, 8, 2};
#endif
    return {"plain vectors", float32_base, 4, 2};
}

std::optional<Kernel> bfloat16_kernel() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512bf16")) return Kernel{"AVX512-BF16", bfloat16_avx512, 16, 4};
#endif
    return std::nullopt;
}

// Operations a second of a kernel: every thread calls it again and again until the time is over.
Peak measure(const Kernel& kernel, double seconds) {
    const volatile float a = a_number, b = b_number;  // unknown to the compiler, as is who reads the result
    volatile float result = 0;
    constexpr std::size_t calls_per_thread = 16;
    const std::size_t calls = calls_per_thread * threads();
    const double operations_per_call = static_cast<double>(rounds * sums * kernel.lanes * kernel.operations_per_lane);
    std::size_t all_calls = 0;
    const Clock clock;
    do {
        parallel_for(calls, 1, [&](std::size_t, std::size_t) {
            if (const float sum = kernel.run(a, b); sum < 0) result = sum;
        });
        all_calls += calls;
    } while (clock.seconds() < seconds);
    return {kernel.instructions, static_cast<double>(all_calls) * operations_per_call / clock.seconds()};
}

}  // namespace

Peak float32_peak(double seconds) { return measure(float32_kernel(), seconds); }

std::optional<Peak> bfloat16_peak(double seconds) {
    const std::optional<Kernel> kernel = bfloat16_kernel();
    if (!kernel) return std::nullopt;
    return measure(*kernel, seconds);
}

}  // namespace gemma::bench
