// Checks the exercise against bpe.hpp, and its tokens against sentencepiece.

#include "gemma/checkpoint/embedded.hpp"
#include "gemma/tensor.hpp"
#include "gemma/text/tokenizer.hpp"
#include "lessons/08_tokenizer/bpe.hpp"
#include "lessons/08_tokenizer/exercise.hpp"
#include "lessons/exercise.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace {

void show(const std::string& name, const std::vector<int>& numbers, gemma::Trace trace) {
    gemma::Vector shown = gemma::Vector::from_shape({numbers.size()});
    for (std::size_t i = 0; i < numbers.size(); ++i) shown(i) = static_cast<float>(numbers[i]);
    trace(name, shown);
}

// Every step on the way, as bpe.hpp takes it.
void show_steps(const std::vector<int>& pieces, const bpe::Merges& merges, gemma::Trace trace) {
    const std::vector<std::vector<int>> stages = bpe::encode(pieces, merges);
    for (std::size_t step = 0; step < stages.size() && stages[step].size() > 1; ++step) {
        const gemma::Trace here = trace.scope("step", step);
        show("candidates", bpe::candidates(stages[step], merges), here);
        if (step + 1 < stages.size()) show("pieces", stages[step + 1], here);
    }
}

lesson::Trial trial(const std::string& input, const std::vector<int>& pieces, const bpe::Merges& merges,
                    const std::vector<int>& tokens) {
    return {input,
            [=](gemma::Trace trace) {
                show_steps(pieces, merges, trace);
                show("returned", tokens, trace);
            },
            [=](gemma::Trace trace) { show("returned", exercise::encode(pieces, merges, trace), trace); }};
}

}  // namespace

int main() {
    const gemma::Tokenizer tokenizer(gemma::embedded_model() / "tokenizer.model");
    const bpe::Vocabulary vocabulary(tokenizer);
    const std::string sentence = "Anna gave the ball to Tom.";
    const std::vector<int> characters = vocabulary.characters(sentence), tokens = tokenizer.encode(sentence);
    // Pieces 1 = a, 2 = b; 3 = aa, 4 = aaa (as aa + a and as a + aa), 5 = ba.
    const bpe::Merges merges = {{{1, 1}, 3}, {{3, 1}, 4}, {{1, 3}, 4}, {{2, 1}, 5}};
    return lesson::check_exercise("08_tokenizer",
                                  {trial("b a a a a: of equals the first", {2, 1, 1, 1, 1}, merges, {2, 3, 3}),
                                   trial("one piece alone", {2}, merges, {2}),
                                   trial("\" belongs\" with nano's vocabulary", vocabulary.characters(" belongs"),
                                         vocabulary.merges(), tokenizer.encode(" belongs")),
                                   {"\"" + sentence + "\": the tokens alone, as sentencepiece cuts them",
                                    [&](gemma::Trace trace) { show("returned", tokens, trace); },
                                    [&](gemma::Trace trace) {
                                        show("returned", exercise::encode(characters, vocabulary.merges(), {}), trace);
                                    }}});
}
