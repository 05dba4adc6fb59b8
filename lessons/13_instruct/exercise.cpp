// Your part: a conversation in tokens. lessons/run 13 --exercise checks it, step by step.

#include "lessons/13_instruct/exercise.hpp"

#include "gemma/tensor.hpp"

#include <cstddef>

namespace exercise {

namespace {

// Without spaces and line ends at both ends.
std::string trimmed(const std::string& text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n"), last = text.find_last_not_of(" \t\r\n");
    return first == text.npos ? "" : text.substr(first, last - first + 1);
}

void show(const std::string& name, const std::vector<int>& tokens, gemma::Trace trace) {
    gemma::Vector shown = gemma::Vector::from_shape({tokens.size()});
    for (std::size_t i = 0; i < tokens.size(); ++i) shown(i) = static_cast<float>(tokens[i]);
    trace(name, shown);
}

}  // namespace

std::vector<int> chat_prompt(const gemma::Tokenizer& tokenizer, const std::vector<Turn>& turns, gemma::Trace trace) {
    using gemma::SpecialTokens;  // bos 2, start_of_turn 106, end_of_turn 107
    std::vector<int> prompt;

    // 1. A text begins: one bos.
    // your code: prompt.push_back(...)

    for (std::size_t i = 0; i < turns.size(); ++i) {
        const gemma::Trace here = trace.scope("turn", i);

        // 2. The words: role, "\n" and trimmed text, in one call of tokenizer.encode.              [n]
        const std::string text = trimmed(turns[i].text);
        std::vector<int> words(tokenizer.encode(text).size(), 0);
        // your code: words = ...
        show("words", words, here);

        // 3. The turn: start_of_turn, the words, end_of_turn, and the tokens of "\n".              [n + 3]
        //    The control tokens are set as ids. Never make them from text.
        std::vector<int> tokens(words.size() + 3, SpecialTokens::pad);
        // your code: fill tokens
        show("tokens", tokens, here);

        prompt.insert(prompt.end(), tokens.begin(), tokens.end());
    }

    // 4. The model's turn begins: start_of_turn and the tokens of "model\n". It is not closed: the model goes on here.
    // your code: append them to prompt
    show("prompt", prompt, trace);
    return prompt;
}

}  // namespace exercise
