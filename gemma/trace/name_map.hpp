// Whose names are these? What other programs call the tensors of a trace.
//
// gemma/trace/README.md has the table of all names, and what each was checked against.
#pragma once

#include "gemma/trace/sizes.hpp"

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace gemma {

/// Which of several tensors of one name. A program that names the nodes of a graph can give a name twice: the second
/// is "NAME#2".
enum class Occurrence { last, first_of_several };

/// theirs → ours. {i} in both stands for a layer's number; "{<i}" is what layer i is given: model.embed_scaled or
/// the output of the layer before it.
struct NameRule {
    std::string theirs;
    std::string ours;         // empty: has no partner
    std::string reason = "";  // why not
    Occurrence occurrence = Occurrence::last;
};

/// What a tensor of a file is.
struct Translation {
    std::string ours;    // empty: left out
    std::string reason;  // why
};

/// The names of one program.
struct Convention {
    std::string name;
    std::vector<NameRule> rules;
    bool keeps_others = false;  // names that no rule knows stay as they are
    bool tokens_first = false;  // queries, keys, values and contexts are [T, H, d]
    bool ggml_shapes = false;   // shapes may count from the innermost axis
};

/// "our names", "Hugging Face", "gemma_pytorch", "TransformerLens", "llama.cpp".
const std::vector<Convention>& conventions();

/// The one that knows most of the names, the first of those that know equally many.
const Convention& convention_of(const std::vector<std::string>& names);

/// Reads a JSON file {"their name": "our name"}. Throws an Error that names the file for what is no such object.
std::vector<NameRule> read_name_rules(const std::filesystem::path& file);

/// What each of the names is. Rules earlier in the list have the first choice, and each tensor of ours is given once.
/// `layers` is the number of layers, 0 where it is not known: then the largest hidden_states.N is the last one.
std::vector<Translation> translate(const std::vector<std::string>& names, const std::vector<NameRule>& rules,
                                   bool keeps_others, std::size_t layers);

}  // namespace gemma
