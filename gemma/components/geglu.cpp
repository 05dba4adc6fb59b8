#include "gemma/components/geglu.hpp"

#include "gemma/components/gelu.hpp"
#include "gemma/components/relu.hpp"
#include "gemma/components/sigmoid.hpp"

#include <utility>

namespace gemma {

namespace {

float activate(float x, Gate activation) {
    switch (activation) {
        case Gate::sigmoid: return sigmoid(x);
        case Gate::identity: return x;
        case Gate::relu: return relu(x);
        case Gate::gelu: return gelu(x);
        case Gate::swish: return x * sigmoid(x);
    }
    return x;
}

// a ⊗ b, number by number.
Matrix elementwise_product(Matrix a, const Matrix& b) {
    require_shape("the gated half of a gated linear unit", b, shape_of(a));
    for (std::size_t i = 0; i < a.size(); ++i) a.data()[i] *= b.data()[i];
    return a;
}

}  // namespace

Matrix gated_unit(Matrix gate, const Matrix& up, Gate activation) {
    for (float& value : gate) value = activate(value, activation);
    return elementwise_product(std::move(gate), up);
}

Matrix feed_forward(const Matrix& x, const FeedForwardWeights& weights, Trace trace) {
    Matrix gate = linear(x, weights.gate_proj);
    trace("gate_proj", gate);
    Matrix activated = gelu(std::move(gate), Gelu::tanh);
    trace("act_fn", activated);
    Matrix up = linear(x, weights.up_proj);
    trace("up_proj", up);
    Matrix gated = elementwise_product(std::move(activated), up);
    trace("gated", gated);
    Matrix down = linear(gated, weights.down_proj);
    trace("down_proj", down);
    return down;
}

}  // namespace gemma
