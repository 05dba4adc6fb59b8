#include "gemma/components/glu.hpp"

#include "gemma/components/geglu.hpp"
#include "gemma/components/sigmoid.hpp"
#include "gemma/linear/linear.hpp"

#include "tests/support/approx.hpp"
#include "tests/support/derivative.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/names_observer.hpp"
#include "tests/support/random_tensor.hpp"

#include <doctest/doctest.h>

#include <cmath>

using doctest::Approx;
using gemma::causal_convolution;
using gemma::glu;
using gemma::Matrix;
using gemma::Matrix64;
using gemma::Tensor3;
using gemma::Vector;

namespace {

double sigmoid64(double x) { return 1.0 / (1.0 + std::exp(-x)); }

// The definition, number by number: token t sees t-k+1 … t.
template <typename Input>
Matrix64 convolution64(const Input& x, const Tensor3& kernel, const Vector& bias) {
    const std::size_t T = x.shape(0), D = x.shape(1), k = kernel.shape(0), F = kernel.shape(2);
    Matrix64 y = Matrix64::from_shape({T, F});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t f = 0; f < F; ++f) {
            y(t, f) = bias(f);
            for (std::size_t back = 0; back < k && back <= t; ++back) {
                for (std::size_t i = 0; i < D; ++i)
                    y(t, f) += static_cast<double>(x(t - back, i)) * kernel(k - 1 - back, i, f);
            }
        }
    }
    return y;
}

// A layer with k tokens in its kernel, from D numbers to F.
struct Layer {
    Layer(std::size_t k, std::size_t D, std::size_t F)
        : W(gemma::random_tensor<3>({k, D, F}, 11)),
          b(gemma::random_vector(F, 12)),
          V(gemma::random_tensor<3>({k, D, F}, 13)),
          c(gemma::random_vector(F, 14)) {}

    Matrix forward(const Matrix& x, gemma::Trace trace = {}) const { return glu(x, W, b, V, c, trace); }

    template <typename Input>
    Matrix64 forward64(const Input& x) const {
        Matrix64 y = convolution64(x, W, b);
        const Matrix64 gate = convolution64(x, V, c);
        for (std::size_t i = 0; i < y.size(); ++i) y.data()[i] *= sigmoid64(gate.data()[i]);
        return y;
    }

    Tensor3 W;
    Vector b;
    Tensor3 V;
    Vector c;
};

}  // namespace

TEST_CASE("a kernel of two tokens slides over five words") {
    const Matrix words = {{0.4f, 0.01f}, {1.0f, -1.2f}, {1.1f, 0.7f}, {-0.2f, 0.6f}, {0.8f, 0.0f}};  // Hi how are you ?
    Tensor3 kernel = Tensor3::from_shape({2, 2, 1});
    kernel(0, 0, 0) = 0.8f, kernel(0, 1, 0) = 1.5f;   // meets the token before
    kernel(1, 0, 0) = 2.0f, kernel(1, 1, 0) = -0.2f;  // meets the token itself
    const Matrix y = causal_convolution(words, kernel, {0.0f});
    CHECK(y(0, 0) == Approx(0.798).epsilon(1e-6));  // "Hi" after a row of zeros
    CHECK(y(1, 0) == Approx(2.575).epsilon(1e-6));  // 0.8 · 0.4 + 1.5 · 0.01 + 2 · 1 - 0.2 · (-1.2)
    CHECK(y(2, 0) == Approx(1.06).epsilon(1e-6));
    CHECK(y(3, 0) == Approx(1.41).epsilon(1e-6));
    CHECK(y(4, 0) == Approx(2.34).epsilon(1e-6));
}

TEST_CASE("the causal convolution agrees with its definition, also where the kernel is longer than the text") {
    const Matrix x = gemma::random_matrix(5, 7, 1);
    for (const std::size_t k : {1, 2, 3, 5, 8}) {
        CAPTURE(k);
        const Layer layer(k, 7, 4);
        CHECK_CLOSE(causal_convolution(x, layer.W, layer.b), convolution64(x, layer.W, layer.b), 1e-6);
    }
}

