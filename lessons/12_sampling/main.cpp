// Lesson 12: from logits to a word: temperature, top-k, top-p, seeds.

#include "gemma/components/softmax.hpp"
#include "gemma/text/generate.hpp"
#include "gemma/text/sampler.hpp"
#include "lessons/lesson.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

namespace {

using gemma::Matrix;
using gemma::SamplerOptions;
using gemma::TokenProbability;
using lesson::Lesson;

std::string prompt = "It was a sunny day. Anna went to the";

using Distribution = std::vector<TokenProbability>;  // likeliest first

SamplerOptions options_of(float temperature, std::size_t top_k = 0, float top_p = 1.0f, std::uint64_t seed = 0) {
    SamplerOptions options;
    options.temperature = temperature;
    options.top_k = top_k;
    options.top_p = top_p;
    options.seed = seed;
    return options;
}

double percent(double share) { return 100 * share; }

// H = -Σ p log2 p.
double entropy(const Distribution& distribution) {
    double bits = 0;
    for (const auto& [token, p] : distribution) {
        if (p > 0) bits -= p * std::log2(static_cast<double>(p));
    }
    return bits;
}

double entropy(const Matrix& logits, double temperature) {
    return entropy(gemma::next_token_distribution(logits, options_of(static_cast<float>(temperature))));
}

// --- 1, 2: logits and temperature ------------------------------------------------------------------------------------

void show_logits(Lesson& lesson, const Matrix& logits) {
    lesson.step("Logits become probabilities");
    lesson.formula("p_i = exp(z_i) / Σ_j exp(z_j)        one for each of the V tokens");
    lesson.line(fmt::format("\"{}\" …\n", prompt));
    const Distribution all = gemma::next_token_distribution(logits, options_of(1));
    viz::Table table{{"next", "logit z", "p", ""}, {}};
    for (std::size_t i = 0; i < 10; ++i) {
        const auto [token, p] = all[i];
        table.rows.push_back({lesson.tokenizer().piece(token), fmt::format("{:.3f}", logits(0, token)),
                              fmt::format("{:.4f}", p), viz::bar(p / all[0].probability, 30)});
    }
    lesson.table(table);
    lesson.notice(fmt::format(
        "The model does not say one word: it says how likely each of {} is. Which one is written is decided by whoever "
        "draws. Entropy of this distribution: {:.3f} bits, as undecided as between {:.1f} equally likely words.",
        all.size(), entropy(all), std::exp2(entropy(all))));
    gemma::Vector row = gemma::Vector::from_shape({logits.size()});
    std::copy(logits.begin(), logits.end(), row.begin());
    const gemma::Vector p = gemma::softmax(row);
    double difference = 0;
    for (const auto& [token, probability] : all) {
        difference = std::max(difference, std::abs(static_cast<double>(probability) - p(token)));
    }
    lesson.check("temperature 1: probabilities against softmax(z)", difference, 1e-6, "components/softmax");
}

// Var(z) under softmax(z / T).
double variance(const Matrix& logits, const Distribution& distribution) {
    double mean = 0, square = 0;
    for (const auto& [token, p] : distribution) mean += p * logits(0, token);
    for (const auto& [token, p] : distribution) square += p * std::pow(logits(0, token) - mean, 2);
    return square;
}

void check_temperature(Lesson& lesson, const Matrix& logits) {
    const double log2_V = std::log2(static_cast<double>(logits.shape(1)));
    double odds = 0, slope = 0;
    for (const double T : {0.5, 0.8, 1.0, 2.0}) {
        const Distribution d = gemma::next_token_distribution(logits, options_of(static_cast<float>(T)));
        const double right = logits(0, d[0].token) - logits(0, d[5].token);
        const double found = T * std::log(d[0].probability / d[5].probability);
        odds = std::max(odds, std::abs(found - right) / right);
        const double h = 0.005, expected = variance(logits, d) / (T * T * T) / std::log(2.0);
        const double measured = (entropy(logits, T + h) - entropy(logits, T - h)) / (2 * h);
        slope = std::max(slope, std::abs(measured - expected) / expected);
    }
    lesson.check("T · ln(p_1 / p_6) is z_1 - z_6, relative", odds, 1e-4, "closed form");
    lesson.check("dH/dT is Var(z) / T³, relative", slope, 1e-2, "closed form");
    lesson.check("T = 1e6: entropy is log2 V, bits", std::abs(entropy(logits, 1e6) - log2_V), 1e-4, "closed form");
    lesson.check("T = 1e-6: entropy is 0, bits", entropy(logits, 1e-6), 1e-6, "closed form");
}

void show_temperature(Lesson& lesson, const Matrix& logits) {
    lesson.step("Temperature");
    lesson.formula(
        "p_i = exp(z_i / T) / Σ_j exp(z_j / T)\nT · ln(p_i / p_j) = z_i - z_j        dH/dT = Var(z) / T³, in nats");
    const std::vector<double> temperatures = {0.25, 0.5, 0.8, 1, 1.5, 3};
    viz::Table table{{"next"}, {}};
    const Distribution all = gemma::next_token_distribution(logits, options_of(1));
    constexpr std::size_t shown = 6;
    for (std::size_t i = 0; i < shown; ++i) table.rows.push_back({lesson.tokenizer().piece(all[i].token)});
    table.rows.push_back({"all others"});
    table.rows.push_back({"entropy, bits"});
    viz::Chart chart{"The likeliest 30 tokens, by temperature", {"rank"}, {"probability", true}, {}};
    for (const double T : temperatures) {
        table.header.push_back(fmt::format("T = {}", T));
        const Distribution d = gemma::next_token_distribution(logits, options_of(static_cast<float>(T)));
        double rest = 1;
        for (std::size_t i = 0; i < shown; ++i) {
            table.rows[i].push_back(fmt::format("{:.4f}", d[i].probability));
            rest -= d[i].probability;
        }
        table.rows[shown].push_back(fmt::format("{:.4f}", std::max(rest, 0.0)));
        table.rows[shown + 1].push_back(fmt::format("{:.3f}", entropy(d)));
        viz::Series series{fmt::format("T = {}", T), {}, {}};
        for (std::size_t i = 0; i < 30; ++i) {
            series.x.push_back(static_cast<double>(i + 1));
            series.y.push_back(std::max(1e-6, static_cast<double>(d[i].probability)));
        }
        if (T == 0.5 || T == 1 || T == 3) chart.series.push_back(series);
    }
    lesson.table(table);
    lesson.notice(
        "Low: the likely become likelier, in the limit 0 only the likeliest is left (greedy). High: all become equal. "
        "The order of the tokens never changes, and entropy only grows.");
    lesson.figure("temperature", chart, "The same logits at three temperatures. Below 1e-6 the curve is cut off.");
    const viz::Chart growth{
        "Entropy grows with temperature",
        {"temperature"},
        {"bits", false, 0.0},
        {viz::curve(
            "entropy of the next token", 0.05, 4, [&](double T) { return entropy(logits, T); }, 60)}};
    lesson.figure("entropy", growth, "From 0, always the same token, towards log2 V, all tokens alike.");
    check_temperature(lesson, logits);
}

// --- 3, 4: top-k, top-p, and their order -----------------------------------------------------------------------------

// The logits [1, V] that follow a text.
Matrix logits_after(Lesson& lesson, const std::string& text, gemma::Trace trace = {}) {
    const std::vector<int> tokens = lesson.tokenizer().encode_prompt(text);
    gemma::KVCache cache(lesson.model().config(), tokens.size());
    return lesson.model().forward_last(tokens, cache, trace);
}

// Where the model is sure, and where it is not.
void show_kept(Lesson& lesson) {
    viz::Table table{{"entropy, bits", "top-k 5 keeps", "top-p 0.9 keeps", "after"}, {}};
    for (const char* const text :
         {"Tom gave the ball to Anna. Now the ball belongs to", "Leo had a red ball. Leo lost the", "Once upon a",
          "It was a sunny day. Anna went to the", "Mia was"}) {
        const Matrix logits = logits_after(lesson, text);
        const auto kept = [&](std::size_t k, float p) {
            return std::to_string(gemma::next_token_distribution(logits, options_of(1, k, p)).size());
        };
        table.rows.push_back({fmt::format("{:.3f}", entropy(logits, 1)), kept(5, 1), kept(0, 0.9f), text});
    }
    lesson.table(table);
    lesson.notice(
        "k keeps the same number everywhere; p keeps few words where the model is sure, many where it is not.");
}

// What the tokens behind the 50th have together at temperature T.
double beyond_50th(const Matrix& logits, float T) {
    const Distribution d = gemma::next_token_distribution(logits, options_of(T));
    return 1 - std::accumulate(d.begin(), d.begin() + 50, 0.0,
                               [](double sum, const auto& next) { return sum + next.probability; });
}

void show_filters(Lesson& lesson, const Matrix& logits) {
    lesson.step("Top-k and top-p: the tail is cut off");
    lesson.formula(
        "top-k: keep only the k likeliest\n"
        "top-p: keep only the likeliest that together reach p\n"
        "then: p_i / Σ kept p, so that the sum is 1 again");
    const Distribution all = gemma::next_token_distribution(logits, options_of(1));
    viz::Table table{{"next", "p", "sum so far", "top-k 5", "top-p 0.5", "top-p 0.9"}, {}};
    const std::vector<Distribution> filtered = {gemma::next_token_distribution(logits, options_of(1, 5)),
                                                gemma::next_token_distribution(logits, options_of(1, 0, 0.5f)),
                                                gemma::next_token_distribution(logits, options_of(1, 0, 0.9f))};
    double sum = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        sum += all[i].probability;
        std::vector<std::string> row = {lesson.tokenizer().piece(all[i].token),
                                        fmt::format("{:.4f}", all[i].probability), fmt::format("{:.4f}", sum)};
        for (const Distribution& d : filtered)
            row.push_back(i < d.size() ? fmt::format("{:.4f}", d[i].probability) : "");
        table.rows.push_back(row);
    }
    std::vector<std::string> kept = {"tokens kept", std::to_string(all.size()), ""};
    for (const Distribution& d : filtered) kept.push_back(std::to_string(d.size()));
    table.rows.push_back(kept);
    lesson.table(table);
    const double cool = beyond_50th(logits, 1), hot = beyond_50th(logits, 2);
    lesson.notice(fmt::format(
        "Each token behind the 50th is unlikely, but there are {} of them: together {:.4f} at temperature 1, {:.4f} at "
        "temperature 2. In a text of 100 words one meets {:.1f} and {:.1f} of them.",
        all.size() - 50, cool, hot, 100 * cool, 100 * hot));
    show_kept(lesson);
    lesson.check("top-k 5 keeps 5 tokens", std::abs(5.0 - static_cast<double>(filtered[0].size())), 0, "definition");
    double broken = 0;
    for (const float p : {0.1f, 0.5f, 0.8f, 0.9f, 0.95f, 0.99f}) {
        const std::size_t n = gemma::next_token_distribution(logits, options_of(1, 0, p)).size();
        double with = 0;
        for (std::size_t i = 0; i < n; ++i) with += all[i].probability;
        broken += !(with > p - 1e-6 && with - all[n - 1].probability < p + 1e-6);
    }
    lesson.check("top-p keeps the fewest that reach p: cases where not", broken, 0, "Holtzman et al. 2019");
}

