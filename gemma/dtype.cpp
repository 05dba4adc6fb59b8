#include "gemma/dtype.hpp"

#include "gemma/error.hpp"

#include <cmath>

namespace gemma {

std::size_t size_of(DType dtype) {
    switch (dtype) {
        case DType::float32: return 4;
        case DType::bfloat16: return 2;
        case DType::float16: return 2;
        case DType::int64: return 8;
    }
    fail("unknown dtype number {}", static_cast<int>(dtype));
}

std::string_view to_string(DType dtype) {
    switch (dtype) {
        case DType::float32: return "float32";
        case DType::bfloat16: return "bfloat16";
        case DType::float16: return "float16";
        case DType::int64: return "int64";
    }
    fail("unknown dtype number {}", static_cast<int>(dtype));
}

DType parse_dtype(std::string_view name) {
    for (const DType dtype : {DType::float32, DType::bfloat16, DType::float16, DType::int64}) {
        if (name == to_string(dtype)) return dtype;
    }
    fail("dtype is \"{}\", expected float32, bfloat16 or float16", name);
}

std::uint16_t float_to_float16(float value) {
    const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
    const float magnitude = std::fabs(value);
    if (std::isnan(value)) return sign | 0x7e00;
    if (magnitude == 0.0f) return sign;
    if (magnitude >= 65520.0f) return sign | 0x7c00;  // halfway between the largest float16 and the next power of two
    int exponent;
    std::frexp(magnitude, &exponent);  // magnitude = m * 2^exponent, 0.5 <= m < 1
    // The spacing of float16 numbers here: 2^(exponent - 11), and 2^-24 where they are subnormal.
    const int spacing = exponent - 11 < -24 ? -24 : exponent - 11;
    const int steps = static_cast<int>(std::nearbyint(std::ldexp(magnitude, -spacing)));  // ties to even
    // A normal number counts its steps from 1024; the carry of a rounding up to 2048 lands in the exponent by itself.
    return static_cast<std::uint16_t>(sign + steps + (spacing + 24) * 1024);
}

void to_float32(const std::byte* source, DType dtype, std::size_t count, float* target) {
    if (dtype == DType::int64) fail("int64 numbers are not weights, expected float32, bfloat16 or float16");
    if (dtype == DType::float32) {
        std::memcpy(target, source, count * sizeof(float));
        return;
    }
    for (std::size_t i = 0; i < count; ++i) {
        std::uint16_t bits;
        std::memcpy(&bits, source + 2 * i, sizeof bits);
        target[i] = dtype == DType::bfloat16 ? bfloat16_to_float(bits) : float16_to_float(bits);
    }
}

void from_float32(const float* source, std::size_t count, DType dtype, std::byte* target) {
    if (dtype == DType::int64) fail("int64 numbers are not weights, expected float32, bfloat16 or float16");
    if (dtype == DType::float32) {
        std::memcpy(target, source, count * sizeof(float));
        return;
    }
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint16_t bits =
            dtype == DType::bfloat16 ? float_to_bfloat16(source[i]) : float_to_float16(source[i]);
        std::memcpy(target + 2 * i, &bits, sizeof bits);
    }
}

}  // namespace gemma
