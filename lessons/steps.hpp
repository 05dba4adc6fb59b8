// The steps of a decoder layer in the order of the forward pass: what each is called, its axes and its formula; and how
// lessons read and print them.
#pragma once

#include "gemma/trace/record.hpp"
#include "viz/console.hpp"

#include <array>
#include <string>
#include <vector>

namespace lesson {

struct Step {
    const char* name;     // the trace name, inside model.layers.i
    const char* axes;     // its shape in letters
    const char* formula;  // from the steps before it
};

inline constexpr std::array<Step, 21> layer_steps = {{
    {"input_layernorm.mean_square", "T", "(1/D) Σ x²"},
    {"input_layernorm.normalized", "T D", "x / √(mean_square + ε)"},
    {"input_layernorm", "T D", "normalized · (1 + w)"},
    {"self_attn.q_proj", "T H d", "norm Wqᵀ"},
    {"self_attn.k_proj", "T K d", "norm Wkᵀ"},
    {"self_attn.v_proj", "T K d", "norm Wvᵀ"},
    {"self_attn.q_rope", "T H d", "q turned by position · θⱼ"},
    {"self_attn.k_rope", "T K d", "k turned by position · θⱼ"},
    {"self_attn.scores", "H T S", "q kᵀ / √d"},
    {"self_attn.probs", "H T S", "softmax, no later token"},
    {"self_attn.context", "T H d", "probs · v"},
    {"self_attn.o_proj", "T D", "context Woᵀ"},
    {"residual_attn", "T D", "x + o_proj"},
    {"post_attention_layernorm.mean_square", "T", "(1/D) Σ x²"},
    {"post_attention_layernorm.normalized", "T D", "x / √(mean_square + ε)"},
    {"post_attention_layernorm", "T D", "normalized · (1 + w)"},
    {"mlp.gate_proj", "T F", "norm Wgᵀ"},
    {"mlp.act_fn", "T F", "gelu(gate)"},
    {"mlp.up_proj", "T F", "norm Wuᵀ"},
    {"mlp.gated", "T F", "gelu(gate) ⊗ up"},
    {"mlp.down_proj", "T D", "gated Wdᵀ"},
}};

/// The scope of layer i: "model.layers.3".
std::string layer_name(std::size_t i);

/// The last token's numbers: its row, or its row of head 0 where there are heads.
std::vector<float> last_row(const gemma::Record& record, const std::string& name);

/// The length of the last token's row.
double last_norm(const gemma::Record& record, const std::string& name);

/// One line: label, shape, formula, the first numbers of the last token. `name` is that of the tensor in the record.
std::string step_line(const viz::Console& console, const std::string& label, const Step& step,
                      const gemma::Record& record, const std::string& name);

/// The lines of all steps of layer i, each with what it is called inside the layer.
std::vector<std::string> layer_lines(const viz::Console& console, const gemma::Record& record, std::size_t i);

}  // namespace lesson
