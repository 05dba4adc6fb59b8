#include "gemma/components/geglu.hpp"

#include "tests/support/approx.hpp"
#include "tests/support/derivative.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/names_observer.hpp"
#include "tests/support/random_tensor.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using gemma::feed_forward;
using gemma::FeedForwardWeights;
using gemma::Gate;
using gemma::Matrix;
using gemma::Matrix64;
using gemma::WeightMatrix;

namespace {

constexpr Gate gates[] = {Gate::sigmoid, Gate::identity, Gate::relu, Gate::gelu, Gate::swish};

double gelu_tanh64(double x) { return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x))); }

double activate64(double x, Gate activation) {
    switch (activation) {
        case Gate::sigmoid: return 1.0 / (1.0 + std::exp(-x));
        case Gate::identity: return x;
        case Gate::relu: return std::max(x, 0.0);
        case Gate::gelu: return gelu_tanh64(x);
        case Gate::swish: return x / (1.0 + std::exp(-x));
    }
    return NAN;
}

// x Wᵀ
template <typename Input>
Matrix64 linear64(const Input& x, const Matrix& W) {
    const std::size_t T = x.shape(0), in = x.shape(1), out = W.shape(0);
    Matrix64 y = Matrix64::from_shape({T, out});
    y.fill(0.0);
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t o = 0; o < out; ++o) {
            for (std::size_t i = 0; i < in; ++i) y(t, o) += static_cast<double>(x(t, i)) * W(o, i);
        }
    }
    return y;
}

struct FeedForward {
    FeedForward(std::size_t D, std::size_t F)
        : gate_proj(gemma::random_matrix(F, D, 11)),
          up_proj(gemma::random_matrix(F, D, 12)),
          down_proj(gemma::random_matrix(D, F, 13)) {}

    FeedForwardWeights weights() const {
        return {WeightMatrix::of(gate_proj), WeightMatrix::of(up_proj), WeightMatrix::of(down_proj)};
    }

    Matrix64 forward64(const Matrix& x) const {
        Matrix64 gated = linear64(x, gate_proj);
        const Matrix64 up = linear64(x, up_proj);
        for (std::size_t i = 0; i < gated.size(); ++i) gated.data()[i] = gelu_tanh64(gated.data()[i]) * up.data()[i];
        return linear64(gated, down_proj);
    }

    Matrix gate_proj, up_proj, down_proj;
};

}  // namespace

TEST_CASE("each sibling is its activation of the gate times the other half") {
    Matrix gate = gemma::random_matrix(5, 6, 1);
    for (float& value : gate) value *= 4.0f;
    const Matrix up = gemma::random_matrix(5, 6, 2);
    for (const Gate activation : gates) {
        CAPTURE(static_cast<int>(activation));
        Matrix64 expected = Matrix64::from_shape({5, 6});
        for (std::size_t i = 0; i < gate.size(); ++i) {
            expected.data()[i] = activate64(gate.data()[i], activation) * up.data()[i];
        }
        CHECK_CLOSE(gemma::gated_unit(gate, up, activation), expected, 1e-6);
    }
}

TEST_CASE("the slopes of each sibling agree with finite differences") {
    for (const Gate activation : gates) {
        for (const double gate : {-3.0, -0.75, 0.25, 1.0, 4.0}) {
            for (const double up : {-2.0, 0.0, 1.5}) {
                CAPTURE(static_cast<int>(activation));
                CAPTURE(gate);
                CAPTURE(up);
                const auto by_gate = [=](double z) { return activate64(z, activation) * up; };
                const auto by_up = [=](double z) { return activate64(gate, activation) * z; };
                const gemma::GatedUnitSlopes slopes =
                    gemma::gated_unit_derivative(static_cast<float>(gate), static_cast<float>(up), activation);
                CHECK(std::fabs(slopes.gate - gemma::numerical_derivative(by_gate, gate)) <= 1e-6);
                CHECK(std::fabs(slopes.up - gemma::numerical_derivative(by_up, up)) <= 1e-6);
            }
        }
    }
}

