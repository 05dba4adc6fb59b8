// Llama's MLP: SiLU, x σ(x), in place of GELU.
#include "lessons/03_geglu/exercise.hpp"

#include <cmath>

gemma::Matrix exercise::feed_forward(const gemma::Matrix& x, const gemma::FeedForwardWeights& weights,
                                     gemma::Trace trace) {
    gemma::Matrix gate = gemma::linear(x, weights.gate_proj), up = gemma::linear(x, weights.up_proj);
    gemma::Matrix activated = gate, gated = up;
    for (float& value : activated) value = value / (1.0f + std::exp(-value));
    for (std::size_t i = 0; i < gated.size(); ++i) gated.data()[i] *= activated.data()[i];
    gemma::Matrix down = gemma::linear(gated, weights.down_proj);
    trace("gate_proj", gate);
    trace("act_fn", activated);
    trace("up_proj", up);
    trace("gated", gated);
    trace("down_proj", down);
    return down;
}