// Google's PyTorch code measures p on all tokens and then takes k: the first of both ends.
std::size_t kept_by_google(const Matrix& logits, std::size_t k, float p) {
    return std::min(k, gemma::next_token_distribution(logits, options_of(1, 0, p)).size());
}

void show_order(Lesson& lesson, const Matrix& logits) {
    lesson.step("The order of the filters matters");
    lesson.text(
        "transformers takes the k likeliest, makes their probabilities sum to 1, and measures p on those. Google's "
        "PyTorch code (google/gemma_pytorch) measures p on all tokens, before k. Tokens kept, transformers / Google:");
    const std::vector<std::size_t> ks = {2, 5, 10, 20};
    const std::vector<float> ps = {0.5f, 0.7f, 0.8f, 0.9f, 0.95f};
    viz::Table table{{""}, {}};
    for (const float p : ps) table.header.push_back(fmt::format("p = {}", p));
    std::size_t more = 0, different = 0;
    for (const std::size_t k : ks) {
        table.rows.push_back({fmt::format("k = {}", k)});
        for (const float p : ps) {
            const std::size_t ours = gemma::next_token_distribution(logits, options_of(1, k, p)).size();
            const std::size_t google = kept_by_google(logits, k, p);
            table.rows.back().push_back(fmt::format("{:>2} / {:<2}", ours, google));
            more += ours > google;
            different += ours != google;
        }
    }
    lesson.table(table);
    lesson.notice(
        fmt::format("In {} of {} cases the two keep different tokens: what top-k leaves sums to 1 again, so p is "
                    "reached sooner. This "
                    "project does as transformers does. Whoever compares two programs should set one filter only.",
                    different, ks.size() * ps.size()));
    lesson.check("cases in which top-k first keeps more than top-p first", static_cast<double>(more), 0, "closed form");
}

