#include "gemma/cli/prompt.hpp"

#include "gemma/cli/options.hpp"
#include "gemma/error.hpp"
#include "viz/console.hpp"

#include <iostream>
#include <iterator>

namespace gemma {

namespace {

// Without the line end that closes it.
std::string standard_input() {
    std::string text(std::istreambuf_iterator<char>(std::cin), {});
    if (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

}  // namespace

CLI::Option* add_prompt(CLI::App& command, std::optional<std::string>& prompt, const std::string& help,
                        const std::string& names) {
    const auto read = [](std::string& text) {
        if (text == "-") text = standard_input();
        return std::string();
    };
    return command.add_option(names, prompt, help + "; - reads it from standard input")
        ->transform(CLI::Validator(read, ""))
        ->type_name("TEXT");
}

void add_prompt_options(CLI::App& command, PromptOptions& options, const std::string& names) {
    CLI::Option* const text = add_prompt(command, options.prompt, "Text, before which one bos is put", names);
    command.add_option("--tokens", options.tokens, "Token ids in its place, such as 2,5,7")
        ->check(read_by(parse_tokens))
        ->type_name("IDS")
        ->excludes(text);
}

std::vector<int> prompt_tokens(const PromptOptions& options, const std::filesystem::path& model, std::size_t context) {
    if (!options.tokens && !options.prompt) {
        fail("found neither --prompt nor --tokens, expected one of them (a text without --prompt comes first)");
    }
    const std::vector<int> tokens = options.tokens
                                        ? parse_tokens(*options.tokens)
                                        : Tokenizer(model / "tokenizer.model").encode_prompt(*options.prompt);
    if (tokens.size() > context) {
        fail("{}: found {} tokens, expected at most {}, the model's context", options.tokens ? "--tokens" : "--prompt",
             tokens.size(), context);
    }
    return tokens;
}

std::string piece_of(int token, const std::optional<Tokenizer>& tokenizer) {
    if (!tokenizer || static_cast<std::size_t>(token) >= tokenizer->vocab_size()) return "";
    return viz::printable(tokenizer->piece(token));
}

}  // namespace gemma
