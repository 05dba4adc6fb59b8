// Edits of a forward pass from the command line: --ablate, --patch and --scale.
//
//   NAME              all tensors that fit the name, in which * stands for any text and ? for any one character
//   NAME:HEAD         one head of them
//   NAME@TOKEN        one token's rows, counted from 0 over the whole run
//   NAME:HEAD@TOKEN   both
#pragma once

#include "gemma/tensor.hpp"
#include "gemma/trace/editor.hpp"

#include <CLI/CLI.hpp>

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace gemma {

struct EditOptions {
    std::vector<std::string> ablate, patch, scale;

    bool any() const { return !ablate.empty() || !patch.empty() || !scale.empty(); }
};

void add_edit_options(CLI::App& command, EditOptions& options);

/// An option as it was given.
struct AskedEdit {
    const char* option;          // "--patch"
    std::string text;            // "model.layers.2.*:1=other.safetensors"
    Edit edit;                   // its name is the pattern
    std::filesystem::path file;  // of a patch
};

/// Reads them: patches, then scales, then ablations, the order in which they act on a tensor. Throws an Error that
/// names the option for what cannot be read.
std::vector<AskedEdit> parse_edits(const EditOptions& options);

/// The run to edit: its tensors' shapes, and its tokens, those to be generated included.
struct EditedRun {
    std::map<std::string, Shape> shapes;
    std::size_t prompt_tokens, tokens;
};

/// The edits of the tensors that a pattern fits, patches read from their files. Throws an Error that names the option
/// for a pattern that fits none, a head or token that is not there, a patch of another shape or of a text of another
/// length.
std::vector<Edit> edits_for(const AskedEdit& asked, const EditedRun& run);

}  // namespace gemma
