#include "gemma/model/parameters.hpp"

#include "gemma/error.hpp"

#include <string>
#include <utility>

namespace gemma {

std::string_view to_string(Part part) {
    switch (part) {
        case Part::embedding: return "embedding";
        case Part::attention: return "attention";
        case Part::mlp: return "mlp";
        case Part::norm: return "norm";
    }
    fail("unknown part number {}", static_cast<int>(part));
}

std::vector<Parameter> parameters(const Config& config) {
    const std::size_t V = config.vocab_size, D = config.hidden_size, F = config.intermediate_size;
    const std::size_t query = config.num_attention_heads * config.head_dim;  // H·d
    const std::size_t key = config.num_key_value_heads * config.head_dim;    // K·d
    std::vector<Parameter> all;
    const auto add = [&](const std::string& name, Shape shape, Part part) {
        all.push_back({{name + ".weight", config.torch_dtype, std::move(shape)}, part});
    };
    add("model.embed_tokens", {V, D}, Part::embedding);
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
        const std::string layer = fmt::format("model.layers.{}.", i);
        add(layer + "input_layernorm", {D}, Part::norm);
        add(layer + "self_attn.q_proj", {query, D}, Part::attention);
        add(layer + "self_attn.k_proj", {key, D}, Part::attention);
        add(layer + "self_attn.v_proj", {key, D}, Part::attention);
        add(layer + "self_attn.o_proj", {D, query}, Part::attention);
        add(layer + "post_attention_layernorm", {D}, Part::norm);
        add(layer + "mlp.gate_proj", {F, D}, Part::mlp);
        add(layer + "mlp.up_proj", {F, D}, Part::mlp);
        add(layer + "mlp.down_proj", {D, F}, Part::mlp);
    }
    add("model.norm", {D}, Part::norm);
    return all;
}

}  // namespace gemma
