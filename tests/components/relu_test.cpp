#include "gemma/components/relu.hpp"

#include <doctest/doctest.h>

TEST_CASE("relu keeps what is positive and zeroes the rest") {
    CHECK(gemma::relu(2.5f) == 2.5f);
    CHECK(gemma::relu(1e-30f) == 1e-30f);
    CHECK(gemma::relu(0.0f) == 0.0f);
    CHECK(gemma::relu(-1e-30f) == 0.0f);
    CHECK(gemma::relu(-2.5f) == 0.0f);
}

TEST_CASE("relu's slope is 1 above zero and 0 elsewhere") {
    CHECK(gemma::relu_derivative(1e-30f) == 1.0f);
    CHECK(gemma::relu_derivative(7.0f) == 1.0f);
    CHECK(gemma::relu_derivative(0.0f) == 0.0f);
    CHECK(gemma::relu_derivative(-7.0f) == 0.0f);
}
