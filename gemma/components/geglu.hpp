// GEGLU and its siblings: a gated linear unit whose gate is an activation of one's choice.
//
//   gated = activation(x Wᵀ) ⊗ (x Vᵀ)
//
//   GLU       σ(a) ⊗ b         the original (Dauphin et al. 2016), see glu.hpp
//   bilinear  a ⊗ b            no activation at all
//   ReGLU     max(a, 0) ⊗ b
//   GEGLU     gelu(a) ⊗ b
//   SwiGLU    a σ(a) ⊗ b
//
// GLU Variants Improve Transformer (Shazeer 2020).
//
// What Gemma does: its whole MLP is a GEGLU between two linear maps, without biases, with the tanh form of GELU:
//
//   y = down(gelu_tanh(gate(x)) ⊗ up(x))
//
// Trace points of feed_forward: .gate_proj, .act_fn, .up_proj, .gated [T, F], .down_proj [T, D].
#pragma once

#include "gemma/linear/linear.hpp"
#include "gemma/precision.hpp"
#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

namespace gemma {

enum class Gate { sigmoid, identity, relu, gelu, swish };

/// activation(gate) ⊗ up, both [T, F], for one of the siblings: GLU, bilinear, ReGLU, GEGLU, SwiGLU.
Matrix gated_unit(Matrix gate, const Matrix& up, Gate activation);

/// How fast a gated number grows with its gate and with its up half.
struct GatedUnitSlopes {
    float gate;  // ∂/∂gate
    float up;    // ∂/∂up
};

/// The slopes of activation(gate) · up: activation'(gate) · up by the gate, activation(gate) by up.
GatedUnitSlopes gated_unit_derivative(float gate, float up, Gate activation);

/// The matrices of Gemma's MLP, [out, in].
struct FeedForwardWeights {
    WeightMatrix gate_proj;  // [F, D]
    WeightMatrix up_proj;    // [F, D]
    WeightMatrix down_proj;  // [D, F]
};

/// Gemma's MLP: down(gelu_tanh(gate(x)) ⊗ up(x)) for x [T, D]; returns [T, D].
Matrix feed_forward(const Matrix& x, const FeedForwardWeights& weights, Trace trace = {},
                    Precision precision = Precision::float32);

}  // namespace gemma
