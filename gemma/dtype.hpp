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

/// The nearest bfloat16, ties to even; NaN stays NaN.
std::uint16_t float_to_bfloat16(float value);

float float16_to_float(std::uint16_t bits);

/// The nearest float16, ties to even; too large becomes infinity.
std::uint16_t float_to_float16(float value);

/// Converts `count` stored numbers to float32. `source` need not be aligned. int64 is rejected with an Error.
void to_float32(const std::byte* source, DType dtype, std::size_t count, float* target);

/// Rounds `count` float32 numbers to `dtype`. int64 is rejected with an Error.
void from_float32(const float* source, std::size_t count, DType dtype, std::byte* target);

}  // namespace gemma