// --- 5: drawing ------------------------------------------------------------------------------------------------------

void show_draws(Lesson& lesson, const Matrix& logits) {
    lesson.step("10,000 draws");
    constexpr double n = 10000;
    const Distribution all = gemma::next_token_distribution(logits, options_of(1));
    gemma::Sampler sampler(options_of(1, 0, 1, 2024));
    std::map<int, double> drawn;
    viz::Series deviation{"frequency - probability of the likeliest", {}, {}, viz::Mark::points};
    viz::Series error{"standard error √(p (1 - p) / n)", {}, {}, viz::Mark::dashes};
    const double p0 = all[0].probability;
    for (double i = 1; i <= n; ++i) {
        ++drawn[sampler(logits)];
        const bool shown = i >= 10 && std::floor(8 * std::log10(i)) > std::floor(8 * std::log10(i - 1));
        if (!shown) continue;
        deviation.x.push_back(i);
        deviation.y.push_back(std::max(1e-5, std::abs(drawn[all[0].token] / i - p0)));
        error.x.push_back(i);
        error.y.push_back(std::sqrt(p0 * (1 - p0) / i));
    }
    viz::Table table{{"next", "p", "expected", "drawn", "difference / standard error"}, {}};
    double largest = 0, chi_square = 0, rest_p = 1, rest_drawn = n;
    const auto add = [&](const std::string& name, double p, double count) {
        const double z = (count - n * p) / std::sqrt(n * p * (1 - p));
        table.rows.push_back({name, fmt::format("{:.4f}", p), fmt::format("{:.1f}", n * p), fmt::format("{}", count),
                              fmt::format("{:.2f}", z)});
        largest = std::max(largest, std::abs(z));
        chi_square += std::pow(count - n * p, 2) / (n * p);
    };
    for (std::size_t i = 0; i < 10 && n * all[i].probability >= 25; ++i) {
        add(lesson.tokenizer().piece(all[i].token), all[i].probability, drawn[all[i].token]);
        rest_p -= all[i].probability;
        rest_drawn -= drawn[all[i].token];
    }
    if (n * rest_p >= 25) add("all others", rest_p, rest_drawn);
    lesson.table(table);
    const double freedom = static_cast<double>(table.rows.size()) - 1;
    lesson.text(
        fmt::format("Chi-square, Σ (drawn - expected)² / expected: {:.2f}. By chance alone it is {} on average, "
                    "give or take {:.1f}.",
                    chi_square, freedom, std::sqrt(2 * freedom)));
    lesson.figure(
        "draws",
        viz::Chart{"Frequencies come close to probabilities", {"draws", true}, {"distance", true}, {deviation, error}},
        "One token's frequency against its probability. A hundred times the draws, a tenth of the error.");
    lesson.check("frequencies: largest difference in standard errors", largest, 5, "probabilities");
    lesson.check("chi-square: standard deviations above its mean", (chi_square - freedom) / std::sqrt(2 * freedom), 6,
                 "probabilities");
}

