#include "gemma/bench/peak.hpp"

#include "gemma/bench/clock.hpp"
#include "gemma/parallel.hpp"

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
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
    std::size_t sums;
    std::size_t lanes;                // float32 numbers of a sum
    std::size_t operations_per_lane;  // of one instruction
};

// sum[i] = a · sum[i] + b goes to the fixed point b / (1 - a): no overflow, no denormal numbers.
constexpr float a_number = 0.5f, b_number = 0.25f;

#if defined(__x86_64__)

__attribute__((target("avx512f"))) float float32_avx512(float a, float b) {
    const __m512 factor = _mm512_set1_ps(a), term = _mm512_set1_ps(b);
    __m512 sum[sums];
    for (__m512& s : sum) s = term;
    for (std::size_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (std::size_t i = 0; i < sums; ++i) sum[i] = _mm512_fmadd_ps(sum[i], factor, term);
    }
    __m512 total = sum[0];
    for (std::size_t i = 1; i < sums; ++i) total = _mm512_add_ps(total, sum[i]);
    return _mm512_cvtss_f32(total);
}

__attribute__((target("avx2,fma"))) float float32_avx2(float a, float b) {
    const __m256 factor = _mm256_set1_ps(a), term = _mm256_set1_ps(b);
    __m256 sum[sums];
    for (__m256& s : sum) s = term;
    for (std::size_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (std::size_t i = 0; i < sums; ++i) sum[i] = _mm256_fmadd_ps(sum[i], factor, term);
    }
    __m256 total = sum[0];
    for (std::size_t i = 1; i < sums; ++i) total = _mm256_add_ps(total, sum[i]);
    return _mm256_cvtss_f32(total);
}

// The sums grow by about a · b + a · b a round, which stays far from the largest float32.
__attribute__((target("avx512f,avx512bf16"))) float bfloat16_avx512(float a, float b) {
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

#elif defined(__aarch64__)

float float32_neon(float a, float b) {
    const float32x4_t factor = vdupq_n_f32(a), term = vdupq_n_f32(b);
    float32x4_t sum[sums];
    for (float32x4_t& s : sum) s = term;
    for (std::size_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (std::size_t i = 0; i < sums; ++i) sum[i] = vfmaq_f32(term, sum[i], factor);
    }
    float32x4_t total = sum[0];
    for (std::size_t i = 1; i < sums; ++i) total = vaddq_f32(total, sum[i]);
    return vaddvq_f32(total);
}

#endif

// Sixteen lanes in a row, which a compiler turns into the vectors that every machine of its kind has.
float float32_portable(float a, float b) {
    constexpr std::size_t lanes = 16;
    float sum[lanes];
    for (float& s : sum) s = b;
    for (std::size_t round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < lanes; ++i) sum[i] = sum[i] * a + b;
    }
    float total = 0;
    for (const float s : sum) total += s;
    return total;
}

Kernel float32_kernel() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return {"AVX-512", float32_avx512, sums, 16, 2};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {"AVX2", float32_avx2, sums, 8, 2};
#elif defined(__aarch64__)
    return {"NEON", float32_neon, sums, 4, 2};
#endif
    return {"portable", float32_portable, 1, 16, 2};
}

std::optional<Kernel> bfloat16_kernel() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512bf16")) return Kernel{"AVX512-BF16", bfloat16_avx512, sums, 16, 4};
#endif
    return std::nullopt;
}

// Operations a second of a kernel: every thread calls it again and again until the time is over.
Peak measure(const Kernel& kernel, double seconds) {
    const volatile float a = a_number, b = b_number;  // unknown to the compiler, as is who reads the result
    volatile float result = 0;
    constexpr std::size_t calls_per_thread = 16;
    const std::size_t calls = calls_per_thread * threads();
    const double operations_per_call =
        static_cast<double>(rounds * kernel.sums * kernel.lanes * kernel.operations_per_lane);
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
