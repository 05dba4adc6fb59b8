#include "gemma/components/swish.hpp"

#include "tests/support/derivative.hpp"

#include <doctest/doctest.h>

#include <cmath>

using doctest::Approx;

namespace {

double swish64(double x) { return x / (1.0 + std::exp(-x)); }

}  // namespace

TEST_CASE("swish is x times its sigmoid") {
    CHECK(gemma::swish(0.0f) == 0.0f);
    CHECK(gemma::swish(1.0f) == Approx(0.7310585786).epsilon(1e-7));
    CHECK(gemma::swish(-1.2784645f) == Approx(-0.2784645428).epsilon(1e-6));  // its minimum
    for (float x = -10.0f; x <= 10.0f; x += 0.25f) {
        CAPTURE(x);
        CHECK(gemma::swish(x) == Approx(swish64(x)).epsilon(1e-6));
    }
}

TEST_CASE("swish's slope agrees with finite differences") {
    for (float x = -10.0f; x <= 10.0f; x += 0.25f) {
        CAPTURE(x);
        CHECK(std::fabs(gemma::swish_derivative(x) - gemma::numerical_derivative(swish64, x)) <= 3e-7);
    }
}