TEST_CASE("feed_forward is down(gelu_tanh(gate) ⊗ up) in double precision") {
    for (const std::size_t T : {1, 2, 9}) {
        const FeedForward mlp(12, 31);
        const Matrix x = gemma::random_matrix(T, 12, 1);
        CHECK_CLOSE(feed_forward(x, mlp.weights()), mlp.forward64(x), 1e-6);
    }
}

TEST_CASE("the gate is not the other half: exchanging them is another function") {
    const FeedForward mlp(12, 31);
    const Matrix x = gemma::random_matrix(3, 12, 1);
    const FeedForwardWeights right = mlp.weights();
    const FeedForwardWeights exchanged = {right.up_proj, right.gate_proj, right.down_proj};
    const Matrix a = feed_forward(x, right), b = feed_forward(x, exchanged);
    CHECK(gemma::largest_difference("exchanged", b, a).relative > 0.1);
}

TEST_CASE("shapes that do not fit are errors with both shapes") {
    const FeedForward mlp(12, 31), wider(12, 32);
    const Matrix x = gemma::random_matrix(3, 12, 1);
    CHECK(gemma::error_message([&] { feed_forward(gemma::random_matrix(3, 13, 1), mlp.weights()); }) ==
          "the input of a linear map has shape [3, 13], expected [3, 12]");
    FeedForwardWeights weights = mlp.weights();
    weights.up_proj = wider.weights().up_proj;
    CHECK(gemma::error_message([&] { feed_forward(x, weights); }) ==
          "the gated half of a gated linear unit has shape [3, 32], expected [3, 31]");
    weights = mlp.weights();
    weights.down_proj = wider.weights().down_proj;
    CHECK(gemma::error_message([&] { feed_forward(x, weights); }) ==
          "the input of a linear map has shape [3, 31], expected [3, 32]");
    CHECK(gemma::error_message([&] { gemma::gated_unit(x, gemma::random_matrix(3, 11, 1), Gate::gelu); }) ==
          "the gated half of a gated linear unit has shape [3, 11], expected [3, 12]");
}

TEST_CASE("feed_forward shows its parts in order") {
    const FeedForward mlp(12, 31);
    gemma::NamesObserver observer;
    feed_forward(gemma::random_matrix(3, 12, 1), mlp.weights(), gemma::Trace(observer, "mlp"));
    CHECK(observer.names == gemma::Names{"mlp.gate_proj", "mlp.act_fn", "mlp.up_proj", "mlp.gated", "mlp.down_proj"});
    CHECK(observer.shapes == gemma::Shapes{{3, 31}, {3, 31}, {3, 31}, {3, 31}, {3, 12}});
}

TEST_CASE("a trace changes no number by watching") {
    const FeedForward mlp(12, 31);
    const Matrix x = gemma::random_matrix(3, 12, 1);
    gemma::NamesObserver observer;
    CHECK_CLOSE(feed_forward(x, mlp.weights(), gemma::Trace(observer)), feed_forward(x, mlp.weights()), 0.0);
}

TEST_CASE("editing a part of feed_forward changes what follows") {
    const FeedForward mlp(12, 31);
    const Matrix x = gemma::random_matrix(3, 12, 1);
    for (const char* part : {"gate_proj", "act_fn", "up_proj", "gated"}) {  // gelu(0) = 0: each zero runs through
        CAPTURE(part);
        gemma::NamesObserver observer;
        observer.fill_at(part, 0.0f);
        for (const float y : feed_forward(x, mlp.weights(), gemma::Trace(observer))) CHECK(y == 0.0f);
    }
    gemma::NamesObserver observer;
    observer.fill_at("down_proj", 5.0f);
    for (const float y : feed_forward(x, mlp.weights(), gemma::Trace(observer))) CHECK(y == 5.0f);
}
