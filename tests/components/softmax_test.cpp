#include "gemma/components/softmax.hpp"

#include "tests/support/approx.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/random_tensor.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

using doctest::Approx;
using gemma::softmax;
using gemma::Tensor3;
using gemma::Vector;

namespace {

double sum_of(const Vector& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

gemma::Vector64 softmax64(const float* values, std::size_t count) {
    gemma::Vector64 result = gemma::Vector64::from_shape({count});
    double total = 0.0;
    for (std::size_t i = 0; i < count; ++i) total += result(i) = std::exp(static_cast<double>(values[i]));
    for (double& value : result) value /= total;
    return result;
}

}  // namespace

TEST_CASE("softmax of known numbers") {
    const Vector probs = softmax(Vector{0.0f, std::log(2.0f), std::log(5.0f)});
    CHECK(probs(0) == Approx(0.125).epsilon(1e-6));
    CHECK(probs(1) == Approx(0.25).epsilon(1e-6));
    CHECK(probs(2) == Approx(0.625).epsilon(1e-6));
    CHECK(softmax(Vector{-3.0f})(0) == 1.0f);
}

TEST_CASE("softmax agrees with double precision and sums to 1") {
    for (const std::size_t count : {1, 2, 7, 64, 8192}) {
        Vector x = gemma::random_vector(count, 1);
        for (float& value : x) value *= 8.0f;
        CHECK_CLOSE(softmax(x), softmax64(x.data(), count), 2e-6);
        CHECK(sum_of(softmax(x)) == Approx(1.0).epsilon(1e-6));
    }
}

TEST_CASE("softmax does not see a shift of all numbers") {
    Vector x = gemma::random_vector(16, 2), shifted = x;
    for (float& value : shifted) value += 64.0f;  // exact up to the numbers' last bits
    CHECK_CLOSE(softmax(shifted), softmax(x), 1e-5);
}

TEST_CASE("softmax of huge numbers does not overflow") {
    const Vector probs = softmax(Vector{1e30f, 1e30f, -1e30f, 0.0f});
    CHECK(probs(0) == 0.5f);
    CHECK(probs(1) == 0.5f);
    CHECK(probs(2) == 0.0f);
    CHECK(probs(3) == 0.0f);
    const Vector masked = softmax(Vector{-INFINITY, -1e30f});
    CHECK(masked(0) == 0.0f);
    CHECK(masked(1) == 1.0f);
}

TEST_CASE("log_sum_exp gives the logarithms of softmax, also of what softmax cannot hold") {
    const Vector equal = xt::zeros<float>({7});
    CHECK(gemma::log_sum_exp(equal.data(), 7) == Approx(std::log(7.0)).epsilon(1e-15));
    const Vector values = gemma::random_vector(50, 3);
    const Vector probs = softmax(values);
    const double all = gemma::log_sum_exp(values.data(), 50);
    for (std::size_t i = 0; i < 50; ++i) CHECK(values(i) - all == Approx(std::log(probs(i))).epsilon(1e-5));
    const Vector far = {1000.0f, -1000.0f};
    CHECK(far(1) - gemma::log_sum_exp(far.data(), 2) == -2000.0);
}

TEST_CASE("softmax of nothing is an error") {
    CHECK(gemma::error_message([] { softmax(Vector::from_shape({0})); }) ==
          "the softmax of nothing: expected at least one number");
}

TEST_CASE("causal_softmax is the softmax of what a token sees, and 0 beyond") {
    const std::size_t H = 2, T = 3, S = 5;
    const Tensor3 scores = gemma::random_tensor<3>({H, T, S}, 3);
    const Tensor3 probs = gemma::causal_softmax(scores);
    for (std::size_t h = 0; h < H; ++h) {
        for (std::size_t t = 0; t < T; ++t) {
            const std::size_t visible = 3 + t;  // two tokens of the past, and those of this call up to t
            const gemma::Vector64 expected = softmax64(&scores(h, t, 0), visible);
            for (std::size_t s = 0; s < S; ++s) {
                CAPTURE(h);
                CAPTURE(t);
                CAPTURE(s);
                if (s < visible) {
                    CHECK(probs(h, t, s) == Approx(expected(s)).epsilon(1e-6));
                } else {
                    CHECK(probs(h, t, s) == 0.0f);
                }
            }
        }
    }
}

TEST_CASE("causal_softmax with fewer tokens seen than asking is an error") {
    CHECK(gemma::error_message([] {
              gemma::causal_softmax(Tensor3::from_shape({1, 4, 3}));
          }) == "4 tokens attend to 3, expected at least as many");
}