// --- 6, 7: texts -----------------------------------------------------------------------------------------------------

// Continues the prompt; the trace sees the logits that each token was drawn from.
std::vector<int> write(Lesson& lesson, const SamplerOptions& options, std::size_t count, gemma::Trace trace = {}) {
    const std::vector<int> tokens = lesson.tokenizer().encode_prompt(prompt);
    gemma::KVCache cache(lesson.model().config(), tokens.size() + count);
    gemma::Sampler sampler(options);
    gemma::GenerateOptions generate;
    generate.max_tokens = count;
    return gemma::generate(lesson.model(), cache, tokens, sampler, generate, {}, trace).tokens;
}

void show_seeds(Lesson& lesson) {
    lesson.step("Seeds: chance that can be repeated");
    std::map<std::uint64_t, std::vector<int>> first;
    bool same = true;
    for (const std::uint64_t seed : {1, 2, 3, 1}) {
        const std::vector<int> tokens = write(lesson, options_of(0.8f, 0, 1, seed), 24);
        lesson.line(lesson.console().dim(fmt::format("seed {}", seed)));
        lesson.text("… " + lesson.tokenizer().decode(tokens));
        same = same && (first.count(seed) == 0 || first[seed] == tokens);
        first[seed] = tokens;
    }
    lesson.notice(
        "The same seed draws the same text, here and on every machine with the same numbers; another, another.");
    lesson.check("the same seed writes the same text", same, "itself");
    lesson.check("seeds 1, 2 and 3 do not write one text", first[1] != first[2] || first[1] != first[3], "each other");
    const auto greedy = [&](std::uint64_t seed) { return write(lesson, options_of(0, 0, 1, seed), 24); };
    lesson.check("greedy needs no chance: seeds 1 and 2 write one text", greedy(1) == greedy(2), "each other");
}

