#include "gemma/components/geglu.hpp"

#include "gemma/components/gelu.hpp"
#include "gemma/components/relu.hpp"
#include "gemma/components/sigmoid.hpp"
#include "gemma/components/swish.hpp"

#include <utility>

namespace gemma {

namespace {

float activate(float x, Gate activation) {
    switch (activation) {
        case Gate::sigmoid: return sigmoid(x);
        case Gate::identity: return x;
        case Gate::relu: return relu(x);
        case Gate::gelu: return gelu(x);
        case Gate::swish: return swish(x);
    }
    return x;
}

float activation_derivative(float x, Gate activation) {
    switch (activation) {
        case Gate::sigmoid: return sigmoid_derivative(x);
        case Gate::identity: return 1.0f;
        case Gate::relu: return relu_derivative(x);
        case Gate::gelu: return gelu_derivative(x);
        case Gate::swish: return swish_derivative(x);
    }
    return 1.0f;
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

GatedUnitSlopes gated_unit_derivative(float gate, float up, Gate activation) {
    return {activation_derivative(gate, activation) * up, activate(gate, activation)};
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
