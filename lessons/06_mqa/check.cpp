// Checks the exercise of lesson 06 against the library's attention.

#include "gemma/components/mqa.hpp"
#include "gemma/components/softmax.hpp"
#include "lessons/06_mqa/exercise.hpp"
#include "lessons/exercise.hpp"
#include "lessons/random.hpp"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

namespace {

using gemma::Tensor3;

struct Input {
    Tensor3 query, key, value;
};

// `size` makes scores large: about its square.
lesson::Trial trial(const std::string& name, std::size_t T, std::size_t H, std::size_t K, std::size_t d, double size) {
    lesson::Random random(600 + H + K);
    const auto input = std::make_shared<Input>();
    input->query = random.normal<3>({T, H, d}, size);
    input->key = random.normal<3>({T, K, d}, size);
    input->value = random.normal<3>({T, K, d});
    const auto right = [=](gemma::Trace trace) {
        gemma::KeyValues past(K, T, d);
        past.append(input->key, input->value);
        Tensor3 scores = gemma::attention_scores(input->query, past);
        for (std::size_t h = 0; h < H; ++h) {
            for (std::size_t t = 0; t < T; ++t) {
                for (std::size_t s = t + 1; s < T; ++s) scores(h, t, s) = 0.0f;  // the mask takes them away
            }
        }
        trace("scores", scores);
        Tensor3 probs = gemma::causal_softmax(scores);
        trace("probs", probs);
        Tensor3 context = gemma::attention_context(probs, past);
        trace("context", context);
    };
    const auto learner = [=](gemma::Trace trace) {
        exercise::attention(input->query, input->key, input->value, trace);
    };
    return {fmt::format("{}: T = {}, H = {}, K = {}, d = {}", name, T, H, K, d), right, learner};
}

void in_a_model(const gemma::Model&, const std::vector<int>&, const gemma::Record& clean, gemma::Trace trace) {
    const std::string attention = "model.layers.0.self_attn";
    const auto input = [&](const char* name) { return lesson::tensor_of<3>(clean, attention + name); };
    exercise::attention(input(".q_rope"), input(".k_rope"), input(".v_proj"), trace.scope(attention));
}

}  // namespace

int main() {
    return lesson::check_exercise(
        "06_mqa",
        {trial("multi-head", 4, 2, 2, 8, 1.0), trial("multi-query", 5, 4, 1, 8, 1.0), trial("grouped", 5, 6, 3, 4, 1.0),
         trial("one token", 1, 4, 2, 8, 1.0), trial("large scores", 6, 4, 2, 8, 12.0)},
        in_a_model);
}
