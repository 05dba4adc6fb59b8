#include "gemma/cli/prompt.hpp"

#include "gemma/cli/options.hpp"
#include "gemma/error.hpp"
#include "viz/console.hpp"

namespace gemma {

void add_prompt_options(CLI::App& command, PromptOptions& options) {
    CLI::Option* const text = command.add_option("--prompt", options.prompt, "Text; one bos is put before it");
    command.add_option("--tokens", options.tokens, "Token ids in its place, such as 2,5,7")
        ->type_name("IDS")
        ->excludes(text);
}

std::vector<int> prompt_tokens(const PromptOptions& options, const std::filesystem::path& model, std::size_t context) {
    if (!options.tokens && !options.prompt) fail("found neither --prompt nor --tokens, expected one of them");
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
