#include "gemma/components/glu.hpp"

#include "gemma/components/sigmoid.hpp"
#include "gemma/error.hpp"
#include "gemma/linear/matmul.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gemma {

namespace {

// What the kernel sees at each token: the k tokens up to it side by side, zeros before the first. [T, k·D]
Matrix causal_windows(const Matrix& x, std::size_t k) {
    const std::size_t T = x.shape(0), D = x.shape(1);
    Matrix windows = Matrix::from_shape({T, k * D});
    std::fill(windows.begin(), windows.end(), 0.0f);
    for (std::size_t t = 0; t < T; ++t) {
        const std::size_t seen = std::min(t + 1, k);
        std::copy_n(&x(t + 1 - seen, 0), seen * D, &windows(t, (k - seen) * D));
    }
    return windows;
}

// The way back: each token collects the gradients of all windows that it is in. [T, D]
Matrix sum_of_windows(const Matrix& windows, std::size_t k) {
    const std::size_t T = windows.shape(0), D = windows.shape(1) / k;
    Matrix x = Matrix::from_shape({T, D});
    std::fill(x.begin(), x.end(), 0.0f);
    for (std::size_t t = 0; t < T; ++t) {
        const std::size_t seen = std::min(t + 1, k);
        const float* window = &windows(t, (k - seen) * D);
        float* first = &x(t + 1 - seen, 0);
        for (std::size_t i = 0; i < seen * D; ++i) first[i] += window[i];
    }
    return x;
}

// ∂loss/∂x of z = x∗W + b, from ∂loss/∂z [T, F]: each window's gradient is ∂loss/∂z Wᵀ.
Matrix convolution_input_gradient(const Matrix& z_gradient, const Tensor3& kernel) {
    const std::size_t T = z_gradient.shape(0), F = z_gradient.shape(1), k = kernel.shape(0), D = kernel.shape(1);
    Matrix windows = Matrix::from_shape({T, k * D});
    multiply_transposed({z_gradient.data(), T, F, F}, {kernel.data(), k * D, F, F}, 1.0f,
                        {windows.data(), T, k * D, k * D});
    return sum_of_windows(windows, k);
}

void require_equal_kernels(const Tensor3& W, const Tensor3& V) {
    require_shape("the gate's kernel of a gated linear unit", V, shape_of(W));
}

}  // namespace

Matrix causal_convolution(const Matrix& x, const Tensor3& kernel, const Vector& bias) {
    const std::size_t T = x.shape(0), D = x.shape(1), k = kernel.shape(0), F = kernel.shape(2);
    if (k == 0) fail("the kernel of a causal convolution spans 0 tokens, expected at least 1");
    require_shape("the kernel of a causal convolution", kernel, {k, D, F});
    require_shape("the bias of a causal convolution", bias, {F});

    const Matrix windows = causal_windows(x, k);
    Matrix y = Matrix::from_shape({T, F});
    multiply({windows.data(), T, k * D, k * D}, {kernel.data(), k * D, F, F}, {y.data(), T, F, F});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t f = 0; f < F; ++f) y(t, f) += bias(f);
    }
    return y;
}

Matrix glu(const Matrix& x, const Tensor3& W, const Vector& b, const Tensor3& V, const Vector& c, Trace trace) {
    require_equal_kernels(W, V);
    Matrix linear = causal_convolution(x, W, b);
    trace("linear", linear);
    Matrix gate = causal_convolution(x, V, c);
    trace("gate_logits", gate);
    for (float& value : gate) value = sigmoid(value);
    trace("gate", gate);

    Matrix y = std::move(linear);
    for (std::size_t i = 0; i < y.size(); ++i) y.data()[i] *= gate.data()[i];
    trace(y);
    return y;
}

Matrix glu_input_gradient(const Matrix& output_gradient, const Matrix& x, const Tensor3& W, const Vector& b,
                          const Tensor3& V, const Vector& c) {
    require_equal_kernels(W, V);
    Matrix linear = causal_convolution(x, W, b);
    Matrix gate_logits = causal_convolution(x, V, c);
    require_shape("the output gradient of a gated linear unit", output_gradient, shape_of(linear));

    // Chain rule, number by number: ∂loss/∂a = ∂loss/∂y σ(g) and ∂loss/∂g = ∂loss/∂y a σ'(g), in the place of a and g.
    for (std::size_t i = 0; i < output_gradient.size(); ++i) {
        float &a = linear.data()[i], &g = gate_logits.data()[i];
        const GluSlopes slopes = glu_derivative(a, g);
        a = output_gradient.data()[i] * slopes.linear;
        g = output_gradient.data()[i] * slopes.gate;
    }

    // x feeds both paths: its gradient is the sum of the two.
    Matrix x_gradient = convolution_input_gradient(linear, W);
    const Matrix through_gate = convolution_input_gradient(gate_logits, V);
    for (std::size_t i = 0; i < x_gradient.size(); ++i) x_gradient.data()[i] += through_gate.data()[i];
    return x_gradient;
}

GluSlopes glu_derivative(float a, float g) { return {sigmoid(g), a * sigmoid_derivative(g)}; }

GluSlopes gtu_derivative(float a, float g) {
    const float t = std::tanh(a);
    return {(1.0f - t * t) * sigmoid(g), t * sigmoid_derivative(g)};
}

}  // namespace gemma
