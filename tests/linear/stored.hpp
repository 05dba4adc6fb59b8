// A weight matrix as a file stores it, and its numbers as doubles, read bit by bit.
#pragma once

#include "gemma/dtype.hpp"
#include "gemma/linear/weight_matrix.hpp"
#include "tests/support/random_tensor.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace gemma {

/// In which a checkpoint may store weights.
inline constexpr DType dtypes[] = {DType::float32, DType::bfloat16, DType::float16};

// A number from its sign, exponent and fraction, as IEEE 754 writes it down.
inline double decode(std::uint32_t bits, int exponent_bits, int fraction_bits) {
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const int fraction = static_cast<int>(bits & ((1u << fraction_bits) - 1));
    const int exponent = static_cast<int>(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
    const bool negative = ((bits >> (fraction_bits + exponent_bits)) & 1) != 0;
    const double magnitude = exponent == 0
                                 ? std::ldexp(fraction, 1 - bias - fraction_bits)
                                 : std::ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
    return negative ? -magnitude : magnitude;
}

// A random weight [out, in] stored in a dtype.
struct Stored {
    Stored(DType dtype, std::size_t out, std::size_t in) : Stored(dtype, random_matrix(out, in, 7)) {}

    Stored(DType dtype, const Matrix& values)
        : dtype(dtype), out(values.shape(0)), in(values.shape(1)), bytes(values.size() * size_of(dtype)) {
        from_float32(values.data(), values.size(), dtype, bytes.data());
    }

    WeightMatrix view() const { return {dtype, bytes.data(), out, in}; }

    double at(std::size_t row, std::size_t column) const {
        const std::byte* number = bytes.data() + (row * in + column) * size_of(dtype);
        if (dtype == DType::float32) {
            float value;
            std::memcpy(&value, number, sizeof value);
            return value;
        }
        std::uint16_t bits;
        std::memcpy(&bits, number, sizeof bits);
        return dtype == DType::bfloat16 ? decode(bits, 8, 7) : decode(bits, 5, 10);
    }

    DType dtype;
    std::size_t out, in;
    std::vector<std::byte> bytes;
};

}  // namespace gemma
