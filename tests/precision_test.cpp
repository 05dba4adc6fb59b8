#include "gemma/precision.hpp"

#include "tests/support/approx.hpp"
#include "tests/support/random_tensor.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

using gemma::Precision;

namespace {

float rounded_to_bfloat16(float value) {
    gemma::round_to(Precision::bfloat16, &value, 1);
    return value;
}

// Nearest in the arithmetic's own sense: adding and taking away a number whose last bit is worth 2^-7 of value's power
// of two makes the processor round there, ties to even.
float nearest_bfloat16(float value) {
    const double shift = std::ldexp(1.5, std::ilogb(value) - 7 + 52);
    volatile double shifted = static_cast<double>(value) + shift;
    return static_cast<float>(shifted - shift);
}

}  // namespace

TEST_CASE("the precisions have names") {
    CHECK(gemma::to_string(Precision::float32) == "float32");
    CHECK(gemma::to_string(Precision::bfloat16) == "bfloat16");
}

TEST_CASE("float32 rounds nothing") {
    const gemma::Vector x = gemma::random_vector(100, 1);
    CHECK_CLOSE(gemma::rounded(Precision::float32, x), x, 0.0);
}

TEST_CASE("bfloat16 takes the nearest number with 7 bits of fraction, ties to even") {
    gemma::Vector x = gemma::random_vector(100003, 1);  // no whole number of vectors
    for (std::size_t i = 0; i < x.size(); ++i) x(i) = std::ldexp(x(i), static_cast<int>(i % 200) - 100);
    const gemma::Vector y = gemma::rounded(Precision::bfloat16, x);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < x.size(); ++i) wrong += y(i) != nearest_bfloat16(x(i));
    CHECK(wrong == 0);

    CHECK(rounded_to_bfloat16(1.0f + 0x1p-8f) == 1.0f);
    CHECK(rounded_to_bfloat16(1.0f + 0x3p-8f) == 1.0f + 0x1p-6f);
    CHECK(rounded_to_bfloat16(-1.0f - 0x1.01p-8f) == -1.0f - 0x1p-7f);
}

TEST_CASE("bfloat16 keeps zeros, infinities and NaN") {
    const float infinity = std::numeric_limits<float>::infinity();
    CHECK(std::signbit(rounded_to_bfloat16(-0.0f)));
    CHECK(rounded_to_bfloat16(-infinity) == -infinity);
    CHECK(rounded_to_bfloat16(std::numeric_limits<float>::max()) == infinity);
    const std::uint32_t payload = 0x7f800001;  // a NaN whose upper half alone would be infinity
    float nan;
    std::memcpy(&nan, &payload, sizeof nan);
    CHECK(std::isnan(rounded_to_bfloat16(nan)));
}
