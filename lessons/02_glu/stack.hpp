// A deep stack of equal layers without anything between them, and how its gradient travels from the top to the bottom.
#pragma once

#include "gemma/components/glu.hpp"
#include "gemma/components/relu.hpp"
#include "gemma/components/sigmoid.hpp"
#include "gemma/linear/matmul.hpp"
#include "lessons/random.hpp"

#include <cmath>
#include <cstddef>
#include <vector>

namespace lesson {

enum class Unit { linear, relu, tanh, gtu, glu };

/// The weights of one layer, in convolution's shape with a kernel of one token.
struct StackLayer {
    gemma::Tensor3 W, V;  // [1, D, D]
    gemma::Vector b, c;   // [D]
};

/// Weights that keep the length of what they multiply, on average: normal with variance 1/D. Biases: b is standard
/// normal, so that the numbers inside tanh do not fade away; the gates' c is `openness`, the same for all.
inline std::vector<StackLayer> random_stack(std::size_t depth, std::size_t D, double openness, std::uint64_t seed) {
    Random random(seed);
    const double deviation = 1.0 / std::sqrt(static_cast<double>(D));
    std::vector<StackLayer> layers(depth);
    for (StackLayer& layer : layers) {
        layer.W = random.normal<3>({1, D, D}, deviation);
        layer.V = random.normal<3>({1, D, D}, deviation);
        layer.b = random.normal<1>({D});
        layer.c = gemma::Vector::from_shape({D});
        layer.c.fill(static_cast<float>(openness));
    }
    return layers;
}

/// One layer's output: x, or relu(a), tanh(a), tanh(a) σ(g), a σ(g), with a = x W + b and g = x V + c.
inline gemma::Matrix forward(Unit unit, const StackLayer& layer, const gemma::Matrix& x) {
    if (unit == Unit::glu) return gemma::glu(x, layer.W, layer.b, layer.V, layer.c);
    gemma::Matrix y = gemma::causal_convolution(x, layer.W, layer.b);
    if (unit == Unit::linear) return y;
    if (unit == Unit::relu) {
        for (float& a : y) a = gemma::relu(a);
        return y;
    }
    for (float& a : y) a = std::tanh(a);
    if (unit == Unit::tanh) return y;
    const gemma::Matrix g = gemma::causal_convolution(x, layer.V, layer.c);
    for (std::size_t i = 0; i < y.size(); ++i) y.data()[i] *= gemma::sigmoid(g.data()[i]);
    return y;
}

/// ∂loss/∂x of z = x W, from ∂loss/∂z: ∂loss/∂z Wᵀ, both [T, D].
inline gemma::Matrix through(const gemma::Tensor3& W, const gemma::Matrix& z_gradient) {
    const std::size_t T = z_gradient.shape(0), D = W.shape(1);
    gemma::Matrix x_gradient = gemma::Matrix::from_shape({T, D});
    gemma::multiply_transposed({z_gradient.data(), T, D, D}, {W.data(), D, D, D}, 1.0f, {x_gradient.data(), T, D, D});
    return x_gradient;
}

/// The gradient of a loss by a layer's input, from that by its output: the chain rule with the unit's slopes.
inline gemma::Matrix input_gradient(Unit unit, const StackLayer& layer, const gemma::Matrix& x,
                                    const gemma::Matrix& y_gradient) {
    if (unit == Unit::glu) {
        return gemma::glu_input_gradient(y_gradient, x, layer.W, layer.b, layer.V, layer.c);
    }
    const gemma::Matrix a = gemma::causal_convolution(x, layer.W, layer.b);
    const gemma::Matrix g = gemma::causal_convolution(x, layer.V, layer.c);
    gemma::Matrix a_gradient = y_gradient, g_gradient = y_gradient;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const float value = a.data()[i], t = std::tanh(value);
        const gemma::GluSlopes gtu = gemma::gtu_derivative(value, g.data()[i]);
        a_gradient.data()[i] *= unit == Unit::linear ? 1.0f
                                : unit == Unit::relu ? gemma::relu_derivative(value)
                                : unit == Unit::tanh ? 1.0f - t * t
                                                     : gtu.linear;
        g_gradient.data()[i] *= unit == Unit::gtu ? gtu.gate : 0.0f;
    }
    gemma::Matrix x_gradient = through(layer.W, a_gradient);
    const gemma::Matrix through_gate = through(layer.V, g_gradient);
    for (std::size_t i = 0; i < x_gradient.size(); ++i) x_gradient.data()[i] += through_gate.data()[i];
    return x_gradient;
}

