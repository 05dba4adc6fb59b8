// What steps number by number are made of: loops that the compiler turns into vectors.
//
// The library is compiled for any x86-64 or arm64. A function marked GEMMA_WIDEST_VECTORS is compiled for several
// generations of x86-64 processors, and the program takes the best that the machine has when it starts. Loops in it
// may call what is here: functions of one number without a branch, a table or a call, where the standard library's exp
// and tanh would stop the compiler.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

// A sanitizer's own code is not ready when the choice is made.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define GEMMA_WIDEST_VECTORS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define GEMMA_WIDEST_VECTORS
#endif

namespace gemma {

/// x = n ln 2 + r with a whole n and |r| <= ln(2)/2, and e^r - 1.
struct ReducedExp {
    std::int32_t n;
    float expm1_r;
};

inline ReducedExp reduced_exp(float x) {
    constexpr float log2_e = 1.44269504f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;  // ln 2 = high + low
    constexpr float to_whole = 12582912.0f;  // 1.5 · 2²³: added to a number, its last bit is worth 1
    const float shifted = x * log2_e + to_whole;
    const float n = shifted - to_whole;
    const float r = (x - n * ln2_high) - n * ln2_low;
    std::int32_t bits, zero;
    std::memcpy(&bits, &shifted, sizeof bits);
    std::memcpy(&zero, &to_whole, sizeof zero);
    // The Taylor series; what is left out, r⁸/8!, is below a quarter of a unit in the last place.
    const float higher = 0.5f + r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120 + r * (1.0f / 720 + r / 5040))));
    return {bits - zero, r + r * r * higher};
}

/// 2^n for -126 <= n <= 127: the exponent's bits of a float32. Another n gives some number.
inline float power_of_two(std::int32_t n) {
    const std::uint32_t bits = static_cast<std::uint32_t>(n + 127) << 23;  // any n may come here: that of a NaN, too
    float power;
    std::memcpy(&power, &bits, sizeof power);
    return power;
}

/// e^x for x <= 88, within 2 units in the last place; 0 where float32 ends.
inline float vector_exp(float x) {
    const ReducedExp e = reduced_exp(x < -105.0f ? -105.0f : x);
    const std::int32_t half = e.n >> 1;  // 2^n in two factors, so that neither ends before the product does
    return (1.0f + e.expm1_r) * power_of_two(half) * power_of_two(e.n - half);
}

/// tanh x = (e^2x - 1) / (e^2x + 1), within 3 units in the last place.
inline float vector_tanh(float x) {
    const float magnitude = std::fabs(x);
    const ReducedExp e = reduced_exp(2.0f * (magnitude > 10.0f ? 10.0f : magnitude));  // beyond 10 it is 1
    const float power = power_of_two(e.n);
    const float expm1 = power * e.expm1_r + (power - 1.0f);  // small numbers keep their digits: their n is 0
    return std::copysign(expm1 / (expm1 + 2.0f), x);
}

}  // namespace gemma
