// For you to fill in. First the convolution, which is used twice, then the gate and the product. The trace shows each
// part to the check, which says how far off it is.

#include "lessons/02_glu/exercise.hpp"

namespace exercise {

using gemma::Matrix;
using gemma::Tensor3;
using gemma::Vector;

// x∗kernel + bias: x is [T, D], the kernel [k, D, F], the bias [F].
static Matrix causal_convolution(const Matrix& x, const Tensor3& kernel, const Vector& bias) {
    const std::size_t T = x.shape(0), F = bias.shape(0);
    Matrix y = xt::zeros<float>({T, F});
    // your code: for each t and f begin with bias(f); then, for each row i of the kernel, find the token that it meets,
    // t - k + 1 + i. When there is one (it is not before the first), add x(token, d) · kernel(i, d, f) for each d.
    // Careful: std::size_t has no negative numbers. t + i + 1 >= k asks without one.
    (void)kernel;  // to be deleted: it only says that the kernel is not used yet
    return y;
}

Matrix glu(const Matrix& x, const Tensor3& W, const Vector& b, const Tensor3& V, const Vector& c, gemma::Trace trace) {
    // The linear path, [T, F].
    Matrix linear = causal_convolution(x, W, b);
    trace("linear", linear);

    // What the gates are computed from, [T, F].
    Matrix gate_logits = causal_convolution(x, V, c);
    trace("gate_logits", gate_logits);

    // σ(gate_logits) = 1 / (1 + exp(-gate_logits)), between 0 and 1, [T, F]. std::exp is in <cmath>.
    Matrix gate = xt::zeros<float>(gate_logits.shape());
    // your code: gate.data()[i] = ... for each i below gate.size()
    trace("gate", gate);

    // The linear path times its gates, number by number, [T, F].
    Matrix output = xt::zeros<float>(linear.shape());
    // your code: output.data()[i] = ... for each i
    trace(output);
    return output;
}

}  // namespace exercise
