// What a known mistake is written with: edits of trace points, and what they can compute from.
#pragma once

#include "gemma/components/mqa.hpp"
#include "gemma/diagnose/mistakes.hpp"
#include "gemma/model/config.hpp"
#include "gemma/model/weights.hpp"
#include "gemma/precision.hpp"
#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace gemma {

/// What a pass has shown so far, as it flows on. A tensor goes by its step: its name without the layer
/// ("mlp.act_fn"); "layer" for a layer's output; "norm", "norm.normalized", "norm.mean_square" for whichever RMSNorm
/// came last; outside the layers its name ("model.embed_scaled", "lm_head").
class Seen {
public:
    explicit Seen(const Model& model) : model_(model) {}

    const Config& config() const { return model_.config(); }
    const Weights& weights() const { return model_.weights(); }
    Precision precision() const { return model_.precision(); }

    std::size_t layer_index() const { return layer_; }
    const LayerWeights& layer() const { return weights().layers[layer_]; }

    /// w of the RMSNorm that is being computed, and of the other one of this layer (the final norm has no other).
    const Vector& norm_weight() const;
    const Vector& other_norm_weight() const;

    /// The residual stream [T, D] that the step reads or adds to, and that which came into this layer.
    const Matrix& x() const { return x_; }
    const Matrix& layer_input() const { return layer_input_; }

    Vector vector(const std::string& step) const;
    Matrix matrix(const std::string& step) const;
    Tensor3 tensor3(const std::string& step) const;

    /// Enters the trace point of this name; then, once it is edited, keeps its numbers.
    void enter(const std::string& name);
    void keep(const TensorView& tensor);

    /// Where the pass is: the step and the full name.
    const std::string& step() const { return step_; }
    const std::string& name() const { return name_; }

private:
    struct Numbers {
        Shape shape;
        std::vector<float> values;
    };
    const Numbers& find(const std::string& step) const;

    const Model& model_;
    std::string name_, step_;
    std::size_t layer_ = 0;
    std::map<std::string, Numbers> steps_;
    Matrix x_, layer_input_;
};

/// Not gemma::Edit, which the editor has (gemma/trace/editor.hpp): two types of one name would be undefined behaviour.
/// Replaces the numbers of the tensor at a step, computed by the clean pass, by mistaken ones.
struct StepEdit {
    enum Kind {
        computes,  // anew, from what was seen
        adjusts,   // the numbers that are there, however they came about
    };
    Kind kind;
    std::string at;  // a step, or the full name of a trace point
    std::function<void(const Seen&, const TensorView& y)> apply;
};

using Edits = std::vector<StepEdit>;

struct KnownMistake {
    Mistake mistake;
    Edits edits;
    std::function<std::vector<int>(std::vector<int>)> tokens = {};
    bool rounds =
        false;  // activations to bfloat16: numbers at the edge fall to one side or the other by float32's noise
};

/// Whether the mistake of this name rounds activations.
bool rounds(const std::string& name);

/// The mistakes of each part of the forward pass.
std::vector<KnownMistake> embedding_mistakes();  // and of the tokens before it
std::vector<KnownMistake> norm_mistakes();
std::vector<KnownMistake> rope_mistakes();
std::vector<KnownMistake> attention_mistakes();
std::vector<KnownMistake> mlp_mistakes();
std::vector<KnownMistake> output_mistakes();  // residual sums, the last layer, the logits

/// The nearest bfloat16.
float to_bfloat16(float x);

/// Copies a tensor over that of a trace point; throws an Error for another shape.
void assign(const TensorView& y, const float* values, const Shape& shape);

template <std::size_t N>
void assign(const TensorView& y, const xt::xtensor<float, N>& values) {
    assign(y, values.data(), shape_of(values));
}

}  // namespace gemma
