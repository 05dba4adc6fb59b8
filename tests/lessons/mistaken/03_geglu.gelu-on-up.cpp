// The halves in the order of GLU's paper: the gate is linear, GELU is on the other branch.
#include "lessons/03_geglu/exercise.hpp"

#include <cmath>

gemma::Matrix exercise::feed_forward(const gemma::Matrix& x, const gemma::FeedForwardWeights& weights,
                                     gemma::Trace trace) {
    gemma::Matrix gate = gemma::linear(x, weights.gate_proj), up = gemma::linear(x, weights.up_proj);
    gemma::Matrix activated = up, gated = gate;
    for (float& value : activated) {
        value *= 0.5f * (1.0f + std::tanh(0.79788456f * (value + 0.044715f * std::pow(value, 3.0f))));
    }
    for (std::size_t i = 0; i < gated.size(); ++i) gated.data()[i] *= activated.data()[i];
    gemma::Matrix down = gemma::linear(gated, weights.down_proj);
    trace("gate_proj", gate);
    trace("act_fn", activated);
    trace("up_proj", up);
    trace("gated", gated);
    trace("down_proj", down);
    return down;
}
