// What comes on the command line: the first letter of an input says for which option the rest is.
#include "gemma/cli/edits.hpp"
#include "gemma/cli/options.hpp"
#include "gemma/trace/names.hpp"
#include "gemma/trace/record.hpp"
#include "tests/fuzz/target.hpp"

#include <fmt/format.h>

namespace {

using namespace gemma;

// An argument is the user's own, so its line breaks may stand in the line about it; else it must be taken or refused.
template <typename Read>
void taken_or_refused(const Read& read) {
    try {
        read();
    } catch (const Error&) {
    }
}

void read_tokens(const std::string& text) {
    std::string again;
    for (const int token : parse_tokens(text)) again += fmt::format("{}{}", again.empty() ? "" : ",", token);
    fuzz::require(again.size() <= text.size(), "token ids are read as they are written, but for zeros before them");
}

void read_range(const std::string& text) {
    const TokenRange range = parse_token_range(text);
    fuzz::require(range.begin < range.end, "a range has tokens");
}

void read_edits(const EditOptions& options) {
    for (const AskedEdit& asked : parse_edits(options)) {
        fuzz::require(!asked.edit.name.empty(), "an edit has a name");
        EditedRun run;
        run.shapes = {{"model.layers.0.self_attn.probs", {2, 3, 3}}, {"model.norm", {3, 4}}, {"x.mean_square", {3}}};
        run.prompt_tokens = run.tokens = 3;
        if (!asked.file.empty()) continue;  // a trace: that has a target of its own
        for (const Edit& edit : edits_for(asked, run)) {
            fuzz::require(run.shapes.count(edit.name) == 1, "an edit is of a tensor that is there");
            fuzz::require(!edit.head || *edit.head < 2, "an edit is of a head that is there");
            fuzz::require(!edit.token || *edit.token < 3, "an edit is of a token that is there");
        }
    }
}

// A pattern and a name, with a line break between them.
void read_pattern(const std::string& text) {
    const std::string pattern = text.substr(0, text.find('\n')),
                      name = text.substr(std::min(text.size(), pattern.size() + 1));
    matches(name, pattern);
    fuzz::require(matches(name, "*"), "* fits every name");
    forward_order(name);
    layer_name(name);
    token_axis(name, {1, 2, 3});
}

void read(const std::string& input) {
    if (input.empty()) return;
    const std::string rest = input.substr(1);
    taken_or_refused([&] {
        switch (input[0]) {
            case 't': read_tokens(rest); break;
            case 'r': read_range(rest); break;
            case 'a': read_edits({{rest}, {}, {}}); break;
            case 'p': read_edits({{}, {rest}, {}}); break;
            case 's': read_edits({{}, {}, {rest}}); break;
            default: read_pattern(rest);
        }
    });
}

std::vector<std::string> seeds() {
    return {"t2,5,7",
            "t2147483647,2147483648",
            "r0:4",
            "r18446744073709551615:0",
            "amodel.layers.0.*:1@2",
            "amodel.norm@18446744073709551615",
            "smodel.norm@1=-0.5e3",
            "s*:0=nan",
            "pmodel.layers.*:1@0=other.safetensors",
            "nmodel.layers.?.mlp.*\nmodel.layers.10.mlp.gated",
            "n[!a-z]*\\\nmodel.layers.18446744073709551616.self_attn.probs"};
}

const fuzz::Register target({"arguments", read, seeds});

}  // namespace
