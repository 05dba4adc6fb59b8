#include "gemma/components/sigmoid.hpp"

#include "tests/support/derivative.hpp"

#include <doctest/doctest.h>

#include <cmath>

using doctest::Approx;

namespace {

// Another formula for the same curve: σ(x) = (1 + tanh(x/2)) / 2.
double sigmoid_by_tanh(double x) { return 0.5 * (1.0 + std::tanh(0.5 * x)); }

}  // namespace

TEST_CASE("sigmoid is the logistic function") {
    CHECK(gemma::sigmoid(0.0f) == 0.5f);
    CHECK(gemma::sigmoid(1.0f) == Approx(0.7310585786).epsilon(1e-7));
    for (float x = -12.0f; x <= 12.0f; x += 0.25f) {
        CAPTURE(x);
        CHECK(std::fabs(gemma::sigmoid(x) - sigmoid_by_tanh(x)) <= 1e-7);
    }
}

TEST_CASE("sigmoid closes and opens entirely, without overflow") {
    CHECK(gemma::sigmoid(-1000.0f) == 0.0f);
    CHECK(gemma::sigmoid(1000.0f) == 1.0f);
}

TEST_CASE("sigmoid's slope agrees with finite differences and is at most 1/4") {
    CHECK(gemma::sigmoid_derivative(0.0f) == 0.25f);
    for (float x = -12.0f; x <= 12.0f; x += 0.25f) {
        CAPTURE(x);
        CHECK(std::fabs(gemma::sigmoid_derivative(x) - gemma::numerical_derivative(sigmoid_by_tanh, x)) <= 1e-7);
    }
    CHECK(gemma::sigmoid_derivative(20.0f) == Approx(std::exp(-20.0)).epsilon(1e-6));
    CHECK(gemma::sigmoid_derivative(-20.0f) == gemma::sigmoid_derivative(20.0f));
}