/// The inputs of all layers, and at the end the output of the last.
inline std::vector<gemma::Matrix> activations(Unit unit, const std::vector<StackLayer>& layers,
                                              const gemma::Matrix& x) {
    std::vector<gemma::Matrix> values = {x};
    for (const StackLayer& layer : layers) values.push_back(forward(unit, layer, values.back()));
    return values;
}

/// The gradient after it has come down through 0, 1, … all layers, beginning with `top` at the output.
inline std::vector<gemma::Matrix> gradients(Unit unit, const std::vector<StackLayer>& layers, const gemma::Matrix& x,
                                            const gemma::Matrix& top) {
    const std::vector<gemma::Matrix> values = activations(unit, layers, x);
    std::vector<gemma::Matrix> down = {top};
    for (std::size_t i = layers.size(); i-- > 0;) {
        down.push_back(input_gradient(unit, layers[i], values[i], down.back()));
    }
    return down;
}

// --- The stacks that are compared ------------------------------------------------------------------------------------

/// One of them.
struct Stack {
    std::string name;
    Unit unit;
    double openness;          // the gates' bias c
    float weight_size = 1.0;  // what the weights are multiplied with
};
constexpr std::size_t depth = 32, stack_width = 64, stack_tokens = 16;

inline double length(const gemma::Matrix& m) {
    double squares = 0.0;
    for (const float value : m) squares += static_cast<double>(value) * value;
    return std::sqrt(squares);
}

inline double dot(const gemma::Matrix& a, const gemma::Matrix& b) {
    double sum = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a.data()[i]) * b.data()[i];
    return sum;
}

inline std::vector<StackLayer> layers_of(const Stack& stack, std::size_t count) {
    std::vector<StackLayer> layers = random_stack(count, stack_width, stack.openness, 2016);
    for (StackLayer& layer : layers) {
        for (float& weight : layer.W) weight *= stack.weight_size;
    }
    return layers;
}

// The gradient's length after 0, 1, … 32 layers, beginning with 1.
inline std::vector<double> lengths(const Stack& stack) {
    Random random(1);
    const gemma::Matrix x = random.normal<2>({stack_tokens, stack_width}),
                        top = random.normal<2>({stack_tokens, stack_width});
    std::vector<double> result;
    for (const gemma::Matrix& gradient : gradients(stack.unit, layers_of(stack, depth), x, top)) {
        result.push_back(length(gradient) / length(top));
    }
    return result;
}

// How far the gradient of 4 layers is from a difference: the loss is Σ top ⊗ y, moved along the gradient itself.
inline double gradient_error(const Stack& stack) {
    Random random(2);
    const gemma::Matrix x = random.normal<2>({stack_tokens, stack_width}),
                        top = random.normal<2>({stack_tokens, stack_width});
    const std::vector<StackLayer> layers = layers_of(stack, 4);
    const gemma::Matrix gradient = gradients(stack.unit, layers, x, top).back();
    const double step = 0.01 / length(gradient);  // a hundredth of a unit of length, over 1024 numbers
    const auto loss_at = [&](double side) {
        gemma::Matrix moved = x;
        for (std::size_t i = 0; i < x.size(); ++i)
            moved.data()[i] += static_cast<float>(side * step * gradient.data()[i]);
        return dot(top, activations(stack.unit, layers, moved).back());
    };
    const double measured = (loss_at(1.0) - loss_at(-1.0)) / (2.0 * step);
    return std::abs(measured / dot(gradient, gradient) - 1.0);
}

}  // namespace lesson