// How the tokens of a text were chosen, seen from the model's own probabilities (temperature 1).
struct Choices {
    double surprise = 0;   // mean of -log2 p(token)
    double likeliest = 0;  // share of tokens that were the likeliest
    double repeated = 0;   // share of rows of four tokens that stood there before
};

Choices choices_of(const std::vector<int>& text, const gemma::RecordedTensor& logits) {
    const std::size_t V = logits.shape.back();
    Choices choices;
    std::set<std::vector<int>> seen;
    for (std::size_t t = 0; t < text.size(); ++t) {
        Matrix row = Matrix::from_shape({1, V});
        std::copy_n(logits.numbers.begin() + static_cast<std::ptrdiff_t>(t * V), V, row.begin());
        const Distribution d = gemma::next_token_distribution(row, options_of(1));
        const auto chosen = std::find_if(d.begin(), d.end(), [&](const auto& c) { return c.token == text[t]; });
        choices.surprise -= std::log2(static_cast<double>(chosen->probability));
        choices.likeliest += chosen == d.begin();
        if (t >= 3) choices.repeated += !seen.insert({&text[t - 3], &text[t] + 1}).second;
    }
    const double count = static_cast<double>(text.size());
    return {choices.surprise / count, choices.likeliest / count, choices.repeated / std::max(1.0, count - 3)};
}

