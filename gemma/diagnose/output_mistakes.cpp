// What goes wrong around the layers: the residual sums, the last layer, the final norm, the logits x Eᵀ.
#include "gemma/diagnose/edits.hpp"
#include "gemma/linear/linear.hpp"

#include <algorithm>
#include <cmath>

namespace gemma {

namespace {

Matrix total(Matrix a, const Matrix& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a.data()[i] += b.data()[i];
    return a;
}

// x = rms_norm(x) + part(rms_norm(x))
Edits residual_after_norm() {
    const auto sum_with = [](const char* part) {
        return
            [part](const Seen& seen, const TensorView& y) { assign(y, total(seen.matrix("norm"), seen.matrix(part))); };
    };
    return {{StepEdit::computes, "residual_attn", sum_with("self_attn.o_proj")},
            {StepEdit::computes, "layer", sum_with("mlp.down_proj")}};
}

// x = part(rms_norm(x)), without x + in front
Edits residual_missing(const std::string& step, const std::string& part) {
    return {
        {StepEdit::computes, step, [part](const Seen& seen, const TensorView& y) { assign(y, seen.matrix(part)); }}};
}

// The second sum adds to what came into the layer, so that attention is lost: x + mlp(rms_norm(x + attention)).
Edits attention_lost() {
    return {{StepEdit::computes, "layer", [](const Seen& seen, const TensorView& y) {
                 assign(y, total(seen.layer_input(), seen.matrix("mlp.down_proj")));
             }}};
}

Edits last_layer_missing() {
    return {{StepEdit::computes, "layer", [](const Seen& seen, const TensorView& y) {
                 if (seen.layer_index() + 1 == seen.config().num_hidden_layers) assign(y, seen.layer_input());
             }}};
}

Edits final_norm_missing() {
    return {{StepEdit::computes, "model.norm", [](const Seen& seen, const TensorView& y) { assign(y, seen.x()); }}};
}

Edits logits(float (*change)(float logit, float D)) {
    return {{StepEdit::adjusts, "lm_head", [change](const Seen& seen, const TensorView& y) {
                 const float D = static_cast<float>(seen.config().hidden_size);
                 for (std::size_t i = 0; i < y.size(); ++i) y.data[i] = change(y.data[i], D);
             }}};
}

// The memory of E [V, D], read as the [D, V] of a matrix that is not transposed again: logits = x E'.
Edits transposed_output() {
    return {{StepEdit::computes, "lm_head", [](const Seen& seen, const TensorView& y) {
                 const Matrix x = seen.matrix("norm");
                 const WeightMatrix& embedding = seen.weights().embed_tokens;
                 const std::size_t T = x.shape(0), D = embedding.columns, V = embedding.rows;
                 Matrix memory = Matrix::from_shape({V, D});
                 for (std::size_t v = 0; v < V; ++v) copy_row(embedding, v, &memory(v, 0));
                 const std::size_t first = T - y.shape[0];  // logits may be there for the last tokens only
                 multiply({&x(first, 0), y.shape[0], D, D}, {memory.data(), D, V, V}, {y.data, y.shape[0], V, V});
             }}};
}

}  // namespace

std::vector<KnownMistake> output_mistakes() {
    const std::string attention_sum = "model.layers.0.residual_attn", layer = "model.layers.0";
    const std::string norm = "model.norm", head = "lm_head";
    return {
        {{"residual-after-norm", "the residual is taken after the norm: rms_norm(x) + part(rms_norm(x))", attention_sum,
          "post-norm arrangements; BLOOM has it as an option"},
         residual_after_norm()},
        {{"residual-attention-missing", "no x + before attention's output", attention_sum, "a line left out"},
         residual_missing("residual_attn", "self_attn.o_proj")},
        {{"residual-mlp-missing", "no x + before the MLP's output", layer, "a line left out"},
         residual_missing("layer", "mlp.down_proj")},
        {{"attention-lost", "the MLP's output is added to what came into the layer, so that attention's is lost", layer,
          "the residual kept in a variable that is not renewed"},
         attention_lost()},
        {{"last-layer-missing", "the last layer is left out", "model.layers.{L-1}", "a slip of indices"},
         last_layer_missing()},
        {{"final-norm-missing", "no norm before the logits", norm, "a line left out"}, final_norm_missing()},
        {{"output-scaled", "logits from the scaled embedding: √D times too large", head,
          "√D folded into the tied embedding"},
         logits([](float logit, float D) { return logit * std::sqrt(D); })},
        {{"output-transposed", "the memory of the embedding [V, D] read as [D, V]", head,
          "a reshape in place of a transpose"},
         transposed_output()},
        {{"output-untied", "an output matrix of its own that nobody filled: zeros", head,
          "checkpoints have no lm_head: it is the embedding"},
         logits([](float, float) { return 0.0f; })},
        {{"logits-capped", "logits are 30 tanh(logit / 30)", head, "Gemma 2 does so (Gemma Team 2024)"},
         logits([](float logit, float) { return 30.0f * std::tanh(logit / 30.0f); })},
    };
}

}  // namespace gemma
