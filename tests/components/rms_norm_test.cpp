#include "gemma/components/rms_norm.hpp"

#include "tests/support/approx.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/names_observer.hpp"
#include "tests/support/random_tensor.hpp"

#include <doctest/doctest.h>

#include <cmath>

using doctest::Approx;
using gemma::Matrix;
using gemma::rms_norm;
using gemma::Vector;

namespace {

gemma::Matrix64 rms_norm64(const Matrix& x, const Vector& weight, double eps) {
    gemma::Matrix64 y = gemma::Matrix64::from_shape({x.shape(0), x.shape(1)});
    for (std::size_t t = 0; t < x.shape(0); ++t) {
        double square = 0.0;
        for (std::size_t i = 0; i < x.shape(1); ++i) square += static_cast<double>(x(t, i)) * x(t, i);
        const double rms = std::sqrt(square / static_cast<double>(x.shape(1)) + eps);
        for (std::size_t i = 0; i < x.shape(1); ++i) y(t, i) = x(t, i) / rms * (1.0 + weight(i));
    }
    return y;
}

Vector zeros(std::size_t size) {
    Vector vector = Vector::from_shape({size});
    vector.fill(0.0f);
    return vector;
}

}  // namespace

TEST_CASE("rms_norm of known numbers") {
    const Matrix x = {{1.0f, 2.0f, -2.0f, 4.0f}};  // mean square 25/4, root 2.5
    const Matrix y = rms_norm(x, {0.0f, 0.0f, 1.0f, -1.0f}, 0.0f);
    CHECK(y(0, 0) == Approx(0.4).epsilon(1e-6));
    CHECK(y(0, 1) == Approx(0.8).epsilon(1e-6));
    CHECK(y(0, 2) == Approx(-1.6).epsilon(1e-6));  // (1 + 1) times
    CHECK(y(0, 3) == 0.0f);                        // (1 - 1) times
}

TEST_CASE("rms_norm agrees with double precision") {
    for (const std::size_t D : {1, 3, 17, 256, 3072}) {
        const Matrix x = gemma::random_matrix(4, D, 1);
        const Vector weight = gemma::random_vector(D, 2);
        CHECK_CLOSE(rms_norm(x, weight, 1e-6f), rms_norm64(x, weight, 1e-6), 1e-6);
    }
}

TEST_CASE("the scale of the input does not matter") {
    const Matrix x = gemma::random_matrix(3, 20, 1);
    Matrix four_times = x, third = x;
    for (float& value : four_times) value *= 4.0f;
    for (float& value : third) value /= 3.0f;
    const Vector weight = gemma::random_vector(20, 2);
    CHECK_CLOSE(rms_norm(four_times, weight, 0.0f), rms_norm(x, weight, 0.0f), 0.0);  // a power of two: not one bit
    CHECK_CLOSE(rms_norm(third, weight, 0.0f), rms_norm(x, weight, 0.0f), 1e-6);
}

TEST_CASE("the weight is added to 1 in float32") {
    // In bfloat16, 1 + 3.140625 would be 4.125.
    CHECK(rms_norm(Matrix{{1.0f}}, Vector{3.140625f}, 0.0f)(0, 0) == 4.140625f);
}

TEST_CASE("eps turns zeros into zeros, and matters for small numbers only") {
    Matrix zero = Matrix::from_shape({2, 4});
    zero.fill(0.0f);
    for (const float value : rms_norm(zero, zeros(4), 1e-6f)) CHECK(value == 0.0f);
    CHECK(std::isnan(rms_norm(zero, zeros(4), 0.0f)(0, 0)));

    CHECK(rms_norm(Matrix{{1e-3f}}, zeros(1), 1e-6f)(0, 0) == Approx(std::sqrt(0.5)).epsilon(1e-6));
    CHECK(rms_norm(Matrix{{1e3f}}, zeros(1), 1e-6f)(0, 0) == Approx(1.0).epsilon(1e-6));
}

TEST_CASE("rows do not see each other") {
    const Matrix x = gemma::random_matrix(3, 20, 1);
    const Vector weight = gemma::random_vector(20, 2);
    const Matrix together = rms_norm(x, weight, 1e-6f);
    for (std::size_t t = 0; t < 3; ++t) {
        Matrix row = Matrix::from_shape({1, 20}), expected = row;
        for (std::size_t i = 0; i < 20; ++i) {
            row(0, i) = x(t, i);
            expected(0, i) = together(t, i);
        }
        CHECK_CLOSE(rms_norm(row, weight, 1e-6f), expected, 0.0);
    }
}

TEST_CASE("a weight that does not fit is an error with both shapes") {
    const Matrix x = gemma::random_matrix(2, 4, 1);
    CHECK(gemma::error_message([&] { rms_norm(x, zeros(5), 1e-6f); }) ==
          "the weight of an RMSNorm has shape [5], expected [4]");
}

TEST_CASE("rms_norm shows its mean square, the normalized rows and its output") {
    const Matrix x = gemma::random_matrix(3, 4, 1);
    gemma::NamesObserver observer;
    rms_norm(x, zeros(4), 1e-6f, gemma::Trace(observer, "model.norm"));
    CHECK(observer.names == gemma::Names{"model.norm.mean_square", "model.norm.normalized", "model.norm"});
    CHECK(observer.shapes == gemma::Shapes{{3}, {3, 4}, {3, 4}});
}

TEST_CASE("editing a part of rms_norm changes what follows") {
    const Matrix x = gemma::random_matrix(3, 4, 1);
    gemma::NamesObserver mean_square, normalized, output;
    mean_square.fill_at("norm.mean_square", 4.0f);
    const Matrix halved = rms_norm(x, zeros(4), 0.0f, gemma::Trace(mean_square, "norm"));
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(halved.data()[i] == 0.5f * x.data()[i]);
    normalized.fill_at("norm.normalized", 3.0f);
    for (const float y : rms_norm(x, {1, 1, 1, 1}, 0.0f, gemma::Trace(normalized, "norm"))) CHECK(y == 6.0f);
    output.fill_at("norm", 7.0f);
    for (const float y : rms_norm(x, zeros(4), 0.0f, gemma::Trace(output, "norm"))) CHECK(y == 7.0f);
}