void show_texts(Lesson& lesson) {
    lesson.step("Texts at several temperatures");
    viz::Table table{{"temperature", "surprise, bits a token", "the likeliest taken", "fours repeated"}, {}};
    lesson.line(fmt::format("\"{}\" …\n", prompt));
    for (const float T : {0.0f, 0.5f, 0.8f, 1.0f, 1.5f, 3.0f}) {
        gemma::Recorder recorder(gemma::RecorderOptions{{"lm_head"}});
        const std::vector<int> text = write(lesson, options_of(T, 0, 1, 7), 60, gemma::Trace(recorder));
        const Choices choices = choices_of(text, recorder.tensor("lm_head"));
        lesson.line(lesson.console().dim(T == 0 ? "temperature 0, greedy" : fmt::format("temperature {}", T)));
        lesson.text("… " + lesson.tokenizer().decode(text));
        table.rows.push_back({fmt::format("{}", T), fmt::format("{:.3f}", choices.surprise),
                              fmt::format("{:.0f} %", percent(choices.likeliest)),
                              fmt::format("{:.0f} %", percent(choices.repeated))});
    }
    lesson.table(table);
    lesson.notice(
        "Surprise is -log2 p of each written token, by the model's own p; it is one text each, so chance shows in the "
        "numbers. Low temperatures write what is safe, and over again; high ones leave the language.");
}

// --- 8: a mistake ----------------------------------------------------------------------------------------------------

void show_mistake(Lesson& lesson, const Matrix& logits) {
    lesson.step("A mistake: logits divided in place");
    constexpr float T = 0.7f;
    lesson.text(
        "Google's PyTorch sampler divides the logits by the temperature in place (logits.div_) and returns them. "
        "Whoever "
        "dumps these as the model's logits, to compare with, dumps other numbers:");
    Matrix dumped = logits;
    for (float& z : dumped) z /= T;
    const Distribution all = gemma::next_token_distribution(logits, options_of(1));
    viz::Table table{{"next", "logit", "dumped at T = 0.7", "p", "p at T = 0.7", "p at T = 0.7 of the dumped"}, {}};
    const Distribution once = gemma::next_token_distribution(logits, options_of(T));
    const Distribution twice = gemma::next_token_distribution(dumped, options_of(T));
    double difference = 0, scale = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
        difference = std::max(difference, std::abs(static_cast<double>(dumped(0, i)) - logits(0, i)));
        scale = std::max(scale, std::abs(static_cast<double>(logits(0, i))));
    }
    for (std::size_t i = 0; i < 3; ++i) {
        const int token = all[i].token;
        table.rows.push_back({lesson.tokenizer().piece(token), fmt::format("{:.3f}", logits(0, token)),
                              fmt::format("{:.3f}", dumped(0, token)), fmt::format("{:.4f}", all[i].probability),
                              fmt::format("{:.4f}", once[i].probability), fmt::format("{:.4f}", twice[i].probability)});
    }
    lesson.table(table);
    lesson.notice(fmt::format(
        "Off by {:.4f} of the largest logit, 1/T - 1, where two right programs agree to 5e-5. Used once more they are "
        "divided twice: temperature {:.2f} in place of {}. Greedy hides it: the order is the same.",
        difference / scale, T * T, T));
    lesson.check("divided in place: the relative error is 1/T - 1", std::abs(difference / scale - (1 / 0.7 - 1)), 1e-5,
                 "closed form");
    const Distribution squared = gemma::next_token_distribution(logits, options_of(T * T));
    lesson.check("divided twice: the distribution of T²",
                 std::abs(static_cast<double>(squared[0].probability) - twice[0].probability), 1e-6, "closed form");
}

void tell(Lesson& lesson) {
    lesson.traced(prompt, lesson.tokenizer().encode_prompt(prompt));
    const Matrix logits = logits_after(lesson, prompt, lesson.trace());
    show_logits(lesson, logits);
    show_temperature(lesson, logits);
    show_filters(lesson, logits);
    show_order(lesson, logits);
    show_draws(lesson, logits);
    show_seeds(lesson);
    show_texts(lesson);
    show_mistake(lesson, logits);
}

}  // namespace

int main(int argc, char** argv) {
    lesson::About about{
        "12_sampling", "sampling",
        "From the model's numbers to a word: temperature, top-k, top-p, and chance that can be repeated."};
    about.takes_model = true;
    about.options = {{"prompt", &prompt, "The text to continue"}};
    return lesson::run(argc, argv, about, tell);
}
