// Number formats: every bfloat16 and float16 there and back, and rounding against a second formulation.

#include "gemma/dtype.hpp"
#include "gemma/error.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace gemma {
namespace {

// A format described by its numbers of exponent and fraction bits, evaluated in double: the second formulation.
struct Format {
    int exponent_bits;
    int fraction_bits;

    int bias() const { return (1 << (exponent_bits - 1)) - 1; }

    double decode(unsigned bits) const {
        const int exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1);
        const int fraction = bits & ((1 << fraction_bits) - 1);
        const double sign = bits & 0x8000 ? -1.0 : 1.0;
        if (exponent == (1 << exponent_bits) - 1) return fraction != 0 ? std::nan("") : sign * HUGE_VAL;
        const double significand = std::ldexp(fraction, -fraction_bits) + (exponent == 0 ? 0.0 : 1.0);
        return sign * std::ldexp(significand, (exponent == 0 ? 1 : exponent) - bias());
    }

    // The nearest pattern of a positive number, found by bisection: patterns of one sign are in the order of their
    // values.
    unsigned encode(double value) const {
        const unsigned infinity = ((1u << exponent_bits) - 1) << fraction_bits;
        unsigned low = 0, high = infinity;  // decode(low) <= value < decode(high), if not infinite itself
        while (high - low > 1) {
            const unsigned middle = (low + high) / 2;
            (decode(middle) <= value ? low : high) = middle;
        }
        // Infinity stands where the next finite number would be.
        const double above = high == infinity ? std::ldexp(1.0, bias() + 1) : decode(high);
        const double to_low = value - decode(low), to_high = above - value;
        if (to_low != to_high) return to_low < to_high ? low : high;
        return low % 2 == 0 ? low : high;
    }
};

constexpr Format bfloat16{8, 7}, float16{5, 10};

float from_bits(std::uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

bool same(float a, double b) {
    if (std::isnan(b)) return std::isnan(a);
    return static_cast<double>(a) == b && std::signbit(a) == std::signbit(b);
}

}  // namespace

TEST_CASE("All 65536 patterns of bfloat16 and float16 mean the right number, and come back") {
    int wrong_values = 0, wrong_patterns = 0;
    for (unsigned bits = 0; bits < 65536; ++bits) {
        const auto pattern = static_cast<std::uint16_t>(bits);
        const float b = bfloat16_to_float(pattern), h = float16_to_float(pattern);
        wrong_values += !same(b, bfloat16.decode(bits)) + !same(h, float16.decode(bits));
        wrong_patterns +=
            std::isnan(b) ? !std::isnan(bfloat16_to_float(float_to_bfloat16(b))) : float_to_bfloat16(b) != bits;
        wrong_patterns +=
            std::isnan(h) ? !std::isnan(float16_to_float(float_to_float16(h))) : float_to_float16(h) != bits;
    }
    CHECK(wrong_values == 0);
    CHECK(wrong_patterns == 0);
}