TEST_CASE("a later token changes nothing before it") {
    const Layer layer(3, 7, 4);
    Matrix x = gemma::random_matrix(6, 7, 1);
    const Matrix before = layer.forward(x);
    for (std::size_t i = 0; i < 7; ++i) x(4, i) += 1.0f;
    const Matrix after = layer.forward(x);
    for (std::size_t f = 0; f < 4; ++f) {
        for (std::size_t t = 0; t < 4; ++t) CHECK(after(t, f) == before(t, f));
        for (std::size_t t = 4; t < 6; ++t) CHECK(after(t, f) != before(t, f));
    }
}

TEST_CASE("a kernel of one token is a linear map") {
    const std::size_t D = 7, F = 4;
    const Matrix x = gemma::random_matrix(5, D, 1);
    const Layer layer(1, D, F);
    Matrix transposed = Matrix::from_shape({F, D});  // linear() takes W as [out, in]
    for (std::size_t i = 0; i < D; ++i) {
        for (std::size_t f = 0; f < F; ++f) transposed(f, i) = layer.W(0, i, f);
    }
    Matrix expected = gemma::linear(x, gemma::WeightMatrix::of(transposed));
    for (std::size_t t = 0; t < 5; ++t) {
        for (std::size_t f = 0; f < F; ++f) expected(t, f) += layer.b(f);
    }
    CHECK_CLOSE(causal_convolution(x, layer.W, layer.b), expected, 1e-6);
}

TEST_CASE("glu agrees with its formula in double precision") {
    const Matrix x = gemma::random_matrix(6, 7, 1);
    for (const std::size_t k : {1, 2, 4}) {
        const Layer layer(k, 7, 5);
        CHECK_CLOSE(layer.forward(x), layer.forward64(x), 1e-6);
    }
}

TEST_CASE("glu is the sibling of geglu whose gate is a sigmoid") {
    const Layer layer(2, 7, 5);
    const Matrix x = gemma::random_matrix(6, 7, 1);
    const Matrix gate = causal_convolution(x, layer.V, layer.c), up = causal_convolution(x, layer.W, layer.b);
    CHECK_CLOSE(layer.forward(x), gemma::gated_unit(gate, up, gemma::Gate::sigmoid), 1e-7);
}

TEST_CASE("the slopes of a gated number agree with finite differences") {
    for (const double a : {-2.0, -0.5, 0.0, 1.5}) {
        for (const double g : {-3.0, -0.5, 0.0, 2.0}) {
            CAPTURE(a);
            CAPTURE(g);
            const float a32 = static_cast<float>(a), g32 = static_cast<float>(g);
            const auto slope = [](auto f, double at) { return gemma::numerical_derivative(f, at); };

            const gemma::GluSlopes glu_slopes = gemma::glu_derivative(a32, g32);
            CHECK(std::fabs(glu_slopes.linear - slope([g](double z) { return z * sigmoid64(g); }, a)) <= 1e-7);
            CHECK(std::fabs(glu_slopes.gate - slope([a](double z) { return a * sigmoid64(z); }, g)) <= 1e-7);

            const gemma::GluSlopes gtu_slopes = gemma::gtu_derivative(a32, g32);
            CHECK(std::fabs(gtu_slopes.linear - slope([g](double z) { return std::tanh(z) * sigmoid64(g); }, a)) <=
                  1e-7);
            CHECK(std::fabs(gtu_slopes.gate - slope([a](double z) { return std::tanh(a) * sigmoid64(z); }, g)) <= 1e-7);
        }
    }
}

TEST_CASE("the linear path carries the plain sigmoid, the tanh path shrinks it") {
    for (const float a : {-3.0f, -1.0f, 0.5f, 2.0f}) {
        CHECK(gemma::glu_derivative(a, 1.0f).linear == gemma::sigmoid(1.0f));
        CHECK(gemma::gtu_derivative(a, 1.0f).linear < gemma::glu_derivative(a, 1.0f).linear);
    }
    CHECK(gemma::glu_derivative(8.0f, 20.0f).linear == Approx(1.0).epsilon(1e-6));  // an open gate: all of it passes
    CHECK(gemma::gtu_derivative(8.0f, 20.0f).linear == Approx(0.0).epsilon(1e-5));  // and here nothing does
}

