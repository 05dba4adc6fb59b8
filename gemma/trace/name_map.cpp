#include "gemma/trace/name_map.hpp"

#include "gemma/checkpoint/mapped_file.hpp"
#include "gemma/error.hpp"
#include "gemma/json.hpp"
#include "gemma/trace/names.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <string_view>

namespace gemma {

namespace {

constexpr std::string_view layer_number = "{i}", layer_input = "{<i}";
constexpr std::string_view hidden_states = "hidden_states.{i}";

constexpr const char* copies = "a copy of the residual stream, which has a name of its own";
constexpr const char* scale = "sqrt(mean square + eps); a trace has the mean square";

// Names of PyTorch modules that are ours as they are.
std::vector<NameRule> our_rules() {
    std::vector<NameRule> rules;
    for (const char* name : {"model.embed_tokens", "model.embed_scaled", "model.norm.mean_square",
                             "model.norm.normalized", "model.norm", "lm_head", "model.layers.{i}"}) {
        rules.push_back({name, name});
    }
    for (const std::string_view part : layer_part_names()) {
        const std::string name = "model.layers.{i}." + std::string(part);
        rules.push_back({name, name});
    }
    return rules;
}

std::vector<NameRule> with_ours(const std::vector<NameRule>& others) {
    std::vector<NameRule> rules = our_rules();
    rules.insert(rules.end(), others.begin(), others.end());
    return rules;
}

std::vector<NameRule> hugging_face_rules() {
    return with_ours({
        {"hidden_states.{i}", "{<i}"},
        {"attentions.{i}", "model.layers.{i}.self_attn.probs"},
        {"logits", "lm_head"},
        {"model.layers.{i}.self_attn", "model.layers.{i}.self_attn.o_proj"},
        {"model.layers.{i}.mlp", "model.layers.{i}.mlp.down_proj"},
        {"model", "model.norm"},
    });
}

std::vector<NameRule> gemma_pytorch_rules() {
    return with_ours({
        {"embedder", "model.embed_tokens"},
        {"model.layers.{i}.self_attn.qkv_proj", "model.layers.{i}.self_attn.qkv_proj"},
        {"model.layers.{i}.self_attn", "model.layers.{i}.self_attn.o_proj"},
        {"model.layers.{i}.mlp", "model.layers.{i}.mlp.down_proj"},
        {"model", "model.norm"},
        {"logits", "lm_head"},
    });
}

std::vector<NameRule> transformer_lens_rules() {
    const std::string block = "blocks.{i}.", layer = "model.layers.{i}.";
    const std::string attention = layer + "self_attn.", mlp = layer + "mlp.";
    return {
        {"hook_embed", "model.embed_scaled"},
        {block + "hook_resid_post", "model.layers.{i}"},
        {block + "hook_resid_pre", "{<i}"},
        {block + "ln1.hook_scale", "", scale},
        {block + "ln1.hook_normalized", layer + "input_layernorm.normalized"},
        {block + "attn.hook_q", attention + "q_proj"},
        {block + "attn.hook_k", attention + "k_proj"},
        {block + "attn.hook_v", attention + "v_proj"},
        {block + "attn.hook_rot_q", attention + "q_rope"},
        {block + "attn.hook_rot_k", attention + "k_rope"},
        {block + "attn.hook_attn_scores", attention + "scores"},
        {block + "attn.hook_pattern", attention + "probs"},
        {block + "attn.hook_z", attention + "context"},
        {block + "attn.hook_result", "", "attention's output head by head; a trace has their sum"},
        {block + "hook_attn_in", "", copies},
        {block + "hook_q_input", "", copies},
        {block + "hook_k_input", "", copies},
        {block + "hook_v_input", "", copies},
        {block + "hook_attn_out", attention + "o_proj"},
        {block + "hook_resid_mid", layer + "residual_attn"},
        {block + "hook_mlp_in", "", copies},
        {block + "ln2.hook_scale", "", scale},
        {block + "ln2.hook_normalized", layer + "post_attention_layernorm.normalized"},
        {block + "mlp.hook_pre", mlp + "gate_proj"},
        {block + "mlp.hook_pre_linear", mlp + "up_proj"},
        {block + "mlp.hook_post", mlp + "gated"},
        {block + "hook_mlp_out", mlp + "down_proj"},
        {"ln_final.hook_scale", "", scale},
        {"ln_final.hook_normalized", "model.norm.normalized"},
        {"logits", "lm_head"},
    };
}

std::vector<NameRule> llama_cpp_rules() {
    const std::string layer = "model.layers.{i}.", attention = layer + "self_attn.", mlp = layer + "mlp.";
    const Occurrence first = Occurrence::first_of_several;
    return {
        {"inp_embd", "model.embed_tokens"},
        {"inp_scaled", "model.embed_scaled"},
        {"norm-{i}", layer + "input_layernorm.normalized", "", first},
        {"norm-{i}", layer + "post_attention_layernorm.normalized"},
        {"attn_norm-{i}", layer + "input_layernorm"},
        {"Qcur-{i}", attention + "q_proj", "", first},
        {"Qcur-{i}", attention + "q_rope"},
        {"Kcur-{i}", attention + "k_proj", "", first},
        {"Kcur-{i}", attention + "k_rope"},
        {"Vcur-{i}", attention + "v_proj"},
        {"Qcur_scaled-{i}", "", "the rotated query times d^-1/2; a trace has it before that factor"},
        {"kq-{i}", attention + "scores"},
        {"kq_soft_max-{i}", attention + "probs"},
        {"kq_soft_max_ext-{i}", attention + "probs"},
        {"kqv_merged_cont-{i}", attention + "context"},
        {"kqv_out-{i}", attention + "context"},
        {"kqv_out-{i}", attention + "o_proj"},
        {"attn_out-{i}", attention + "o_proj"},
        {"sa_out-{i}", layer + "residual_attn"},
        {"ffn_inp-{i}", layer + "residual_attn"},
        {"ffn_norm-{i}", layer + "post_attention_layernorm"},
        {"ffn_gate-{i}", mlp + "gate_proj"},
        {"ffn_gelu-{i}", mlp + "act_fn"},
        {"ffn_up-{i}", mlp + "up_proj"},
        {"ffn_geglu-{i}", mlp + "gated"},
        {"ffn_gate_par-{i}", mlp + "gated"},
        {"ffn_out-{i}", mlp + "down_proj"},
        {"ffn_down-{i}", mlp + "down_proj"},
        {"l_out-{i}", "model.layers.{i}"},
        {"norm", "model.norm.normalized"},
        {"result_norm", "model.norm"},
        {"result_output", "lm_head"},
    };
}

// A name, and which of those that are called so: "Qcur-0#2" is the second Qcur-0.
struct Numbered {
    std::string base;
    std::size_t occurrence;
};

Numbered numbered(const std::string& name) {
    const std::size_t mark = name.rfind('#');
    if (mark == std::string::npos || mark == 0) return {name, 1};
    std::size_t occurrence = 0;
    const char* const end = name.data() + name.size();
    const auto [last, error] = std::from_chars(name.data() + mark + 1, end, occurrence);
    if (error != std::errc() || last != end || occurrence < 2) return {name, 1};
    return {name.substr(0, mark), occurrence};
}

// Whether a name fits a pattern, and which number stands for its {i}.
bool fits(const std::string& name, const std::string& pattern, std::size_t& layer) {
    const std::size_t mark = pattern.find(layer_number);
    if (mark == std::string::npos) return name == pattern;
    const std::string_view before = std::string_view(pattern).substr(0, mark);
    const std::string_view behind = std::string_view(pattern).substr(mark + layer_number.size());
    if (name.size() <= before.size() + behind.size() || name.compare(0, before.size(), before) != 0 ||
        name.compare(name.size() - behind.size(), behind.size(), behind) != 0) {
        return false;
    }
    const char* const end = name.data() + name.size() - behind.size();
    const auto [last, error] = std::from_chars(name.data() + before.size(), end, layer);
    return error == std::errc() && last == end;
}

std::string replaced(const std::string& text, std::string_view mark, const std::string& by) {
    const std::size_t place = text.find(mark);
    return place == std::string::npos ? text : text.substr(0, place) + by + text.substr(place + mark.size());
}

// Our name for what a rule says of layer `layer`.
std::string filled_in(const NameRule& rule, std::size_t layer, std::size_t layers) {
    // The last of the hidden states has been through the final norm.
    if (rule.theirs == hidden_states && layer == layers) return "model.norm";
    const std::string input = layer == 0 ? "model.embed_scaled" : "model.layers." + std::to_string(layer - 1);
    return replaced(replaced(rule.ours, layer_input, input), layer_number, std::to_string(layer));
}

std::size_t largest_hidden_state(const std::vector<std::string>& names) {
    std::size_t largest = 0, layer = 0;
    for (const std::string& name : names) {
        if (fits(name, std::string(hidden_states), layer)) largest = std::max(largest, layer);
    }
    return largest;
}

bool knows(const Convention& convention, const std::string& name) {
    std::size_t layer = 0;
    const std::string base = numbered(name).base;
    return std::any_of(convention.rules.begin(), convention.rules.end(),
                       [&](const NameRule& rule) { return fits(base, rule.theirs, layer); });
}

// How many of the file's tensors have each name.
std::map<std::string, std::size_t> count_occurrences(const std::vector<std::string>& names) {
    std::map<std::string, std::size_t> count;
    for (const std::string& name : names) {
        const Numbered parts = numbered(name);
        count[parts.base] = std::max(count[parts.base], parts.occurrence);
    }
    return count;
}

}  // namespace

const std::vector<Convention>& conventions() {
    static const std::vector<Convention> all = {
        {"our names", our_rules(), true, false, false},
        {"Hugging Face", hugging_face_rules(), false, false, false},
        {"gemma_pytorch", gemma_pytorch_rules(), false, false, false},
        {"TransformerLens", transformer_lens_rules(), false, true, false},
        {"llama.cpp", llama_cpp_rules(), false, true, true},
    };
    return all;
}

const Convention& convention_of(const std::vector<std::string>& names) {
    const auto known = [&](const Convention& convention) {
        return std::count_if(names.begin(), names.end(),
                             [&](const std::string& name) { return knows(convention, name); });
    };
    return *std::max_element(conventions().begin(), conventions().end(),
                             [&](const Convention& a, const Convention& b) { return known(a) < known(b); });
}

std::vector<NameRule> read_name_rules(const std::filesystem::path& file) {
    const MappedFile mapped(file);
    const std::string_view text(reinterpret_cast<const char*>(mapped.data()), mapped.size());
    const nlohmann::json object = parse_json_object(text, file.string());
    std::vector<NameRule> rules;
    for (const auto& [theirs, ours] : object.items()) {
        if (!ours.is_string() || ours.get_ref<const std::string&>().empty()) {
            fail("{}: {} is {}, expected the name of a tensor in our traces", file.string(), excerpt(theirs),
                 excerpt(ours));
        }
        rules.push_back({theirs, ours.get<std::string>()});
        const bool counts = theirs.find(layer_number) != std::string::npos;
        if (!counts && rules.back().ours.find(layer_number) != std::string::npos) {
            fail("{}: {} is {}, expected {{i}} in both names or in the first only", file.string(), excerpt(theirs),
                 excerpt(ours));
        }
    }
    return rules;
}

std::vector<Translation> translate(const std::vector<std::string>& names, const std::vector<NameRule>& rules,
                                   bool keeps_others, std::size_t layers) {
    if (layers == 0) layers = largest_hidden_state(names);
    const std::map<std::string, std::size_t> occurrences = count_occurrences(names);
    std::vector<std::optional<Translation>> found(names.size());
    std::map<std::string, std::string> given;  // by our name: theirs
    for (const NameRule& rule : rules) {
        for (std::size_t n = 0; n < names.size(); ++n) {
            const Numbered name = numbered(names[n]);
            std::size_t layer = 0;
            if ((found[n] && (!found[n]->ours.empty())) || !fits(name.base, rule.theirs, layer)) continue;
            const std::size_t count = occurrences.at(name.base);
            const bool asked_for =
                rule.occurrence == Occurrence::last ? name.occurrence == count : count > 1 && name.occurrence == 1;
            if (!asked_for) continue;
            if (rule.ours.empty()) {
                found[n] = Translation{"", rule.reason};
                continue;
            }
            const std::string ours = filled_in(rule, layer, layers);
            const auto [other, is_free] = given.emplace(ours, names[n]);
            found[n] = is_free ? Translation{ours, ""}
                               : Translation{"", fmt::format("is {}, as which {} was taken", ours, other->second)};
        }
    }
    std::vector<Translation> result;
    for (std::size_t n = 0; n < names.size(); ++n) {
        const Numbered name = numbered(names[n]);
        if (found[n]) {
            result.push_back(*found[n]);
        } else if (occurrences.at(name.base) > 1) {
            result.push_back({"", fmt::format("one of {} tensors of this name, neither the first nor the last",
                                              occurrences.at(name.base))});
        } else if (keeps_others && given.count(names[n]) == 0) {
            result.push_back({names[n], ""});
        } else {
            result.push_back({"", "a name that is not known"});
        }
    }
    return result;
}

}  // namespace gemma
