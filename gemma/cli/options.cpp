#include "gemma/cli/options.hpp"

#include "gemma/checkpoint/embedded.hpp"
#include "gemma/error.hpp"

#include <charconv>
#include <string_view>
#include <system_error>

namespace gemma {

void add_model_option(CLI::App& command, std::string& model) {
    command
        .add_option("--model", model,
                    "Model directory in Hugging Face's layout\n"
                    "(default: the small model that comes with the program)")
        ->type_name("DIR");
}

std::filesystem::path model_directory(const std::string& model) {
    return model.empty() ? embedded_model() : std::filesystem::path(model);
}

std::filesystem::path embedded_model_named(const std::string& name) {
    try {
        for (const std::filesystem::path& directory : {embedded_model(), embedded_instruct_model()}) {
            if (std::filesystem::canonical(directory).filename() == name) return directory;
        }
    } catch (const Error&) {  // no model came with the program
    }
    return {};
}

std::optional<Tokenizer> find_tokenizer(const std::filesystem::path& directory) {
    const std::filesystem::path file = directory / "tokenizer.model";
    if (!std::filesystem::exists(file)) return std::nullopt;
    return Tokenizer(file);
}

std::vector<int> parse_tokens(const std::string& text) {
    std::vector<int> tokens;
    std::string_view rest = text;
    while (true) {
        const std::string_view number = rest.substr(0, rest.find(','));
        int token = 0;
        const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), token);
        if (error != std::errc() || end != number.data() + number.size() || token < 0) {
            fail("--tokens: found \"{}\" in \"{}\", expected token ids with commas between them, such as 2,5,7", number,
                 text);
        }
        tokens.push_back(token);
        if (number.size() == rest.size()) return tokens;
        rest.remove_prefix(number.size() + 1);
    }
}

CLI::Validator not_negative() {
    const auto complaint = [](const std::string& text) {
        return text.find('-') == text.npos ? "" : "found " + text + ", expected 0 or more";
    };
    return CLI::Validator(complaint, "");
}

}  // namespace gemma