TEST_CASE("glu's gradient by its input agrees with finite differences") {
    const std::size_t T = 5, D = 4, F = 3;
    const Matrix x = gemma::random_matrix(T, D, 1), output_gradient = gemma::random_matrix(T, F, 2);
    for (const std::size_t k : {1, 2, 3, 7}) {
        CAPTURE(k);
        const Layer layer(k, D, F);
        // The loss Σ gradient ⊗ y has that gradient at y.
        const auto loss = [&](const Matrix64& input) {
            const Matrix64 y = layer.forward64(input);
            double sum = 0.0;
            for (std::size_t i = 0; i < y.size(); ++i) sum += output_gradient.data()[i] * y.data()[i];
            return sum;
        };
        Matrix64 input = Matrix64::from_shape({T, D}), expected = input;
        for (std::size_t i = 0; i < x.size(); ++i) input.data()[i] = x.data()[i];
        for (std::size_t i = 0; i < x.size(); ++i) {
            const auto loss_at = [&](double value) {
                Matrix64 moved = input;
                moved.data()[i] = value;
                return loss(moved);
            };
            expected.data()[i] = gemma::numerical_derivative(loss_at, x.data()[i]);
        }
        CHECK_CLOSE(gemma::glu_input_gradient(output_gradient, x, layer.W, layer.b, layer.V, layer.c), expected, 1e-6);
    }
}

TEST_CASE("shapes that do not fit glu are errors with both shapes") {
    const Layer layer(2, 7, 4);
    const Matrix x = gemma::random_matrix(5, 6, 1), good = gemma::random_matrix(5, 7, 1);
    CHECK(gemma::error_message([&] { layer.forward(x); }) ==
          "the kernel of a causal convolution has shape [2, 7, 4], expected [2, 6, 4]");
    CHECK(gemma::error_message([&] { causal_convolution(good, layer.W, gemma::random_vector(5, 1)); }) ==
          "the bias of a causal convolution has shape [5], expected [4]");
    CHECK(gemma::error_message([&] {
              causal_convolution(good, Tensor3::from_shape({0, 7, 4}), layer.b);
          }) == "the kernel of a causal convolution spans 0 tokens, expected at least 1");
    CHECK(gemma::error_message([&] { glu(good, layer.W, layer.b, Layer(3, 7, 4).V, layer.c); }) ==
          "the gate's kernel of a gated linear unit has shape [3, 7, 4], expected [2, 7, 4]");
    CHECK(gemma::error_message([&] { gemma::glu_input_gradient(x, good, layer.W, layer.b, layer.V, layer.c); }) ==
          "the output gradient of a gated linear unit has shape [5, 6], expected [5, 4]");
}

TEST_CASE("glu shows its linear path, its gate before and after the sigmoid, and its output") {
    const Layer layer(2, 7, 4);
    gemma::NamesObserver observer;
    layer.forward(gemma::random_matrix(5, 7, 1), gemma::Trace(observer, "glu"));
    CHECK(observer.names == gemma::Names{"glu.linear", "glu.gate_logits", "glu.gate", "glu"});
    CHECK(observer.shapes == gemma::Shapes{{5, 4}, {5, 4}, {5, 4}, {5, 4}});
}

TEST_CASE("editing a part of glu changes what follows") {
    const Layer layer(2, 7, 4);
    const Matrix x = gemma::random_matrix(5, 7, 1);
    gemma::NamesObserver linear, logits, gate;
    linear.fill_at("glu.linear", 0.0f);
    for (const float y : layer.forward(x, gemma::Trace(linear, "glu"))) CHECK(y == 0.0f);
    logits.fill_at("glu.gate_logits", -1000.0f);  // closed
    for (const float y : layer.forward(x, gemma::Trace(logits, "glu"))) CHECK(y == 0.0f);
    gate.fill_at("glu.gate", 1.0f);  // open
    CHECK_CLOSE(layer.forward(x, gemma::Trace(gate, "glu")), causal_convolution(x, layer.W, layer.b), 0.0);
}
