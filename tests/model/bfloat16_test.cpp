// The forward pass in bfloat16 against the official model run in bfloat16.
//
// Two right implementations drift apart: their float32 sums take another order, and where a sum lies near the middle
// between two bfloat16 numbers it is rounded to one here and to the other there, and all that follows sees it. So each
// step is tested by itself: an observer compares what the step made of official numbers, and then puts the official
// numbers in their place for the steps that follow.
//
// In two places PyTorch 1.13, which made the fixtures on a CPU, rounds inside of a step (tests/reference/README.md):
// its GELU after every operation, and its smallest products after every term of a sum. There the official numbers are
// not what is right: act_fn is compared with the formula in double, and those products are left out.
#include "gemma/checkpoint/safetensors.hpp"
#include "gemma/dtype.hpp"
#include "gemma/model/model.hpp"
#include "gemma/precision.hpp"
#include "tests/model/official_run.hpp"
#include "tests/support/contains.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace gemma {
namespace {

namespace fs = std::filesystem;

// How the numbers of a step agree with the official ones, all layers of all models together.
struct Agreement {
    std::size_t numbers = 0, identical = 0;
    double farthest = 0.0;  // in units in the last place

    double share() const { return static_cast<double>(identical) / static_cast<double>(numbers); }
};

using Agreements = std::map<std::string, Agreement>;

// "model.layers.3.mlp.gated" is the step "mlp.gated".
std::string step_of(const std::string& name) {
    const std::string layers = "model.layers.";
    if (name.rfind(layers, 0) != 0) return name;
    const std::size_t dot = name.find('.', layers.size());
    return dot == name.npos ? "layer" : name.substr(dot + 1);
}

// The parts of a norm stay in float32: only its output is rounded.
bool stays_float32(const std::string& step) { return contains(step, "mean_square") || contains(step, "normalized"); }

// Sums of two numbers and products of two numbers of 8 bits: float32 leaves no choice before they are rounded.
bool is_one_operation(const std::string& step) {
    if (stays_float32(step)) return false;
    return contains(step, "norm") || contains(step, "embed") || step == "residual_attn" || step == "layer" ||
           step == "mlp.gated";
}

// The distance of the numbers that have so many bits of fraction, near `magnitude`.
double unit_in_the_last_place(double magnitude, int fraction_bits) {
    return std::ldexp(1.0, std::ilogb(magnitude) - fraction_bits);
}

// tanh's form of GELU, rounded once.
float rounded_gelu(float x) {
    const double z = static_cast<double>(x),
                 inner = std::sqrt(2.0 / 3.14159265358979323846) * (z + 0.044715 * z * z * z);
    float y = static_cast<float>(0.5 * z * (1.0 + std::tanh(inner)));
    round_to(Precision::bfloat16, &y, 1);
    return y;
}

// Which products are so small that PyTorch rounds after every term.
bool is_rounded_inside(const std::string& fixture, const std::string& step) {
    return (fixture == "six_layers" && step == "self_attn.context") ||
           (fixture == "one_token" && step == "self_attn.scores");
}

// Compares what it sees with the official numbers of the same name and, if it teaches, puts them in their place.
class OfficialNumbers : public Observer {
public:
    enum class Then { goes_on, teaches };

    OfficialNumbers(const fs::path& directory, Then then)
        : fixture_(directory.filename().string()),
          trace_(directory / "expected_bfloat16.safetensors"),
          tokens_(tokens_of(trace_)),
          then_(then) {}

    const std::vector<int>& tokens() const { return tokens_; }
    const Agreements& agreements() const { return agreements_; }

    /// The position of the first token of the pass that comes.
    void begin_at(std::size_t position) { first_ = position; }

    void observe(const std::string& name, const TensorView& tensor) override {
        const std::vector<float> official = official_rows(name, tensor.shape);
        const std::string step = step_of(name);
        if (then_ == Then::teaches && step == "mlp.act_fn") {
            std::vector<float> right = official_rows(name.substr(0, name.size() - 6) + "gate_proj", tensor.shape);
            std::transform(right.begin(), right.end(), right.begin(), rounded_gelu);
            compare(step, tensor.data, right);
        } else if (then_ == Then::goes_on || !is_rounded_inside(fixture_, step)) {
            compare(step, tensor.data, official);
        }
        if (then_ == Then::teaches) std::copy(official.begin(), official.end(), tensor.data);
    }

private:
    // A sum whose terms nearly cancel has the errors of its terms, not of itself: the unit of a small number is that of
    // a number 256 times smaller than the tensor's largest.
    void compare(const std::string& step, const float* found, const std::vector<float>& official) {
        double largest = 0.0;
        for (const float value : official) largest = std::max(largest, std::fabs(static_cast<double>(value)));
        Agreement& agreement = agreements_[step];
        agreement.numbers += official.size();
        for (std::size_t i = 0; i < official.size(); ++i) {
            if (found[i] == official[i]) {
                ++agreement.identical;
                continue;
            }
            const double difference = std::fabs(static_cast<double>(found[i]) - static_cast<double>(official[i]));
            const double magnitude = std::max(std::fabs(static_cast<double>(official[i])), largest / 256);
            const double units = difference / unit_in_the_last_place(magnitude, stays_float32(step) ? 23 : 7);
            if (!(units <= agreement.farthest)) agreement.farthest = units;
        }
    }

