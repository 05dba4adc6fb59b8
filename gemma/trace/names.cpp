#include "gemma/trace/names.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>

namespace gemma {

namespace {

constexpr std::string_view layers = "model.layers.";

// A stage of the forward pass; each norm has three names in it.
enum Stage : std::size_t { embedding, decoder_layers, final_norm, logits, unknown };

constexpr std::array<std::string_view, 2> embedding_names = {"model.embed_tokens", "model.embed_scaled"};
constexpr std::array<std::string_view, 3> norm_names = {"model.norm.mean_square", "model.norm.normalized",
                                                        "model.norm"};
constexpr std::array<std::string_view, 21> layer_parts = {
    "input_layernorm.mean_square",
    "input_layernorm.normalized",
    "input_layernorm",
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.q_rope",
    "self_attn.k_rope",
    "self_attn.scores",
    "self_attn.probs",
    "self_attn.context",
    "self_attn.o_proj",
    "residual_attn",
    "post_attention_layernorm.mean_square",
    "post_attention_layernorm.normalized",
    "post_attention_layernorm",
    "mlp.gate_proj",
    "mlp.act_fn",
    "mlp.up_proj",
    "mlp.gated",
    "mlp.down_proj",
};

// Where a name stands in a list; the list's length when it is not there.
template <std::size_t N>
std::size_t place(const std::array<std::string_view, N>& list, std::string_view name) {
    return static_cast<std::size_t>(std::find(list.begin(), list.end(), name) - list.begin());
}

std::string_view last_part(std::string_view name) { return name.substr(name.rfind('.') + 1); }

}  // namespace

std::optional<LayerName> layer_name(std::string_view name) {
    if (name.substr(0, layers.size()) != layers) return {};
    name.remove_prefix(layers.size());
    LayerName result{};
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), result.layer);
    if (error != std::errc()) return {};
    name.remove_prefix(static_cast<std::size_t>(end - name.data()));
    if (name.empty()) return result;
    if (name.front() != '.') return {};
    result.part = name.substr(1);
    return result;
}

std::vector<std::string_view> layer_part_names() { return {layer_parts.begin(), layer_parts.end()}; }

std::size_t token_axis(std::string_view name, const Shape& shape) {
    const bool of_heads = last_part(name) == "scores" || last_part(name) == "probs";
    return of_heads && shape.size() == 3 ? 1 : 0;
}

bool is_scores(std::string_view name) { return last_part(name) == "scores"; }

ForwardOrder forward_order(const std::string& name) {
    if (const std::optional<LayerName> inside = layer_name(name)) {
        const std::size_t output = layer_parts.size() + 1;
        const std::size_t part = inside->part.empty() ? output : place(layer_parts, inside->part);
        return {decoder_layers, inside->layer, part, name};
    }
    if (const std::size_t i = place(embedding_names, name); i < embedding_names.size()) return {embedding, 0, i, name};
    if (const std::size_t i = place(norm_names, name); i < norm_names.size()) return {final_norm, 0, i, name};
    return {name == "lm_head" ? logits : unknown, 0, 0, name};
}

void sort_in_forward_order(std::vector<std::string>& names) {
    std::sort(names.begin(), names.end(),
              [](const std::string& a, const std::string& b) { return forward_order(a) < forward_order(b); });
}

bool matches(const std::string& name, const std::string& pattern) {
    return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

}  // namespace gemma
