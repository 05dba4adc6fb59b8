#include "gemma/trace/flow.hpp"

#include "gemma/trace/names.hpp"

#include <optional>

namespace gemma {

namespace {

// A part of a layer, what feeds it, and how. Inputs are parts of the same layer; "<" is what the layer is given: the
// output of the layer before it, or the scaled embedding.
struct PartStep {
    std::string_view part;
    std::vector<std::string_view> inputs;
    std::string_view formula;
};

constexpr std::string_view mean_square = "mean of x² over the hidden axis";
constexpr std::string_view normalized = "x / sqrt(mean square + eps)";
constexpr std::string_view weighted = "normalized · (1 + weight)";

const std::vector<PartStep>& part_steps() {
    static const std::vector<PartStep> steps = {
        {"input_layernorm.mean_square", {"<"}, mean_square},
        {"input_layernorm.normalized", {"<", "input_layernorm.mean_square"}, normalized},
        {"input_layernorm", {"input_layernorm.normalized"}, weighted},
        {"self_attn.q_proj", {"input_layernorm"}, "x Wqᵀ"},
        {"self_attn.k_proj", {"input_layernorm"}, "x Wkᵀ"},
        {"self_attn.v_proj", {"input_layernorm"}, "x Wvᵀ"},
        {"self_attn.q_rope", {"self_attn.q_proj"}, "pairs (j, j + d/2) rotated by position · 10000^(-2j/d)"},
        {"self_attn.k_rope", {"self_attn.k_proj"}, "pairs (j, j + d/2) rotated by position · 10000^(-2j/d)"},
        {"self_attn.scores", {"self_attn.q_rope", "self_attn.k_rope"}, "q · k / sqrt(d)"},
        {"self_attn.probs", {"self_attn.scores"}, "softmax of the scores up to the row's own token"},
        {"self_attn.context", {"self_attn.probs", "self_attn.v_proj"}, "sum of the values, weighted by probs"},
        {"self_attn.o_proj", {"self_attn.context"}, "x Woᵀ"},
        {"residual_attn", {"<", "self_attn.o_proj"}, "the layer's input + attention's output"},
        {"post_attention_layernorm.mean_square", {"residual_attn"}, mean_square},
        {"post_attention_layernorm.normalized", {"residual_attn", "post_attention_layernorm.mean_square"}, normalized},
        {"post_attention_layernorm", {"post_attention_layernorm.normalized"}, weighted},
        {"mlp.gate_proj", {"post_attention_layernorm"}, "x Wgateᵀ"},
        {"mlp.act_fn", {"mlp.gate_proj"}, "GELU, tanh form, of the gate"},
        {"mlp.up_proj", {"post_attention_layernorm"}, "x Wupᵀ"},
        {"mlp.gated", {"mlp.act_fn", "mlp.up_proj"}, "gelu(gate) · up"},
        {"mlp.down_proj", {"mlp.gated"}, "x Wdownᵀ"},
        {"", {"residual_attn", "mlp.down_proj"}, "attention's residual + the MLP's output"},
    };
    return steps;
}

std::string layer_at(std::size_t layer) { return "model.layers." + std::to_string(layer); }

std::string input_of_layer(std::size_t layer) { return layer == 0 ? "model.embed_scaled" : layer_at(layer - 1); }

Step step_in_layer(const LayerName& name) {
    for (const PartStep& candidate : part_steps()) {
        if (candidate.part != name.part) continue;
        Step step{{}, candidate.formula};
        for (const std::string_view input : candidate.inputs) {
            step.inputs.push_back(input == "<" ? input_of_layer(name.layer)
                                               : layer_at(name.layer) + "." + std::string(input));
        }
        return step;
    }
    return {};
}

}  // namespace

Step step_of(const std::string& name, std::size_t layers) {
    if (const std::optional<LayerName> inside = layer_name(name)) return step_in_layer(*inside);
    const std::string last = layers == 0 ? "model.embed_scaled" : layer_at(layers - 1);
    if (name == "model.embed_tokens") return {{}, "the embedding's rows at the token ids"};
    if (name == "model.embed_scaled") return {{"model.embed_tokens"}, "times sqrt(D)"};
    if (name == "model.norm.mean_square") return {{last}, mean_square};
    if (name == "model.norm.normalized") return {{last, "model.norm.mean_square"}, normalized};
    if (name == "model.norm") return {{"model.norm.normalized"}, weighted};
    if (name == "lm_head") return {{"model.norm"}, "x times the transposed embedding"};
    return {};
}

}  // namespace gemma
