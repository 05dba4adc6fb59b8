#include "gemma/components/layer_norm.hpp"

#include "gemma/components/rms_norm.hpp"

#include "tests/support/approx.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/names_observer.hpp"
#include "tests/support/random_tensor.hpp"

#include <doctest/doctest.h>

#include <cmath>

using doctest::Approx;
using gemma::layer_norm;
using gemma::Matrix;
using gemma::Vector;

namespace {

// The variance here as mean square minus squared mean: another way to the same number.
gemma::Matrix64 layer_norm64(const Matrix& x, const Vector& gain, const Vector& bias, double eps) {
    const std::size_t T = x.shape(0), D = x.shape(1);
    gemma::Matrix64 y = gemma::Matrix64::from_shape({T, D});
    for (std::size_t t = 0; t < T; ++t) {
        double sum = 0.0, square = 0.0;
        for (std::size_t i = 0; i < D; ++i) {
            sum += x(t, i);
            square += static_cast<double>(x(t, i)) * x(t, i);
        }
        const double mean = sum / static_cast<double>(D), variance = square / static_cast<double>(D) - mean * mean;
        for (std::size_t i = 0; i < D; ++i) y(t, i) = (x(t, i) - mean) / std::sqrt(variance + eps) * gain(i) + bias(i);
    }
    return y;
}

Vector filled(std::size_t size, float value) {
    Vector vector = Vector::from_shape({size});
    vector.fill(value);
    return vector;
}

}  // namespace

TEST_CASE("layer_norm of known numbers") {
    const Matrix x = {{1.0f, 3.0f, 5.0f, 7.0f}};  // mean 4, variance 5
    const Matrix y = layer_norm(x, {1.0f, 1.0f, 2.0f, 0.0f}, {0.0f, 10.0f, 0.0f, -1.0f}, 0.0f);
    CHECK(y(0, 0) == Approx(-3.0 / std::sqrt(5.0)).epsilon(1e-6));
    CHECK(y(0, 1) == Approx(10.0 - 1.0 / std::sqrt(5.0)).epsilon(1e-6));
    CHECK(y(0, 2) == Approx(2.0 / std::sqrt(5.0)).epsilon(1e-6));
    CHECK(y(0, 3) == -1.0f);
}

TEST_CASE("layer_norm agrees with double precision") {
    for (const std::size_t D : {1, 3, 17, 256, 3072}) {
        const Matrix x = gemma::random_matrix(4, D, 1);
        const Vector gain = gemma::random_vector(D, 2), bias = gemma::random_vector(D, 3);
        CHECK_CLOSE(layer_norm(x, gain, bias, 1e-5f), layer_norm64(x, gain, bias, 1e-5), 1e-6);
    }
}

TEST_CASE("layer_norm sees neither the scale nor a shift of its input") {
    const Matrix x = gemma::random_matrix(3, 20, 1);
    Matrix other = x;
    for (float& value : other) value = 4.0f * value + 8.0f;
    const Vector gain = gemma::random_vector(20, 2), bias = gemma::random_vector(20, 3);
    CHECK_CLOSE(layer_norm(other, gain, bias, 0.0f), layer_norm(x, gain, bias, 0.0f), 2e-6);
}

TEST_CASE("layer_norm is rms_norm of the centred vector") {
    const std::size_t T = 3, D = 20;
    Matrix x = gemma::random_matrix(T, D, 1), centred = x;
    for (float& value : x) value += 0.5f;
    for (std::size_t t = 0; t < T; ++t) {
        double mean = 0.0;
        for (std::size_t i = 0; i < D; ++i) mean += x(t, i) / static_cast<double>(D);
        for (std::size_t i = 0; i < D; ++i) centred(t, i) = static_cast<float>(x(t, i) - mean);
    }
    const Vector weight = gemma::random_vector(D, 2);
    Vector gain = weight;
    for (float& value : gain) value += 1.0f;
    CHECK_CLOSE(layer_norm(x, gain, filled(D, 0.0f), 1e-6f), gemma::rms_norm(centred, weight, 1e-6f), 1e-6);
}

TEST_CASE("a row of equal numbers becomes the bias") {
    Matrix x = Matrix::from_shape({1, 4});
    x.fill(2.5f);
    for (const float y : layer_norm(x, filled(4, 3.0f), filled(4, 0.25f), 1e-6f)) CHECK(y == 0.25f);
}

TEST_CASE("a gain or bias that does not fit is an error with both shapes") {
    const Matrix x = gemma::random_matrix(2, 4, 1);
    CHECK(gemma::error_message([&] { layer_norm(x, filled(3, 1), filled(4, 0), 1e-6f); }) ==
          "the gain of a LayerNorm has shape [3], expected [4]");
    CHECK(gemma::error_message([&] { layer_norm(x, filled(4, 1), filled(5, 0), 1e-6f); }) ==
          "the bias of a LayerNorm has shape [5], expected [4]");
}

TEST_CASE("layer_norm shows its parts in order") {
    const Matrix x = gemma::random_matrix(3, 4, 1);
    gemma::NamesObserver observer;
    layer_norm(x, filled(4, 1), filled(4, 0), 1e-6f, gemma::Trace(observer, "norm"));
    CHECK(observer.names == gemma::Names{"norm.mean", "norm.variance", "norm.normalized", "norm"});
    CHECK(observer.shapes == gemma::Shapes{{3}, {3}, {3, 4}, {3, 4}});
}

TEST_CASE("editing a part of layer_norm changes what follows") {
    const Matrix x = {{1.0f, 3.0f}};
    gemma::NamesObserver mean, variance, normalized;
    mean.fill_at("norm.mean", 0.0f);  // then it is rms_norm
    CHECK_CLOSE(layer_norm(x, {1, 1}, {0, 0}, 0.0f, gemma::Trace(mean, "norm")), gemma::rms_norm(x, {0, 0}, 0.0f),
                1e-7);
    variance.fill_at("norm.variance", 4.0f);
    CHECK_CLOSE(layer_norm(x, {1, 1}, {0, 0}, 0.0f, gemma::Trace(variance, "norm")), (Matrix{{-0.5f, 0.5f}}), 0.0);
    normalized.fill_at("norm.normalized", 3.0f);
    CHECK_CLOSE(layer_norm(x, {2, 4}, {0, 1}, 0.0f, gemma::Trace(normalized, "norm")), (Matrix{{6.0f, 13.0f}}), 0.0);
}
