// One that works.

#include "lessons/02_glu/exercise.hpp"

#include <cmath>

namespace exercise {

using gemma::Matrix;
using gemma::Tensor3;
using gemma::Vector;

static Matrix causal_convolution(const Matrix& x, const Tensor3& kernel, const Vector& bias) {
    const std::size_t T = x.shape(0), D = x.shape(1), k = kernel.shape(0), F = bias.shape(0);
    Matrix y = xt::zeros<float>({T, F});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t f = 0; f < F; ++f) {
            y(t, f) = bias(f);
            for (std::size_t i = 0; i < k; ++i) {
                if (t + i + 1 < k) continue;  // before the first token: zeros
                const std::size_t token = t + i + 1 - k;
                for (std::size_t d = 0; d < D; ++d) y(t, f) += x(token, d) * kernel(i, d, f);
            }
        }
    }
    return y;
}

Matrix glu(const Matrix& x, const Tensor3& W, const Vector& b, const Tensor3& V, const Vector& c, gemma::Trace trace) {
    Matrix linear = causal_convolution(x, W, b);
    trace("linear", linear);

    Matrix gate_logits = causal_convolution(x, V, c);
    trace("gate_logits", gate_logits);

    Matrix gate = xt::zeros<float>(gate_logits.shape());
    for (std::size_t i = 0; i < gate.size(); ++i) gate.data()[i] = 1.0f / (1.0f + std::exp(-gate_logits.data()[i]));
    trace("gate", gate);

    Matrix output = xt::zeros<float>(linear.shape());
    for (std::size_t i = 0; i < output.size(); ++i) output.data()[i] = linear.data()[i] * gate.data()[i];
    trace(output);
    return output;
}

}  // namespace exercise
