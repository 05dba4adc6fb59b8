#include "gemma/trace/sizes.hpp"

#include "gemma/trace/names.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace gemma {

namespace {

using Size = std::size_t TraceSizes::*;
using Letters = std::vector<Size>;

constexpr Size T = &TraceSizes::T, D = &TraceSizes::D, H = &TraceSizes::H, K = &TraceSizes::K, d = &TraceSizes::d,
               F = &TraceSizes::F, V = &TraceSizes::V, L = &TraceSizes::L;

// The shape of a part of a layer; the layer's output is the part "".
std::optional<Letters> letters_of_part(std::string_view part) {
    static const std::vector<std::pair<std::string_view, Letters>> parts = {
        {"", {T, D}},
        {"input_layernorm.mean_square", {T}},
        {"input_layernorm.normalized", {T, D}},
        {"input_layernorm", {T, D}},
        {"self_attn.q_proj", {T, H, d}},
        {"self_attn.k_proj", {T, K, d}},
        {"self_attn.v_proj", {T, K, d}},
        {"self_attn.q_rope", {T, H, d}},
        {"self_attn.k_rope", {T, K, d}},
        {"self_attn.scores", {H, T, T}},
        {"self_attn.probs", {H, T, T}},
        {"self_attn.context", {T, H, d}},
        {"self_attn.o_proj", {T, D}},
        {"residual_attn", {T, D}},
        {"post_attention_layernorm.mean_square", {T}},
        {"post_attention_layernorm.normalized", {T, D}},
        {"post_attention_layernorm", {T, D}},
        {"mlp.gate_proj", {T, F}},
        {"mlp.act_fn", {T, F}},
        {"mlp.up_proj", {T, F}},
        {"mlp.gated", {T, F}},
        {"mlp.down_proj", {T, D}},
    };
    const auto found = std::find_if(parts.begin(), parts.end(), [&](const auto& row) { return row.first == part; });
    return found == parts.end() ? std::nullopt : std::optional<Letters>(found->second);
}

// The letters of a name's shape.
std::optional<Letters> letters_of(const std::string& name) {
    if (const std::optional<LayerName> inside = layer_name(name)) return letters_of_part(inside->part);
    if (name == "lm_head") return Letters{T, V};
    if (name == "model.norm.mean_square") return Letters{T};
    for (const char* row : {"model.embed_tokens", "model.embed_scaled", "model.norm.normalized", "model.norm"}) {
        if (name == row) return Letters{T, D};
    }
    return {};
}

}  // namespace

TraceSizes sizes_of(const Config& config, std::size_t tokens) {
    return {tokens,          config.hidden_size,       config.num_attention_heads, config.num_key_value_heads,
            config.head_dim, config.intermediate_size, config.vocab_size,          config.num_hidden_layers};
}

TraceSizes sizes_of(const Record& record) {
    TraceSizes sizes;
    for (const std::string& name : record.names()) {
        if (const std::optional<LayerName> inside = layer_name(name)) {
            sizes.L = std::max(sizes.L, inside->layer + 1);
        }
        const std::optional<Letters> letters = letters_of(name);
        const Shape shape = record.shape(name);
        if (!letters || letters->size() != shape.size()) continue;
        for (std::size_t axis = 0; axis < shape.size(); ++axis) {
            // The rows of a part of a run are fewer than the scores' columns.
            sizes.*(*letters)[axis] = std::max(sizes.*(*letters)[axis], shape[axis]);
        }
    }
    return sizes;
}

TraceSizes completed(TraceSizes known, const TraceSizes& others) {
    for (const Size size : {T, D, H, K, d, F, V, L}) {
        if (known.*size == 0) known.*size = others.*size;
    }
    return known;
}

std::optional<Shape> expected_shape(const std::string& name, const TraceSizes& sizes) {
    const std::optional<Letters> letters = letters_of(name);
    if (!letters) return {};
    Shape shape;
    for (const Size size : *letters) shape.push_back(sizes.*size);
    return shape;
}

}  // namespace gemma
