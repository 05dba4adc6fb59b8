// One that works.

#include "lessons/03_geglu/exercise.hpp"

#include <cmath>

namespace exercise {

using gemma::Matrix;

Matrix feed_forward(const Matrix& x, const gemma::FeedForwardWeights& weights, gemma::Trace trace) {
    const std::size_t T = x.shape(0), F = weights.gate_proj.rows;

    Matrix gate = gemma::linear(x, weights.gate_proj);
    trace("gate_proj", gate);

    Matrix activated = xt::zeros<float>({T, F});
    for (std::size_t i = 0; i < activated.size(); ++i) {
        const float g = gate.data()[i];
        activated.data()[i] = 0.5f * g * (1.0f + std::tanh(0.7978845608f * (g + 0.044715f * g * g * g)));
    }
    trace("act_fn", activated);

    Matrix up = gemma::linear(x, weights.up_proj);
    trace("up_proj", up);

    Matrix gated = xt::zeros<float>({T, F});
    for (std::size_t i = 0; i < gated.size(); ++i) gated.data()[i] = activated.data()[i] * up.data()[i];
    trace("gated", gated);

    Matrix down = gemma::linear(gated, weights.down_proj);
    trace("down_proj", down);
    return down;
}

}  // namespace exercise
