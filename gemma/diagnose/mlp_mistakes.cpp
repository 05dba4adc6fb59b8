// What goes wrong in the MLP: down(gelu_tanh(gate(x)) ⊗ up(x)).
#include "gemma/components/gelu.hpp"
#include "gemma/components/relu.hpp"
#include "gemma/components/swish.hpp"
#include "gemma/diagnose/edits.hpp"
#include "gemma/linear/linear.hpp"

#include <algorithm>

namespace gemma {

namespace {

// act_fn = activation(gate)
Edits activated(float (*activation)(float)) {
    return {{StepEdit::computes, "mlp.act_fn", [activation](const Seen& seen, const TensorView& y) {
                 const Matrix gate = seen.matrix("mlp.gate_proj");
                 std::transform(gate.begin(), gate.end(), y.data, activation);
             }}};
}

// x Wᵀ for x, the norm's output.
Matrix product(const Seen& seen, WeightMatrix FeedForwardWeights::*weight) {
    return linear(seen.matrix("norm"), seen.layer().mlp.*weight, seen.precision());
}

// gated = gate ⊗ gelu(up)
Edits gelu_on_up() {
    return {{StepEdit::computes, "mlp.act_fn",
             [](const Seen& seen, const TensorView& y) {
                 assign(y, gelu(product(seen, &FeedForwardWeights::up_proj), Gelu::tanh));
             }},
            {StepEdit::computes, "mlp.gated", [](const Seen& seen, const TensorView& y) {
                 const Matrix gate = seen.matrix("mlp.gate_proj"), activated_up = seen.matrix("mlp.act_fn");
                 for (std::size_t i = 0; i < y.size(); ++i) y.data[i] = gate.data()[i] * activated_up.data()[i];
             }}};
}

// gate and up made with each other's weights
Edits swapped() {
    return {{StepEdit::computes, "mlp.gate_proj",
             [](const Seen& seen, const TensorView& y) { assign(y, product(seen, &FeedForwardWeights::up_proj)); }},
            {StepEdit::computes, "mlp.up_proj",
             [](const Seen& seen, const TensorView& y) { assign(y, product(seen, &FeedForwardWeights::gate_proj)); }}};
}

// gated = gelu(gate) + up
Edits added() {
    return {{StepEdit::computes, "mlp.gated", [](const Seen& seen, const TensorView& y) {
                 const Matrix activated = seen.matrix("mlp.act_fn"), up = seen.matrix("mlp.up_proj");
                 for (std::size_t i = 0; i < y.size(); ++i) y.data[i] = activated.data()[i] + up.data()[i];
             }}};
}

}  // namespace

std::vector<KnownMistake> mlp_mistakes() {
    const std::string mlp = "model.layers.0.mlp.";
    const std::string gate = mlp + "gate_proj", activation = mlp + "act_fn", gated = mlp + "gated";
    return {
        {{"gate-up-swapped", "gate and up are made with each other's weights", gate,
          "the halves of a fused gate and up matrix in another order"},
         swapped()},
        {{"gelu-erf", "GELU by erf, x Φ(x), in place of its tanh form", activation,
          "Fixing Gemma Bugs (D. Han, M. Han 2024); what \"gelu\" means elsewhere"},
         activated([](float x) { return gelu(x, Gelu::exact); })},
        {{"gelu-sigmoid", "GELU's sigmoid form, x σ(1.702 x), in place of its tanh form", activation,
          "Gaussian Error Linear Units (Hendrycks, Gimpel 2016) has it as an approximation"},
         activated([](float x) { return gelu(x, Gelu::sigmoid); })},
        {{"gate-silu", "SiLU, x σ(x), in place of GELU: SwiGLU", activation, "Llama's MLP"}, activated(swish)},
        {{"gate-relu", "ReLU in place of GELU: ReGLU", activation, "GLU Variants Improve Transformer (Shazeer 2020)"},
         activated(relu)},
        {{"gate-sigmoid", "a sigmoid in place of GELU: GLU", activation,
          "Language Modeling with Gated Convolutional Networks (Dauphin et al. 2016)"},
         activated(sigmoid)},
        {{"gate-linear", "no activation at all", activation, "a line left out"}, activated([](float x) { return x; })},
        {{"gelu-on-up", "GELU on the up branch: gate ⊗ gelu(up)", activation, "the order of the halves in GLU's paper"},
         gelu_on_up()},
        {{"gate-added", "gelu(gate) + up in place of their product", gated, "a slip of an operator"}, added()},
    };
}

}  // namespace gemma