    // The rows of the tokens of this pass, and of scores and probs the columns of those that it sees.
    std::vector<float> official_rows(const std::string& name, const Shape& shape) const {
        const StoredTensor* const tensor = trace_.find(name);
        REQUIRE(tensor != nullptr);
        const std::vector<float> all = values_of(*tensor);
        const std::size_t T = tokens_.size();
        std::vector<float> rows;
        if (is_over_tokens_seen(name)) {
            for (std::size_t h = 0; h < shape[0]; ++h) {
                for (std::size_t t = first_; t < first_ + shape[1]; ++t) {
                    const float* row = &all[(h * T + t) * T];
                    rows.insert(rows.end(), row, row + shape[2]);
                }
            }
        } else {
            const std::size_t width = all.size() / T;
            rows.assign(&all[first_ * width], &all[first_ * width] + shape[0] * width);
        }
        REQUIRE(rows.size() == element_count(shape));
        return rows;
    }

    std::string fixture_;
    SafetensorsFile trace_;
    std::vector<int> tokens_;
    Then then_;
    std::size_t first_ = 0;
    Agreements agreements_;
};

std::vector<fs::path> bfloat16_fixtures() {
    std::vector<fs::path> directories;
    for (const fs::path& directory : fixture_directories()) {
        if (fs::exists(directory / "expected_bfloat16.safetensors")) directories.push_back(directory);
    }
    return directories;
}

// A forward pass, `piece` tokens at a time, beside the official one.
Agreements compare_with_official(const fs::path& directory, std::size_t piece, OfficialNumbers::Then then) {
    OfficialNumbers official(directory, then);
    const Model model(directory, Precision::bfloat16);
    const std::vector<int>& tokens = official.tokens();
    KVCache cache(model.config(), tokens.size(), model.precision());
    for (std::size_t first = 0; first < tokens.size(); first += piece) {
        const std::size_t last = std::min(first + piece, tokens.size());
        official.begin_at(first);
        model.forward({tokens.begin() + first, tokens.begin() + last}, cache, Trace(official));
    }
    return official.agreements();
}

Agreements over_all_fixtures(std::size_t piece, OfficialNumbers::Then then) {
    Agreements total;
    for (const fs::path& directory : bfloat16_fixtures()) {
        for (const auto& [step, agreement] : compare_with_official(directory, piece, then)) {
            total[step].numbers += agreement.numbers;
            total[step].identical += agreement.identical;
            total[step].farthest = std::max(total[step].farthest, agreement.farthest);
        }
    }
    return total;
}

std::string table_of(const Agreements& agreements) {
    std::string table = fmt::format("{:<40}{:>10}{:>13}{:>12}\n", "step", "numbers", "identical %", "farthest");
    for (const auto& [step, agreement] : agreements) {
        table += fmt::format("{:<40}{:>10}{:>13.3f}{:>12.3g}\n", step, agreement.numbers, 100 * agreement.share(),
                             agreement.farthest);
    }
    return table;
}

// The largest |a - b|.
float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
    float largest = 0.0f;
    for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::fabs(a[i] - b[i]));
    return largest;
}

}  // namespace

TEST_CASE("bfloat16: each step makes of official numbers what the official model makes of them") {
    REQUIRE(bfloat16_fixtures().size() >= 6);
    for (const std::size_t piece : {100000, 1, 7}) {
        CAPTURE(piece);
        const Agreements agreements = over_all_fixtures(piece, OfficialNumbers::Then::teaches);
        if (piece > 1000) MESSAGE("fed by official numbers\n", table_of(agreements));
        for (const auto& entry : agreements) {
            const std::string& step = entry.first;
            const Agreement& agreement = entry.second;
            CAPTURE(step);
            if (stays_float32(step)) {
                CHECK(agreement.farthest <= 4.0);  // of 2^-23: sums of a few dozen squares, and a root
            } else if (is_one_operation(step)) {
                CHECK(agreement.identical == agreement.numbers);
            } else {
                CHECK(agreement.farthest <= 1.0);
                CHECK(agreement.share() >= 0.995);
            }
        }
    }
}

TEST_CASE("bfloat16: left to itself, the model stays nearer to the official one than rounding is to float32") {
    MESSAGE("left to itself\n", table_of(over_all_fixtures(100000, OfficialNumbers::Then::goes_on)));
    for (const fs::path& directory : bfloat16_fixtures()) {
        CAPTURE(directory.filename().string());
        const SafetensorsFile rounded(directory / "expected_bfloat16.safetensors");
        const std::vector<float> official = values_of(*rounded.find("lm_head"));
        const SafetensorsFile exact(directory / "expected.safetensors");
        const std::vector<float> float32 = values_of(*exact.find("lm_head"));
        const Model model(directory, Precision::bfloat16);
        for (const Precision cache_precision : {Precision::float32, Precision::bfloat16}) {
            KVCache cache(model.config(), 100, cache_precision);
            const Matrix logits = model.forward(tokens_of(rounded), cache);
            CHECK(largest_difference({logits.begin(), logits.end()}, official) <=
                  largest_difference(float32, official));
        }
    }
}

}  // namespace gemma
