// What goes wrong in RoPE: the pair (j, j + d/2) of the token at position t turns by the angle t · theta^(-2j/d).
#include "gemma/diagnose/edits.hpp"

#include <cmath>
#include <utility>

namespace gemma {

namespace {

// Which pair turns: pair j of head h of the token at position t, in heads of d numbers of a model of hidden size D with
// H heads.
struct Pair {
    float t, h, j, d, D, H, theta;
};

struct Turn {
    float cos, sin;
};

Turn turn_by(float angle) { return {std::cos(angle), std::sin(angle)}; }

float frequency(float theta, float exponent) { return 1.0f / std::pow(theta, exponent); }

float right_angle(const Pair& at) { return at.t * frequency(at.theta, 2 * at.j / at.d); }

enum class Partner { half_a_head_away, neighbour };

template <typename Turning>
Tensor3 turned(Tensor3 x, const Seen& seen, const Turning& turning, Partner partner) {
    const Config& config = seen.config();
    const std::size_t T = x.shape(0), heads = x.shape(1), d = x.shape(2);
    Pair at{};
    at.d = static_cast<float>(d);
    at.D = static_cast<float>(config.hidden_size);
    at.H = static_cast<float>(config.num_attention_heads);
    at.theta = config.rope_theta;
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t h = 0; h < heads; ++h) {
            for (std::size_t j = 0; j < d / 2; ++j) {
                at.t = static_cast<float>(t), at.h = static_cast<float>(h), at.j = static_cast<float>(j);
                const bool halves = partner == Partner::half_a_head_away;
                float& first = halves ? x(t, h, j) : x(t, h, 2 * j);
                float& second = halves ? x(t, h, j + d / 2) : x(t, h, 2 * j + 1);
                const Turn turn = turning(at);
                const float a = first, b = second;
                first = a * turn.cos - b * turn.sin;
                second = a * turn.sin + b * turn.cos;
            }
        }
    }
    return x;
}

// Queries and keys turned in a mistaken way.
template <typename Turning>
Edits both(Turning turning, Partner partner = Partner::half_a_head_away) {
    const auto turn_of = [turning, partner](const char* step) {
        return [turning, partner, step](const Seen& seen, const TensorView& y) {
            assign(y, turned(seen.tensor3(step), seen, turning, partner));
        };
    };
    return {{StepEdit::computes, "self_attn.q_rope", turn_of("self_attn.q_proj")},
            {StepEdit::computes, "self_attn.k_rope", turn_of("self_attn.k_proj")}};
}

// Queries and keys turned by a mistaken angle.
Edits by_angle(float (*angle)(const Pair&)) {
    return both([angle](const Pair& at) { return turn_by(angle(at)); });
}

Edits without_turning(const std::string& turned, const std::string& plain) {
    return {{StepEdit::computes, turned,
             [plain](const Seen& seen, const TensorView& y) { assign(y, seen.tensor3(plain)); }}};
}

Edits without_turning() {
    Edits edits = without_turning("self_attn.q_rope", "self_attn.q_proj");
    edits.push_back(without_turning("self_attn.k_rope", "self_attn.k_proj").front());
    return edits;
}

// context = probs · rope(value)
Edits values_too() {
    return {{StepEdit::computes, "self_attn.context", [](const Seen& seen, const TensorView& y) {
                 const Tensor3 key = seen.tensor3("self_attn.k_rope"), value = seen.tensor3("self_attn.v_proj");
                 KeyValues past(value.shape(1), value.shape(0), value.shape(2));
                 past.append(key, turned(
                                      value, seen, [](const Pair& at) { return turn_by(right_angle(at)); },
                                      Partner::half_a_head_away));
                 assign(y, attention_context(seen.tensor3("self_attn.probs"), past, seen.precision()));
             }}};
}

}  // namespace

std::vector<KnownMistake> rope_mistakes() {
    const std::string query = "model.layers.0.self_attn.q_rope", key = "model.layers.0.self_attn.k_rope",
                      context = "model.layers.0.self_attn.context";
    const std::string fixing = "Fixing Gemma Bugs (D. Han, M. Han 2024)";
    return {
        {{"rope-missing", "queries and keys are not turned", query, "GPT-2 has other positions"}, without_turning()},
        {{"rope-queries-only", "keys are not turned", key, "a line left out"},
         without_turning("self_attn.k_rope", "self_attn.k_proj")},
        {{"rope-keys-only", "queries are not turned", query, "a line left out"},
         without_turning("self_attn.q_rope", "self_attn.q_proj")},
        {{"rope-interleaved", "pairs of neighbours (2j, 2j + 1) in place of (j, j + d/2)", query,
          "RoFormer (Su et al. 2021) and Meta's Llama code pair neighbours"},
         both([](const Pair& at) { return turn_by(right_angle(at)); }, Partner::neighbour)},
        {{"rope-from-one", "positions count from 1: each is one too far", query, "a slip of indices"},
         by_angle([](const Pair& at) { return (at.t + 1) * frequency(at.theta, 2 * at.j / at.d); })},
        {{"rope-wrong-axis", "the head's number in place of the token's position", query,
          "code for tensors with heads before tokens"},
         by_angle([](const Pair& at) { return at.h * frequency(at.theta, 2 * at.j / at.d); })},
        {{"rope-backwards", "turned the other way: the sign of the sine", query, "a slip of a sign"},
         by_angle([](const Pair& at) { return -right_angle(at); })},
        {{"rope-theta-500000", "theta is 500000 and not 10000", query, "Llama 3's config.json"},
         by_angle([](const Pair& at) { return at.t * frequency(500000.0f, 2 * at.j / at.d); })},
        {{"rope-theta-1000000", "theta is 1000000 and not 10000", query, "the config.json of Gemma 3 and Code Llama"},
         by_angle([](const Pair& at) { return at.t * frequency(1000000.0f, 2 * at.j / at.d); })},
        {{"rope-exponent", "the exponent is j/d and not 2j/d", query, "a slip of a factor"},
         by_angle([](const Pair& at) { return at.t * frequency(at.theta, at.j / at.d); })},
        {{"rope-head-dim", "frequencies for heads of D/H numbers, where head_dim is a number of its own", query,
          "Llama's code, where d is D/H; Gemma 7B has 256, not 192"},
         by_angle([](const Pair& at) { return at.t * frequency(at.theta, 2 * at.j / (at.D / at.H)); })},
        {{"rope-angles-bfloat16", "positions, frequencies and angles rounded to bfloat16", query, fixing},
         by_angle([](const Pair& at) {
             return to_bfloat16(to_bfloat16(at.t) * to_bfloat16(frequency(at.theta, 2 * at.j / at.d)));
         })},
        {{"rope-cosines-bfloat16", "cosines and sines rounded to bfloat16", query,
          "tables of them that are kept in the model's precision"},
         both([](const Pair& at) {
             const Turn turn = turn_by(right_angle(at));
             return Turn{to_bfloat16(turn.cos), to_bfloat16(turn.sin)};
         })},
        {{"rope-values", "values are turned, too", context, "one line for q, k and v"}, values_too()},
    };
}

}  // namespace gemma
