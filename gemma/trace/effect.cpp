#include "gemma/trace/effect.hpp"

#include "gemma/components/softmax.hpp"
#include "gemma/error.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace gemma {

namespace {

// ln softmax, in double: a probability of 1e-30 has a logarithm like any other.
std::vector<double> log_probabilities(const Vector& logits, const char* run) {
    for (std::size_t i = 0; i < logits.size(); ++i) {
        if (!std::isfinite(logits(i))) {
            fail("the {} run's logit of token {} is {}, expected a finite number", run, i, logits(i));
        }
    }
    const double all = log_sum_exp(logits.data(), logits.size());
    std::vector<double> result;
    for (const float logit : logits) result.push_back(logit - all);
    return result;
}

// Likeliest first, ties to the lower id.
std::vector<std::size_t> likeliest_of(const Vector& logits, std::size_t count) {
    std::vector<std::size_t> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(count, order.size()));
    std::partial_sort(order.begin(), end, order.end(), [&](std::size_t a, std::size_t b) {
        return logits(a) != logits(b) ? logits(a) > logits(b) : a < b;
    });
    return {order.begin(), end};
}

}  // namespace

Effect effect_of(const Vector& clean, const Vector& edited, std::size_t count) {
    if (clean.size() == 0) fail("there are no logits, expected at least one");
    require_shape("the edited run's logits", edited, shape_of(clean));
    const std::vector<double> p = log_probabilities(clean, "clean"), q = log_probabilities(edited, "edited");
    const auto effect_on = [&](std::size_t i) {
        return TokenEffect{static_cast<int>(i), clean(i), edited(i), std::exp(p[i]), std::exp(q[i])};
    };

    std::vector<std::size_t> shown = likeliest_of(clean, count);
    for (const std::size_t i : likeliest_of(edited, count)) {
        if (std::find(shown.begin(), shown.end(), i) == shown.end()) shown.push_back(i);
    }
    std::size_t most_changed = 0;
    double divergence = 0;
    for (std::size_t i = 0; i < clean.size(); ++i) {
        const auto change = [&](std::size_t k) { return std::abs(static_cast<double>(edited(k)) - clean(k)); };
        if (change(i) > change(most_changed)) most_changed = i;
        divergence += std::exp(p[i]) * (p[i] - q[i]);
    }
    Effect effect{{}, effect_on(most_changed), std::max(divergence, 0.0)};  // its sum may round to below 0
    for (const std::size_t i : shown) effect.likeliest.push_back(effect_on(i));
    return effect;
}

}  // namespace gemma
