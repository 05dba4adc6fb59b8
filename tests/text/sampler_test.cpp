#include "gemma/text/sampler.hpp"

#include "gemma/error.hpp"
#include "tests/support/temporary_directory.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <vector>

namespace gemma {
namespace {

Matrix row_of(const std::vector<float>& logits) {
    Matrix matrix = Matrix::from_shape({1, logits.size()});
    for (std::size_t i = 0; i < logits.size(); ++i) matrix(0, i) = logits[i];
    return matrix;
}

// Logits whose softmax is these probabilities.
Matrix logits_for(const std::vector<double>& probabilities) {
    std::vector<float> logits;
    for (const double probability : probabilities) logits.push_back(static_cast<float>(std::log(probability)));
    return row_of(logits);
}

SamplerOptions options_of(float temperature, std::size_t top_k = 0, float top_p = 1.0f, std::uint64_t seed = 0) {
    return {temperature, top_k, top_p, seed};
}

std::vector<int> tokens_of(const std::vector<TokenProbability>& distribution) {
    std::vector<int> tokens;
    for (const TokenProbability& entry : distribution) tokens.push_back(entry.token);
    return tokens;
}

std::vector<int> kept(const Matrix& logits, const SamplerOptions& options) {
    return tokens_of(next_token_distribution(logits, options));
}

double entropy(const std::vector<TokenProbability>& distribution) {
    double sum = 0.0;
    for (const TokenProbability& entry : distribution) {
        if (entry.probability > 0.0f) sum -= entry.probability * std::log(entry.probability);
    }
    return sum;
}

// Normal-looking numbers without the standard library's distributions, which differ between machines.
std::vector<float> random_logits(std::size_t size, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<float> logits(size);
    for (float& logit : logits) {
        float sum = -6.0f;
        for (int i = 0; i < 12; ++i) sum += static_cast<float>(random() >> 8) * 0x1p-24f;
        logit = sum;
    }
    return logits;
}

TEST_CASE("sampler: temperature 1 is softmax, likeliest first") {
    const double e = std::exp(1.0), sum = 1.0 + e + e * e;
    const auto distribution = next_token_distribution(row_of({1, 0, 2}), options_of(1.0f));
    REQUIRE(tokens_of(distribution) == std::vector<int>{2, 0, 1});
    CHECK(distribution[0].probability == doctest::Approx(e * e / sum).epsilon(1e-6));
    CHECK(distribution[1].probability == doctest::Approx(e / sum).epsilon(1e-6));
    CHECK(distribution[2].probability == doctest::Approx(1.0 / sum).epsilon(1e-6));
}

TEST_CASE("sampler: temperature divides the logits") {
    // Two tokens 1.5 apart: the likelier has 1 / (1 + exp(-1.5 / temperature)).
    for (const float temperature : {0.1f, 0.5f, 1.0f, 2.0f, 10.0f}) {
        const auto distribution = next_token_distribution(row_of({-0.5f, 1.0f}), options_of(temperature));
        CHECK(distribution[0].token == 1);
        CHECK(distribution[0].probability == doctest::Approx(1.0 / (1.0 + std::exp(-1.5 / temperature))).epsilon(1e-6));
    }
}

TEST_CASE("sampler: entropy grows with temperature, from 0 to that of a uniform choice") {
    const Matrix logits = row_of(random_logits(100, 1));
    double before = 0.0;
    for (const float temperature : {0.01f, 0.1f, 0.3f, 0.7f, 1.0f, 1.5f, 3.0f, 100.0f}) {
        const double now = entropy(next_token_distribution(logits, options_of(temperature)));
        CHECK(now > before);
        before = now;
    }
    CHECK(entropy(next_token_distribution(logits, options_of(1e6f))) == doctest::Approx(std::log(100.0)).epsilon(1e-5));
}

TEST_CASE("sampler: temperature 0 is greedy, ties to the lower id, whatever else is asked for") {
    const Matrix logits = row_of({1, 3, 2, 3, -1});
    const auto distribution = next_token_distribution(logits, options_of(0.0f, 3, 0.9f));
    REQUIRE(distribution.size() == 1);
    CHECK(distribution[0].token == 1);
    CHECK(distribution[0].probability == 1.0f);
    for (const std::uint64_t seed : {0, 1, 2}) CHECK(Sampler(options_of(0.0f, 0, 1.0f, seed))(logits) == 1);
}

TEST_CASE("sampler: the smallest temperature of all is greedy and overflows nowhere") {
    const auto distribution = next_token_distribution(row_of({-3e38f, 3e38f, 0}), options_of(1e-45f));
    CHECK(distribution[0].token == 1);
    CHECK(distribution[0].probability == 1.0f);
    CHECK(distribution[1].probability == 0.0f);
}

TEST_CASE("sampler: top-k keeps the k likeliest, scaled to sum to 1") {
    const Matrix logits = logits_for({0.1, 0.4, 0.2, 0.3});
    const auto two = next_token_distribution(logits, options_of(1.0f, 2));
    REQUIRE(tokens_of(two) == std::vector<int>{1, 3});
    CHECK(two[0].probability == doctest::Approx(4.0 / 7.0).epsilon(1e-6));
    CHECK(two[1].probability == doctest::Approx(3.0 / 7.0).epsilon(1e-6));
    CHECK(kept(logits, options_of(1.0f, 1)) == std::vector<int>{1});
    CHECK(kept(logits, options_of(1.0f, 4)) == std::vector<int>{1, 3, 2, 0});
    CHECK(kept(logits, options_of(1.0f, 1000)) == std::vector<int>{1, 3, 2, 0});
    CHECK(kept(logits, options_of(1.0f, 0)) == std::vector<int>{1, 3, 2, 0});
}

TEST_CASE("sampler: ties at the edge of top-k and top-p go to the lower ids") {
    const Matrix logits = row_of({5, 5, 5, 5, 5, 5, 5, 5});
    CHECK(kept(logits, options_of(1.0f, 3)) == std::vector<int>{0, 1, 2});
    CHECK(kept(logits, options_of(1.0f, 0, 0.3f)) == std::vector<int>{0, 1, 2});  // 2/8 < 0.3 <= 3/8
}

TEST_CASE("sampler: top-p keeps the token that reaches p and none after it") {
    const Matrix quarters = row_of({0, 0, 0, 0});  // exactly 1/4 each
    CHECK(kept(quarters, options_of(1.0f, 0, 0.25f)).size() == 1);
    CHECK(kept(quarters, options_of(1.0f, 0, std::nextafter(0.25f, 1.0f))).size() == 2);
    CHECK(kept(quarters, options_of(1.0f, 0, 0.5f)).size() == 2);
    CHECK(kept(quarters, options_of(1.0f, 0, 0.74f)).size() == 3);
    CHECK(kept(quarters, options_of(1.0f, 0, 0.76f)).size() == 4);
    CHECK(kept(quarters, options_of(1.0f, 0, 1.0f)).size() == 4);
    CHECK(kept(quarters, options_of(1.0f, 0, 1e-30f)).size() == 1);  // never nothing

    const Matrix logits = logits_for({0.1, 0.5, 0.15, 0.25});
    CHECK(kept(logits, options_of(1.0f, 0, 0.4f)) == std::vector<int>{1});
    CHECK(kept(logits, options_of(1.0f, 0, 0.6f)) == std::vector<int>{1, 3});
    CHECK(kept(logits, options_of(1.0f, 0, 0.8f)) == std::vector<int>{1, 3, 2});
    const auto two = next_token_distribution(logits, options_of(1.0f, 0, 0.6f));
    CHECK(two[0].probability == doctest::Approx(2.0 / 3.0).epsilon(1e-6));
}

TEST_CASE("sampler: the order is temperature, top-k, top-p") {
    // Top-k leaves 0.4, 0.3 as 4/7, 3/7: p = 0.5 is reached by the first. Before top-k, 0.4 alone would not reach it.
    CHECK(kept(logits_for({0.4, 0.3, 0.2, 0.1}), options_of(1.0f, 2, 0.5f)) == std::vector<int>{0});
    // At temperature 1/2 the probabilities are as their squares, 0.16 : 0.09 : 0.04 : 0.01; the first has 16/30.
    CHECK(kept(logits_for({0.4, 0.3, 0.2, 0.1}), options_of(0.5f, 0, 0.5f)) == std::vector<int>{0});
}

TEST_CASE("sampler: only the last row counts") {
    Matrix logits = Matrix::from_shape({2, 3});
    logits(0, 0) = 9, logits(0, 1) = 0, logits(0, 2) = 0;
    logits(1, 0) = 0, logits(1, 1) = 0, logits(1, 2) = 9;
    CHECK(kept(logits, options_of(0.0f)) == std::vector<int>{2});
    CHECK(Sampler(options_of(0.0f))(logits) == 2);
}

TEST_CASE("sampler: draws are as frequent as their probabilities") {
    struct Case {
        const char* name;
        SamplerOptions options;
    };
    const Case cases[] = {{"all", options_of(1.0f, 0, 1.0f, 11)},
                          {"cool", options_of(0.6f, 0, 1.0f, 12)},
                          {"top-k", options_of(1.3f, 7, 1.0f, 13)},
                          {"top-p", options_of(1.0f, 0, 0.7f, 14)},
                          {"both", options_of(1.5f, 10, 0.8f, 15)}};
    const Matrix logits = row_of(random_logits(20, 5));
    constexpr int draws = 20000;
    for (const Case& one : cases) {
        CAPTURE(one.name);
        const SamplerOptions& options = one.options;
        Sampler sampler(options);
        std::map<int, int> count;
        for (int i = 0; i < draws; ++i) ++count[sampler(logits)];

        const auto distribution = next_token_distribution(logits, options);
        double chi_square = 0.0;
        int counted = 0;
        for (const TokenProbability& entry : distribution) {
            const double expected = draws * static_cast<double>(entry.probability);
            const double difference = count[entry.token] - expected;
            chi_square += difference * difference / expected;
            counted += count[entry.token];
        }
        CHECK(counted == draws);  // nothing else was drawn
        // Mean n - 1 and standard deviation sqrt(2 (n - 1)); five of them above is less likely than one in 10^4.
        const double freedom = static_cast<double>(distribution.size() - 1);
        CHECK(chi_square < freedom + 5.0 * std::sqrt(2.0 * freedom));
    }
}

TEST_CASE("sampler: the same seed draws the same tokens, here and on every machine") {
    const Matrix logits = row_of({0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    // mt19937_64's 10000th number for the default seed is fixed by the C++ standard; the draws follow from its bits by
    // floor(10 (r >> 11) / 2^53).
    Sampler sampler(options_of(1.0f, 0, 1.0f, std::mt19937_64::default_seed));
    std::mt19937_64 random;
    for (int i = 1; i < 10000; ++i) {
        const int expected = static_cast<int>((random() >> 11) / (0x1p53 / 10));
        REQUIRE(sampler(logits) == expected);
    }
    CHECK(random() == 9981545732273789042u);
    CHECK(sampler(logits) == 5);  // 9981545732273789042 / 2^64 = 0.541…

    std::vector<int> first, second, other;
    Sampler a(options_of(1.0f, 0, 1.0f, 1)), b(options_of(1.0f, 0, 1.0f, 1)), c(options_of(1.0f, 0, 1.0f, 2));
    for (int i = 0; i < 50; ++i) first.push_back(a(logits)), second.push_back(b(logits)), other.push_back(c(logits));
    CHECK(first == second);
    CHECK(first != other);
}

TEST_CASE("sampler: a vocabulary of 256,000") {
    const Matrix logits = row_of(random_logits(256000, 9));
    const auto all = next_token_distribution(logits, options_of(1.0f));
    REQUIRE(all.size() == 256000);
    double sum = 0.0;
    for (std::size_t i = 0; i < all.size(); ++i) {
        sum += all[i].probability;
        if (i > 0) REQUIRE(all[i].probability <= all[i - 1].probability);
    }
    CHECK(sum == doctest::Approx(1.0).epsilon(1e-6));
    const auto nucleus = next_token_distribution(logits, options_of(1.0f, 0, 0.1f));
    for (std::size_t i = 0; i < nucleus.size(); ++i) REQUIRE(nucleus[i].token == all[i].token);
    const auto top = next_token_distribution(logits, options_of(1.0f, 40));
    REQUIRE(top.size() == 40);
    for (std::size_t i = 0; i < top.size(); ++i) CHECK(top[i].token == all[i].token);
}

TEST_CASE("sampler: a logit that is no number is an error") {
    const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    for (const float temperature : {0.0f, 1.0f}) {
        for (const float bad : {infinity, -infinity, nan}) {
            const Matrix logits = row_of({0, bad, 1});
            const std::string message = message_of<Error>([&] { Sampler(options_of(temperature))(logits); });
            CHECK(message.find("the logit of token 1 is ") == 0);
            CHECK_THROWS_AS(next_token_distribution(logits, options_of(temperature)), Error);
        }
    }
    CHECK_THROWS_AS(next_token_distribution(Matrix::from_shape({0, 3}), options_of(1.0f)), Error);
    CHECK_THROWS_AS(next_token_distribution(Matrix::from_shape({1, 0}), options_of(0.0f)), Error);
}

TEST_CASE("sampler: options out of range are an error") {
    const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    for (const float temperature : {-0.1f, infinity, nan}) {
        CHECK(message_of<Error>([&] { Sampler{options_of(temperature)}; }).find("the temperature is ") == 0);
        CHECK_THROWS_AS(next_token_distribution(row_of({1}), options_of(temperature)), Error);
    }
    for (const float top_p : {0.0f, -1.0f, 1.5f, infinity, nan}) {
        CHECK(message_of<Error>([&] { Sampler{options_of(1.0f, 0, top_p)}; }).find("top-p is ") == 0);
    }
    CHECK(message_of<Error>([] { Sampler{options_of(-1.0f)}; }) ==
          "the temperature is -1, expected 0 (greedy) or more");
    CHECK(message_of<Error>([] { Sampler{options_of(1.0f, 0, 0.0f)}; }) == "top-p is 0, expected above 0, at most 1");
}

}  // namespace
}  // namespace gemma
