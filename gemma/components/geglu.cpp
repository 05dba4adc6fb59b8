#include "gemma/components/geglu.hpp"

#include "gemma/components/gelu.hpp"
#include "gemma/components/relu.hpp"
#include "gemma/components/sigmoid.hpp"
#include "gemma/components/swish.hpp"
#include "gemma/parallel.hpp"

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

// a ⊗ b in the place of a, number by number.
void multiply_by(float* a, const float* b, std::size_t count, Precision precision) {
    for (std::size_t i = 0; i < count; ++i) a[i] *= b[i];
    round_to(precision, a, count);
}

Matrix elementwise_product(Matrix a, const Matrix& b, Precision precision) {
    require_shape("the gated half of a gated linear unit", b, shape_of(a));
    parallel_for(a.size(), 1 << 14, [&](std::size_t first, std::size_t last) {
        multiply_by(a.data() + first, b.data() + first, last - first, precision);
    });
    return a;
}

// gelu_tanh(gate(x)) ⊗ up(x), each step shown: [T, F].
Matrix geglu(const Matrix& x, const FeedForwardWeights& weights, Trace trace, Precision precision) {
    Matrix gate = linear(x, weights.gate_proj, precision);
    trace("gate_proj", gate);
    Matrix activated = gelu(std::move(gate), Gelu::tanh, precision);
    trace("act_fn", activated);
    Matrix up = linear(x, weights.up_proj, precision);
    trace("up_proj", up);
    Matrix gated = elementwise_product(std::move(activated), up, precision);
    trace("gated", gated);
    return gated;
}

// The same numbers where nobody watches: a few of gate(x) and up(x) at a time, so that neither is ever there whole.
Matrix geglu_at_once(const Matrix& x, const FeedForwardWeights& weights, Precision precision) {
    const auto combine = [precision](float* gate, const float* up, std::size_t count) {
        gelu(gate, count, Gelu::tanh, precision);
        multiply_by(gate, up, count, precision);
    };
    return linear_pair(x, weights.gate_proj, weights.up_proj, combine, precision);
}

}  // namespace

Matrix gated_unit(Matrix gate, const Matrix& up, Gate activation) {
    for (float& value : gate) value = activate(value, activation);
    return elementwise_product(std::move(gate), up, Precision::float32);
}

GatedUnitSlopes gated_unit_derivative(float gate, float up, Gate activation) {
    return {activation_derivative(gate, activation) * up, activate(gate, activation)};
}

Matrix feed_forward(const Matrix& x, const FeedForwardWeights& weights, Trace trace, Precision precision) {
    require_shape("the gated half of a gated linear unit", Shape{x.shape(0), weights.up_proj.rows},
                  {x.shape(0), weights.gate_proj.rows});
    const Matrix gated = trace.on() ? geglu(x, weights, trace, precision) : geglu_at_once(x, weights, precision);
    Matrix down = linear(gated, weights.down_proj, precision);
    trace("down_proj", down);
    return down;
}

}  // namespace gemma
