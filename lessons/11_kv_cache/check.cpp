// Checks the exercise of lesson 11 against the library's attention.

#include "gemma/components/mqa.hpp"
#include "gemma/components/softmax.hpp"
#include "lessons/11_kv_cache/exercise.hpp"
#include "lessons/exercise.hpp"
#include "lessons/random.hpp"

#include <fmt/format.h>

#include <memory>
#include <string>

namespace {

using gemma::KeyValues;
using gemma::Tensor3;

struct Input {
    Tensor3 query, key, value;
    KeyValues past;
};

// A cache that holds `length` tokens and has room for more.
KeyValues filled(lesson::Random& random, std::size_t K, std::size_t length, std::size_t room, std::size_t d) {
    KeyValues past(K, room, d);
    past.keys.fill(0.0f);
    past.values.fill(0.0f);
    if (length > 0) past.append(random.normal<3>({length, K, d}), random.normal<3>({length, K, d}));
    return past;
}

void show_length(const KeyValues& past, gemma::Trace trace) {
    gemma::Vector length = gemma::Vector::from_shape({1});
    length(0) = static_cast<float>(past.length);
    trace("past.length", length);
}

// The library's numbers, with zeros for the scores that the mask takes away.
void right(const Input& input, gemma::Trace trace) {
    KeyValues past = input.past;
    past.append(input.key, input.value);
    Tensor3 keys = exercise::first_tokens(past.keys, past.length);
    Tensor3 values = exercise::first_tokens(past.values, past.length);
    trace("keys", keys);
    trace("values", values);
    Tensor3 scores = gemma::attention_scores(input.query, past);
    const std::size_t H = scores.shape(0), T = scores.shape(1), S = scores.shape(2);
    for (std::size_t h = 0; h < H; ++h) {
        for (std::size_t t = 0; t < T; ++t) {
            for (std::size_t s = S - T + t + 1; s < S; ++s) scores(h, t, s) = 0.0f;
        }
    }
    trace("scores", scores);
    Tensor3 probs = gemma::causal_softmax(scores);
    trace("probs", probs);
    Tensor3 context = gemma::attention_context(probs, past);
    trace("context", context);
    show_length(past, trace);
}

lesson::Trial trial(const std::string& name, std::size_t length, std::size_t T, std::size_t H, std::size_t K,
                    std::size_t d) {
    lesson::Random random(1100 + length);
    const auto input =
        std::make_shared<Input>(Input{random.normal<3>({T, H, d}), random.normal<3>({T, K, d}),
                                      random.normal<3>({T, K, d}), filled(random, K, length, length + T + 3, d)});
    return {fmt::format("{}: {} in the cache, T = {}, H = {}, K = {}, d = {}", name, length, T, H, K, d),
            [=](gemma::Trace trace) { right(*input, trace); },
            [=](gemma::Trace trace) {
                KeyValues past = input->past;
                exercise::cached_attention(input->query, input->key, input->value, past, trace);
                show_length(past, trace);
            }};
}

void in_a_model(const gemma::Model& model, const std::vector<int>& tokens, const gemma::Record& clean,
                gemma::Trace trace) {
    const gemma::Config& config = model.config();
    const std::string attention = "model.layers.0.self_attn";
    const auto input = [&](const char* name) { return lesson::tensor_of<3>(clean, attention + name); };
    KeyValues past(config.num_key_value_heads, tokens.size(), config.head_dim);
    exercise::cached_attention(input(".q_rope"), input(".k_rope"), input(".v_proj"), past, trace.scope(attention));
}

}  // namespace

int main() {
    return lesson::check_exercise("11_kv_cache",
                                  {trial("a prompt", 0, 4, 2, 1, 8), trial("one token after it", 4, 1, 2, 1, 8),
                                   trial("a piece, heads in groups", 5, 3, 4, 2, 8)},
                                  in_a_model);
}