TEST_CASE("Rounding is to the nearest number, ties to even, around every pattern") {
    int wrong = 0;
    for (unsigned bits = 0; bits < 0x7f80; ++bits) {  // each tie between two bfloat16 numbers, and its neighbours
        for (const std::uint32_t tail : {0x0001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
            const float value = from_bits(bits << 16 | tail);
            wrong += float_to_bfloat16(value) != bfloat16.encode(value);
            wrong += float_to_bfloat16(-value) != (bfloat16.encode(value) | 0x8000);
        }
    }
    CHECK(wrong == 0);
    for (unsigned bits = 0; bits < 0x7c00; ++bits) {
        const double low = float16.decode(bits), high = bits == 0x7bff ? 65536.0 : float16.decode(bits + 1);
        const float tie = static_cast<float>((low + high) / 2);  // exact: float32 has more digits
        for (const float value : {std::nextafter(tie, 0.0f), tie, std::nextafter(tie, 1e9f)}) {
            wrong += float_to_float16(value) != float16.encode(value);
            wrong += float_to_float16(-value) != (float16.encode(value) | 0x8000);
        }
    }
    CHECK(wrong == 0);
}

TEST_CASE("Rounding of random float32 numbers of all sizes") {
    std::mt19937 random(1);
    int wrong = 0;
    for (int i = 0; i < 200000; ++i) {
        const float value = from_bits(static_cast<std::uint32_t>(random()) & 0x7fffffff);
        if (!std::isfinite(value)) continue;
        wrong += float_to_bfloat16(value) != bfloat16.encode(value);
        wrong += float_to_float16(value) != float16.encode(value);
    }
    CHECK(wrong == 0);
}

// On arm64, GCC 12 defines the macro but has no such type in C++.
#if defined(__FLT16_MAX__) && (defined(__x86_64__) || defined(__clang__) || __GNUC__ >= 13)
TEST_CASE("float16 is the compiler's _Float16") {
    std::mt19937 random(2);
    int wrong = 0;
    for (int i = 0; i < 200000; ++i) {
        const float value = from_bits(static_cast<std::uint32_t>(random()));
        if (std::isnan(value)) continue;
        const auto expected = static_cast<_Float16>(value);
        std::uint16_t bits;
        std::memcpy(&bits, &expected, sizeof bits);
        wrong += float_to_float16(value) != bits;
    }
    CHECK(wrong == 0);
}
#endif

TEST_CASE("Overflow, infinity and NaN") {
    CHECK(float_to_float16(65504.0f) == 0x7bff);
    CHECK(float_to_float16(65519.996f) == 0x7bff);
    CHECK(float_to_float16(65520.0f) == 0x7c00);
    CHECK(float_to_float16(-1e30f) == 0xfc00);
    CHECK(float_to_float16(0x1p-25f) == 0);  // a tie between 0 and the smallest
    CHECK(float_to_float16(-0.0f) == 0x8000);
    CHECK(float_to_bfloat16(std::numeric_limits<float>::max()) == 0x7f80);
    CHECK(float_to_bfloat16(-INFINITY) == 0xff80);
    CHECK(std::isnan(bfloat16_to_float(float_to_bfloat16(from_bits(0x7f800001)))));  // the NaN bit is in the lower half
    CHECK(std::isnan(float16_to_float(float_to_float16(from_bits(0xff800001)))));
    CHECK(bfloat16_to_float(float_to_bfloat16(3.141592f)) == 3.140625f);
}

TEST_CASE("Whole arrays, also where they are not aligned") {
    const std::vector<float> values = {0.0f, 1.0f, -2.5f, 0.1f};
    for (const DType dtype : {DType::float32, DType::bfloat16, DType::float16}) {
        std::vector<std::byte> stored(1 + values.size() * size_of(dtype));
        from_float32(values.data(), values.size(), dtype, stored.data() + 1);
        std::vector<float> back(values.size());
        to_float32(stored.data() + 1, dtype, values.size(), back.data());
        CHECK(back[0] == 0.0f);
        CHECK(back[2] == -2.5f);
        CHECK(back[3] == doctest::Approx(0.1).epsilon(0.004));
        CHECK((back[3] == 0.1f) == (dtype == DType::float32));
    }
    float value = 0.0f;
    std::byte bytes[8] = {};
    CHECK_THROWS_AS(to_float32(bytes, DType::int64, 1, &value), Error);
    CHECK_THROWS_AS(from_float32(&value, 1, DType::int64, bytes), Error);
}

TEST_CASE("Names and sizes") {
    for (const DType dtype : {DType::float32, DType::bfloat16, DType::float16, DType::int64}) {
        CHECK(parse_dtype(to_string(dtype)) == dtype);
    }
    CHECK(size_of(DType::float32) == 4);
    CHECK(size_of(DType::bfloat16) == 2);
    CHECK(size_of(DType::float16) == 2);
    CHECK(size_of(DType::int64) == 8);
    CHECK_THROWS_WITH_AS(parse_dtype("int8"), "dtype is \"int8\", expected float32, bfloat16 or float16", Error);
}

}  // namespace gemma
