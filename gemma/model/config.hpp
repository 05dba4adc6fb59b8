// What a Gemma is like: the numbers of its config.json.
#pragma once

#include "gemma/dtype.hpp"

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace gemma {

/// The numbers that make one Gemma differ from another, under Hugging Face's names (axis letter beside).
struct Config {
    std::size_t vocab_size;               // V
    std::size_t hidden_size;              // D
    std::size_t intermediate_size;        // F
    std::size_t num_hidden_layers;        // L
    std::size_t num_attention_heads;      // H
    std::size_t num_key_value_heads;      // K
    std::size_t head_dim;                 // d: its own number, not D / H (7B: 256, where D / H = 192)
    std::size_t max_position_embeddings;  // the longest context
    float rms_norm_eps = 1e-6f;
    float rope_theta = 10000.0f;
    DType torch_dtype = DType::bfloat16;  // the format the weights are published in
    int pad_token_id = 0;
    int eos_token_id = 1;
    int bos_token_id = 2;
};

/// The published models (Gemma, Mesnard et al. 2024, table 1).
Config gemma_2b();
Config gemma_7b();

/// Reads the text of a config.json; `source` names it in errors. Both activation fields are understood: Gemma's gate
/// is the tanh form of GELU, also where an older file says "hidden_act": "gelu". Throws an Error for what is not a
/// first-generation Gemma (another model_type, an unknown activation, scaled RoPE, biases in attention, an output
/// matrix of its own, other special tokens), for a missing or non-positive number or one so large that products of
/// them could overflow, for H not divisible by K, and for an odd head_dim.
Config parse_config(std::string_view json, const std::string& source);

/// Reads a config.json file.
Config read_config(const std::filesystem::path& file);

/// The config.json of a Config: what parse_config reads back.
std::string to_json(const Config& config);

/// A built-in name ("gemma-2b", "gemma-7b"), a model directory, or a config.json file.
Config find_config(const std::string& name);

}  // namespace gemma
