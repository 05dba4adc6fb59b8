// For you to fill in: five lines of mathematics, in the order of the trace points.
//
// A WeightMatrix is a matrix [out, in] in the number format of its file, so its numbers cannot be read as floats.
// gemma::linear(x, weight) multiplies with one: y = x Wᵀ, [T, in] to [T, out].

#include "lessons/03_geglu/exercise.hpp"

namespace exercise {

using gemma::Matrix;

Matrix feed_forward(const Matrix& x, const gemma::FeedForwardWeights& weights, gemma::Trace trace) {
    const std::size_t T = x.shape(0), D = x.shape(1), F = weights.gate_proj.rows;

    // The gate's path, [T, F]: x Wᵀ with the weights gate_proj.
    Matrix gate = xt::zeros<float>({T, F});
    // your code: gate = ...
    trace("gate_proj", gate);

    // GELU in the tanh form, [T, F]: g/2 · (1 + tanh(√(2/π) (g + 0.044715 g³))) of each number g of gate. √(2/π) is
    // 0.7978845608. You wrote it in lesson 01.
    Matrix activated = xt::zeros<float>({T, F});
    // your code: activated.data()[i] = ... for each i below activated.size()
    trace("act_fn", activated);

    // The linear path, [T, F]: x Wᵀ with the weights up_proj.
    Matrix up = xt::zeros<float>({T, F});
    // your code: up = ...
    trace("up_proj", up);

    // Both, multiplied number by number, [T, F].
    Matrix gated = xt::zeros<float>({T, F});
    // your code: gated.data()[i] = ... for each i
    trace("gated", gated);

    // Back to D numbers a token, [T, D]: gated Wᵀ with the weights down_proj.
    Matrix down = xt::zeros<float>({T, D});
    // your code: down = ...
    trace("down_proj", down);
    return down;
}

}  // namespace exercise
