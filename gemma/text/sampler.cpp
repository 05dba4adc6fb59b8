#include "gemma/text/sampler.hpp"

#include "gemma/error.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace gemma {

namespace {

// The logits of one position, and the order that all of this is about: likelier first, ties to the lower id.
struct Row {
    const float* logits;
    std::size_t size;

    bool likelier(int a, int b) const { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; }

    auto likeliest_first() const {
        return [this](int a, int b) { return likelier(a, b); };
    }
};

Row last_row(const Matrix& logits) {
    const std::size_t T = logits.shape(0), V = logits.shape(1);
    if (T == 0 || V == 0)
        fail("the logits have shape {}, expected at least one row and column", to_string(shape_of(logits)));
    const Row row{&logits(T - 1, 0), V};
    for (std::size_t i = 0; i < V; ++i) {
        if (!std::isfinite(row.logits[i]))
            fail("the logit of token {} is {}, expected a finite number", i, row.logits[i]);
    }
    return row;
}

int likeliest(const Row& row) {
    return static_cast<int>(std::max_element(row.logits, row.logits + row.size) - row.logits);  // the first of equals
}

// A token and exp((logit - largest) / temperature), in double: a sum of 256,000 of them needs the digits.
struct Candidate {
    int token;
    double weight;
};

std::vector<Candidate> weigh(const Row& row, const std::vector<int>& tokens, float temperature) {
    const double largest = row.logits[likeliest(row)];
    std::vector<Candidate> candidates;
    candidates.reserve(tokens.size());
    for (const int token : tokens) candidates.push_back({token, std::exp((row.logits[token] - largest) / temperature)});
    return candidates;
}

double total_weight(const std::vector<Candidate>& candidates) {
    return std::accumulate(candidates.begin(), candidates.end(), 0.0,
                           [](double sum, const Candidate& candidate) { return sum + candidate.weight; });
}

std::vector<int> all_tokens(const Row& row) {
    std::vector<int> tokens(row.size);
    std::iota(tokens.begin(), tokens.end(), 0);
    return tokens;
}

// The k likeliest, likeliest first.
std::vector<int> top_k(const Row& row, std::size_t k) {
    std::vector<int> tokens = all_tokens(row);
    std::partial_sort(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(k), tokens.end(),
                      row.likeliest_first());
    tokens.resize(k);
    return tokens;
}

// The likeliest until their weights make up the share p of all; the one that reaches p is kept. A heap, because mostly
// a few of very many are kept: those need no sorting.
std::vector<Candidate> top_p(const Row& row, std::vector<Candidate> candidates, float p) {
    const auto less_likely = [&](const Candidate& a, const Candidate& b) { return row.likelier(b.token, a.token); };
    const double enough = p * total_weight(candidates);
    std::vector<Candidate> kept;
    std::make_heap(candidates.begin(), candidates.end(), less_likely);
    for (double sum = 0.0; sum < enough && !candidates.empty(); sum += kept.back().weight) {
        std::pop_heap(candidates.begin(), candidates.end(), less_likely);
        kept.push_back(candidates.back());
        candidates.pop_back();
    }
    return kept;
}

// What may be drawn, likeliest first where something was left out, else by id.
std::vector<Candidate> candidates_of(const Row& row, const SamplerOptions& options) {
    if (options.temperature == 0.0f) return {{likeliest(row), 1.0}};
    const bool some = options.top_k != 0 && options.top_k < row.size;
    const std::vector<int> tokens = some ? top_k(row, options.top_k) : all_tokens(row);
    std::vector<Candidate> candidates = weigh(row, tokens, options.temperature);
    return options.top_p < 1.0f ? top_p(row, std::move(candidates), options.top_p) : candidates;
}

void require_valid(const SamplerOptions& options) {
    if (!std::isfinite(options.temperature) || options.temperature < 0.0f) {
        fail("the temperature is {}, expected 0 (greedy) or more", options.temperature);
    }
    if (!(options.top_p > 0.0f && options.top_p <= 1.0f))
        fail("top-p is {}, expected above 0, at most 1", options.top_p);
}

// 53 random bits as a number in [0, 1). By hand, because the standard library's distributions differ between machines.
double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

}  // namespace

std::vector<TokenProbability> next_token_distribution(const Matrix& logits, const SamplerOptions& options) {
    require_valid(options);
    const Row row = last_row(logits);
    std::vector<Candidate> candidates = candidates_of(row, options);
    std::sort(candidates.begin(), candidates.end(),
              [&](const Candidate& a, const Candidate& b) { return row.likelier(a.token, b.token); });
    const double total = total_weight(candidates);
    std::vector<TokenProbability> distribution;
    for (const Candidate& candidate : candidates) {
        distribution.push_back({candidate.token, static_cast<float>(candidate.weight / total)});
    }
    return distribution;
}

Sampler::Sampler(const SamplerOptions& options) : options_(options), random_(options.seed) { require_valid(options); }

int Sampler::operator()(const Matrix& logits) {
    const std::vector<Candidate> candidates = candidates_of(last_row(logits), options_);
    if (candidates.size() == 1) return candidates.front().token;
    // A point on the candidates' weights laid end to end; it lies on a token as often as its weight is large.
    double point = uniform(random_) * total_weight(candidates);
    for (const Candidate& candidate : candidates) {
        if (point < candidate.weight) return candidate.token;
        point -= candidate.weight;
    }
    return candidates.back().token;  // the last sum was rounded
}

}  // namespace gemma
