// GLU, the gated linear unit: a linear path, and for each of its numbers a gate between 0 (closed) and 1 (open).
//
//   GLU(X) = (X∗W + b) ⊗ σ(X∗V + c)
//
//   (X∗W + b)_t = b + Σ_{i=0}^{k-1} x_{t-k+1+i} W_i          x_t = 0 before the first token
//
// Language Modeling with Gated Convolutional Networks (Dauphin et al. 2016). ∗ is a causal convolution over tokens: its
// kernel spans the whole embedding and k tokens, token t and the k - 1 before it; it sees nothing of what comes later.
//
// Why a gate without tanh on the linear path: for X gated by itself
//
//   ∇[X ⊗ σ(X)]       = ∇X ⊗ σ(X) + X ⊗ σ'(X)∇X
//   ∇[tanh(X) ⊗ σ(X)] = tanh'(X)∇X ⊗ σ(X) + tanh(X) ⊗ σ'(X)∇X      the GTU, the gated tanh unit of LSTMs
//
// The first term of GLU passes the gradient through an open gate as it is; both terms of GTU shrink it by a slope,
// tanh' ≤ 1 or σ' ≤ 1/4, in every layer.
//
// What Gemma does differently from the paper: no convolution (k = 1) and no biases in its MLP, GELU for σ, and the
// matrix that is gated is called "up"; see geglu.hpp.
//
// Trace points: .linear, .gate_logits, .gate [T, F], and the scope itself [T, F] for the output.
#pragma once

#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

namespace gemma {

/// X∗W + b: x is [T, D], the kernel W is [k, D, F], last the token itself, and the bias is [F]. Returns [T, F].
/// With k = 1 it is the linear map x W_0 + b. Throws an Error when the shapes do not fit or k is 0.
Matrix causal_convolution(const Matrix& x, const Tensor3& kernel, const Vector& bias);

/// (x∗W + b) ⊗ σ(x∗V + c): x is [T, D], W and V are [k, D, F], b and c are [F]. Returns [T, F].
/// Throws an Error when the shapes do not fit.
Matrix glu(const Matrix& x, const Tensor3& W, const Vector& b, const Tensor3& V, const Vector& c, Trace trace = {});

/// The gradient of a loss by the input of a GLU layer: from output_gradient = ∂loss/∂y [T, F] to ∂loss/∂x [T, D].
Matrix glu_input_gradient(const Matrix& output_gradient, const Matrix& x, const Tensor3& W, const Vector& b,
                          const Tensor3& V, const Vector& c);

/// How fast a gated number grows with the linear path a and with the gate's logit g.
struct GluSlopes {
    float linear;  // ∂/∂a
    float gate;    // ∂/∂g
};

/// a σ(g): σ(g) by a, the plain sigmoid, and a σ'(g) by g.
GluSlopes glu_derivative(float a, float g);

/// tanh(a) σ(g): tanh'(a) σ(g) by a, and tanh(a) σ'(g) by g.
GluSlopes gtu_derivative(float a, float g);

}  // namespace gemma
