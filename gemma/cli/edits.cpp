#include "gemma/cli/edits.hpp"

#include "gemma/error.hpp"
#include "gemma/trace/names.hpp"
#include "gemma/trace/trace_file.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>

namespace gemma {

namespace {

template <typename Number>
std::optional<Number> read_number(std::string_view text) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// Takes ":3" or "@3" off the end of a name.
std::optional<std::size_t> take_place(AskedEdit& asked, std::string& name, char sign, const char* what) {
    const std::size_t at = name.rfind(sign);
    if (at == std::string::npos) return std::nullopt;
    const std::string text = name.substr(at + 1);
    const std::optional<std::size_t> place = read_number<std::size_t>(text);
    if (!place) {
        fail("{} {}: found {} \"{}\", expected a number, as in NAME:HEAD@TOKEN", asked.option, asked.text, what, text);
    }
    name.erase(at);
    return place;
}

AskedEdit parse_target(const char* option, const std::string& text, std::string name) {
    AskedEdit asked{option, text, {}, {}};
    asked.edit.token = take_place(asked, name, '@', "token");
    asked.edit.head = take_place(asked, name, ':', "head");
    if (name.empty()) {
        fail("{} \"{}\": found no name, expected one such as model.layers.0.self_attn.context", option, text);
    }
    asked.edit.name = name;
    return asked;
}

// What stands before and behind the "=".
AskedEdit parse_assignment(const char* option, const std::string& text, const char* expected, std::string& value) {
    const std::size_t at = text.find('=');
    if (at == std::string::npos || at + 1 == text.size()) fail("{} {}: expected {}", option, text, expected);
    value = text.substr(at + 1);
    return parse_target(option, text, text.substr(0, at));
}

AskedEdit parse_patch(const std::string& text) {
    std::string file;
    AskedEdit asked = parse_assignment("--patch", text, "NAME=FILE, with a trace file", file);
    asked.file = file;
    return asked;
}

AskedEdit parse_scale(const std::string& text) {
    std::string value;
    AskedEdit asked = parse_assignment("--scale", text, "NAME=X, with a number", value);
    const std::optional<float> factor = read_number<float>(value);
    if (!factor || !std::isfinite(*factor)) {
        fail("--scale {}: found \"{}\", expected a number, as in NAME=0.5", text, value);
    }
    asked.edit.factor = *factor;
    return asked;
}

void check_head(const AskedEdit& asked, const std::string& name, const Shape& shape) {
    if (!asked.edit.head) return;
    if (shape.size() != 3) fail("{} {}: {} {} has no heads", asked.option, asked.text, name, to_string(shape));
    const std::size_t heads = shape[1 - token_axis(name, shape)];
    if (*asked.edit.head >= heads) {
        fail("{} {}: found head {}, expected 0 to {}, the heads of {}", asked.option, asked.text, *asked.edit.head,
             heads - 1, name);
    }
}

// A patch of all tokens is of a prompt of the same length: token stands beside token.
void check_length(const AskedEdit& asked, const TraceFile& file, const EditedRun& run) {
    const std::size_t tokens = file.header().tokens.size();
    if (asked.edit.token || tokens == run.prompt_tokens || file.header().prompt_tokens == run.prompt_tokens) return;
    fail("--patch {}: {} has {} tokens, expected {}, as the prompt has (NAME@TOKEN patches one)", asked.text,
         file.path().string(), tokens, run.prompt_tokens);
}

std::shared_ptr<const Patch> read_patch(const AskedEdit& asked, const TraceFile& file, const std::string& name,
                                        const Shape& shape) {
    const auto patch = std::make_shared<Patch>();
    patch->tensor = file.tensor(name);
    require_fit("--patch " + asked.text, name, *patch, shape);
    const std::size_t rows = patch->tensor.shape[token_axis(name, patch->tensor.shape)];
    // Its rows end with the last token that was kept; of a run that generated, the first logits were not computed.
    const std::size_t end = std::min(file.range().end, file.header().tokens.size());
    patch->first_token = end - rows;
    if (asked.edit.token && (*asked.edit.token < patch->first_token || *asked.edit.token >= end)) {
        fail("--patch {}: {} has tokens {} to {} of {}, found {}", asked.text, file.path().string(), patch->first_token,
             end - 1, name, *asked.edit.token);
    }
    return patch;
}

}  // namespace

void add_edit_options(CLI::App& command, EditOptions& options) {
    command.add_option("--ablate", options.ablate, "Set to zero")->type_name("NAME[:HEAD][@TOKEN]");
    command.add_option("--patch", options.patch, "Take the numbers of another trace")
        ->type_name("NAME[:HEAD][@TOKEN]=FILE");
    command.add_option("--scale", options.scale, "Multiply by X")->type_name("NAME[:HEAD][@TOKEN]=X");
}

std::vector<AskedEdit> parse_edits(const EditOptions& options) {
    std::vector<AskedEdit> edits;
    for (const std::string& text : options.patch) edits.push_back(parse_patch(text));
    for (const std::string& text : options.scale) edits.push_back(parse_scale(text));
    for (const std::string& text : options.ablate) edits.push_back(parse_target("--ablate", text, text));
    return edits;
}

std::vector<Edit> edits_for(const AskedEdit& asked, const EditedRun& run) {
    if (asked.edit.token && *asked.edit.token >= run.tokens) {
        fail("{} {}: found token {}, expected 0 to {}, the tokens of the run", asked.option, asked.text,
             *asked.edit.token, run.tokens - 1);
    }
    std::optional<TraceFile> file;
    std::vector<std::string> in_file;
    if (!asked.file.empty()) {
        file.emplace(asked.file);
        check_length(asked, *file, run);
        in_file = file->names();
    }
    std::vector<Edit> edits;
    bool any = false;
    for (const auto& [name, shape] : run.shapes) {
        if (!matches(name, asked.edit.name)) continue;
        any = true;
        check_head(asked, name, shape);
        Edit edit = asked.edit;
        edit.name = name;
        if (file) {
            if (std::find(in_file.begin(), in_file.end(), name) == in_file.end()) continue;
            edit.patch = read_patch(asked, *file, name, shape);
        }
        edits.push_back(edit);
    }
    if (!any) {
        fail("{} {}: no tensor fits \"{}\", expected a pattern such as \"model.layers.0.*\"", asked.option, asked.text,
             asked.edit.name);
    }
    if (edits.empty()) {
        fail("--patch {}: {} has no tensor that fits \"{}\"", asked.text, asked.file.string(), asked.edit.name);
    }
    return edits;
}

}  // namespace gemma
