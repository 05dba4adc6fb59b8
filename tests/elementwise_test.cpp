#include "gemma/elementwise.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace {

// |found - expected| in units in the last place of the float32 nearest to `expected`.
double units_off(float found, double expected) {
    const float nearest = std::fabs(static_cast<float>(expected));
    const float unit = std::nextafter(nearest, std::numeric_limits<float>::infinity()) - nearest;
    return std::fabs(static_cast<double>(found) - expected) / static_cast<double>(unit);
}

// The largest of units_off over every 1009th float32 from low to high, of both signs and of all magnitudes.
template <typename Found, typename Expected>
double most_units_off(Found found, Expected expected, float low, float high) {
    double most = 0.0;
    for (std::uint64_t bits = 0; bits <= 0xff7fffff; bits += 1009) {
        const auto narrow = static_cast<std::uint32_t>(bits);
        float x;
        std::memcpy(&x, &narrow, sizeof x);
        if (!(x >= low && x <= high)) continue;
        const double off = units_off(found(x), expected(static_cast<double>(x)));
        if (!(off <= most)) most = off;
    }
    return most;
}

constexpr float infinity = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE("vector_exp is within 2 units in the last place of exp, also where numbers are subnormal") {
    const double most = most_units_off(
        gemma::vector_exp, [](double x) { return std::exp(x); }, -200.0f, 88.0f);
    CAPTURE(most);
    CHECK(most <= 2.0);
    CHECK(gemma::vector_exp(0.0f) == 1.0f);
    CHECK(gemma::vector_exp(-1e30f) == 0.0f);
    CHECK(gemma::vector_exp(-infinity) == 0.0f);
    CHECK(std::isnan(gemma::vector_exp(std::nanf(""))));
}

TEST_CASE("vector_tanh is within 3 units in the last place of tanh") {
    const double most = most_units_off(
        gemma::vector_tanh, [](double x) { return std::tanh(x); }, -30.0f, 30.0f);
    CAPTURE(most);
    CHECK(most <= 3.0);
    CHECK(gemma::vector_tanh(10.0f) == 1.0f);
    CHECK(gemma::vector_tanh(-infinity) == -1.0f);
    CHECK(std::signbit(gemma::vector_tanh(-0.0f)));
    CHECK(std::isnan(gemma::vector_tanh(std::nanf(""))));
    for (float x = -12.0f; x <= 12.0f; x += 0.001f) CHECK(gemma::vector_tanh(-x) == -gemma::vector_tanh(x));
}
