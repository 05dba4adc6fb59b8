// The number formats that weights are stored in, and their exact conversion to float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace gemma {

/// How a stored number is laid out. Gemma is published in bfloat16.
///   float32   1 sign, 8 exponent, 23 fraction bits
///   bfloat16  1 sign, 8 exponent,  7 fraction bits: the upper half of a float32
///   float16   1 sign, 5 exponent, 10 fraction bits (IEEE 754 binary16)
///   int64     token ids in trace files; never a weight
enum class DType { float32, bfloat16, float16, int64 };

/// Bytes of one number: 4, 2, 2, 8.
std::size_t size_of(DType dtype);

/// "float32", "bfloat16", "float16", "int64": the names of PyTorch and of config.json's torch_dtype.
std::string_view to_string(DType dtype);

/// The inverse of to_string; throws an Error that lists the known names.
DType parse_dtype(std::string_view name);

/// The float32 with the same value: a bfloat16 is a float32 whose lower 16 bits are zero.
inline float bfloat16_to_float(std::uint16_t bits) {
    const std::uint32_t wide = static_cast<std::uint32_t>(bits) << 16;
    float value;
    std::memcpy(&value, &wide, sizeof value);
    return value;
}

/// The nearest bfloat16, ties to even; NaN stays NaN. Without a branch, so that loops of it are done in vectors.
inline std::uint16_t float_to_bfloat16(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    // Adding 0x7fff carries into the upper half when the lower half is over one half; the extra bit breaks ties to
    // even.
    const std::uint32_t tie_to_even = (bits >> 16) & 1;
    const std::uint32_t nearest = (bits + 0x7fff + tie_to_even) >> 16;
    const std::uint32_t quiet_nan = (bits >> 16) | 0x0040;
    const bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
    return static_cast<std::uint16_t>(is_nan ? quiet_nan : nearest);
}

/// The float32 with the same value, without a branch too.
inline float float16_to_float(std::uint16_t bits) {
    const auto as_float = [](std::uint32_t wide) {
        float value;
        std::memcpy(&value, &wide, sizeof value);
        return value;
    };
    const std::uint32_t magnitude = static_cast<std::uint32_t>(bits & 0x7fff) << 13;  // in the places of a float32
    const std::uint32_t exponent = magnitude >> 23;
    constexpr std::uint32_t bias = 127 - 15, one = 1u << 23;  // of the exponent
    // A subnormal number has no leading one: it is read with one, 2^-14, which is then taken off.
    const float subnormal = as_float(magnitude + (bias + 1) * one) - as_float((bias + 1) * one);
    const float normal = as_float(magnitude + (exponent == 31 ? 2 * bias : bias) * one);
    const float value = exponent == 0 ? subnormal : normal;
    return (bits & 0x8000) != 0 ? -value : value;
}

/// The nearest float16, ties to even; too large becomes infinity.
std::uint16_t float_to_float16(float value);

/// Converts `count` stored numbers to float32. `source` need not be aligned. int64 is rejected with an Error.
void to_float32(const std::byte* source, DType dtype, std::size_t count, float* target);

/// Rounds `count` float32 numbers to `dtype`. int64 is rejected with an Error.
void from_float32(const float* source, std::size_t count, DType dtype, std::byte* target);

}  // namespace gemma
