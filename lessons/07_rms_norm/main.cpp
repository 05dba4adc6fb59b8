// Lesson 07: RMSNorm gives a vector a standard length, and where the precision of that goes.

#include "gemma/components/rms_norm.hpp"

#include "gemma/components/layer_norm.hpp"
#include "gemma/trace/trace_file.hpp"
#include "lessons/07_rms_norm/rounding.hpp"
#include "lessons/breaks.hpp"
#include "lessons/lesson.hpp"
#include "lessons/random.hpp"
#include "viz/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

namespace {

using gemma::Matrix;
using gemma::rms_norm;
using gemma::Vector;
using lesson::in_bfloat16;
using lesson::Inside;
using lesson::Lesson;
using lesson::Precision;
using lesson::to_bfloat16;
using lesson::to_float16;

namespace fs = std::filesystem;

constexpr float eps = 1e-6f;

Matrix row_of(std::initializer_list<float> numbers) {
    Matrix row = Matrix::from_shape({1, numbers.size()});
    std::copy(numbers.begin(), numbers.end(), row.begin());
    return row;
}

Vector constant(std::size_t size, float value) {
    Vector vector = Vector::from_shape({size});
    vector.fill(value);
    return vector;
}

// x · factor + shift, number by number.
Matrix changed(Matrix x, float factor, float shift) {
    for (float& number : x) number = number * factor + shift;
    return x;
}

double mean_of(const float* row, std::size_t count) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += row[i];
    return sum / static_cast<double>(count);
}

double root_mean_square(const float* row, std::size_t count) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(row[i]) * row[i];
    return std::sqrt(sum / static_cast<double>(count));
}

// The largest difference, relative to the largest number of the right tensor.
double distance(const float* right, const float* other, std::size_t count) {
    double difference = 0, largest = 0;
    for (std::size_t i = 0; i < count; ++i) {
        difference = std::max(difference, std::fabs(static_cast<double>(right[i]) - other[i]));
        largest = std::max(largest, std::fabs(static_cast<double>(right[i])));
    }
    return difference / largest;
}

double distance(const Matrix& right, const Matrix& other) { return distance(right.data(), other.data(), right.size()); }

std::string numbers_of(const Matrix& row) {
    std::string text;
    for (const float number : row) text += fmt::format("{:>7.3f}", number);
    return text;
}

// LayerNorm with RMSNorm's scale and no bias.
Matrix layer_norm(const Matrix& x, const Vector& weight) {
    Vector gain = weight;
    for (float& number : gain) number += 1.0f;
    return gemma::layer_norm(x, gain, constant(weight.size(), 0.0f), eps);
}

// --- What it computes ------------------------------------------------------------------------------------------------

void step_formula(Lesson& lesson) {
    lesson.step("The formula, on four numbers");
    lesson.formula(
        "mean_square = (1/D) Σ x²                       [T]\n"
        "normalized  = x / √(mean_square + ε)           [T D]\n"
        "y           = normalized · (1 + w)             [T D], w [D] is learned");
    const Matrix x = row_of({1.0f, -2.0f, 2.0f, 4.0f});
    Vector w = constant(4, 0.0f);
    w(1) = 0.5f;
    w(2) = -0.5f;
    w(3) = 0.25f;
    gemma::Recorder recorder;
    const Matrix y = rms_norm(x, w, eps, gemma::Trace(recorder, "norm"));
    const float mean_square = recorder.tensor("norm.mean_square").numbers[0];
    const std::vector<float> normalized = recorder.tensor("norm.normalized").numbers;
    viz::Table table{{"i", "x", "x²", "normalized", "w", "1 + w", "y"}, {}};
    for (std::size_t i = 0; i < 4; ++i) {
        table.rows.push_back({std::to_string(i), viz::number(x(0, i)), viz::number(x(0, i) * x(0, i)),
                              fmt::format("{:.3f}", normalized[i]), viz::number(w(i)), viz::number(1 + w(i)),
                              fmt::format("{:.3f}", y(0, i))});
    }
    lesson.table(table);
    lesson.text(fmt::format("mean_square = 25 / 4 = {}, and its root is {}: each number is divided by that.",
                            viz::number(mean_square), viz::number(std::sqrt(mean_square))));
    const double length = 2 * root_mean_square(normalized.data(), 4);
    lesson.notice(
        fmt::format("The directions of x stay, its length does not: the normalized vector is √D = {} long, "
                    "whatever x was.",
                    viz::number(length)));
}

void step_invariance(Lesson& lesson) {
    lesson.step("Scale, shift, and LayerNorm beside it");
    lesson.formula(
        "RMSNorm    x / √(mean(x²) + ε)\n"
        "LayerNorm  (x - mean(x)) / √(variance(x) + ε)");
    const Matrix x = row_of({1.0f, -2.0f, 2.0f, 4.0f});
    const Vector zero = constant(4, 0.0f);
    lesson.text("x is (1, -2, 2, 4) again, and w is 0:");
    viz::Table table{{"input", "RMSNorm", "LayerNorm"}, {}};
    const auto row = [&](const std::string& name, const Matrix& input) {
        table.rows.push_back({name, numbers_of(rms_norm(input, zero, eps)), numbers_of(layer_norm(input, zero))});
    };
    row("x", x);
    row("100 x", changed(x, 100.0f, 0.0f));
    row("x + 10", changed(x, 1.0f, 10.0f));
    row("x - mean(x)", changed(x, 1.0f, -1.25f));
    lesson.table(table);
    lesson.notice(
        "Neither sees the scale. LayerNorm does not see a shift either, RMSNorm does. Where the mean is 0 "
        "already, the two are the same: LayerNorm is RMSNorm after taking away the mean.");

    lesson::Random random(7);
    constexpr std::size_t D = 2048;
    const Matrix long_x = random.normal<2>({4, D});
    const Vector w = random.normal<1>({D}, 0.1);
    Matrix centered = long_x;
    for (std::size_t t = 0; t < 4; ++t) {
        const auto mean = static_cast<float>(mean_of(&long_x(t, 0), D));
        for (std::size_t i = 0; i < D; ++i) centered(t, i) -= mean;
    }
    const Matrix y = rms_norm(long_x, w, eps), normalized = rms_norm(long_x, constant(D, 0.0f), eps);
    double from_one = 0;
    for (std::size_t t = 0; t < 4; ++t)
        from_one = std::max(from_one, std::fabs(root_mean_square(&normalized(t, 0), D) - 1));
    lesson.check("the root mean square of what is normalized is 1", from_one, 1e-6, "closed form");
    lesson.check("rms_norm(1000 x) = rms_norm(x)", distance(y, rms_norm(changed(long_x, 1000.0f, 0.0f), w, eps)), 2e-6,
                 "closed form");
    lesson.check("layer_norm(x + 10) = layer_norm(x)",
                 distance(layer_norm(long_x, w), layer_norm(changed(long_x, 1.0f, 10.0f), w)), 1e-5, "closed form");
    lesson.check("rms_norm(x + 10) is something else",
                 distance(y, rms_norm(changed(long_x, 1.0f, 10.0f), w, eps)) > 0.1, "closed form");
    lesson.check("both agree where the mean is 0", distance(rms_norm(centered, w, eps), layer_norm(centered, w)), 1e-6,
                 "LayerNorm");
}

// The root mean square that a vector of this size has after the norm.
double size_after(double size, float epsilon) {
    const Matrix x = row_of({static_cast<float>(size), static_cast<float>(-size)});
    const Matrix y = rms_norm(x, constant(2, 0.0f), epsilon);
    return root_mean_square(y.data(), 2);
}

void step_eps(Lesson& lesson) {
    lesson.step("What ε is for");
    lesson.text(
        "The slides' formula, like the paper's, has no ε: a vector of zeros would be 0/0. Gemma adds 1e-6 "
        "under the root. Vectors that are much larger do not notice it, tiny ones stay small:");
    viz::Table table{{"size of x (its root mean square)", "size of y with ε = 1e-6", "without ε"}, {}};
    double worst = 0;
    for (const double size : {100.0, 1.0, 0.1, 0.01, 0.001, 0.0001, 0.0}) {
        const double after = size_after(size, eps), without = size_after(size, 0.0f);
        worst = std::max(worst, std::fabs(after - size / std::sqrt(size * size + static_cast<double>(eps))));
        table.rows.push_back({viz::number(size), fmt::format("{:.4f}", after),
                              std::isnan(without) ? "not a number" : fmt::format("{:.4f}", without)});
    }
    lesson.table(table);
    lesson.notice(
        fmt::format("At a size of 0.001, where x² is as large as ε, y is smaller by the root of two; far below, "
                    "it is 1000 x. The place of ε matters: after the root, as x / (√mean_square + ε), a size "
                    "of 0.001 would become {:.4f}.",
                    0.001 / (0.001 + static_cast<double>(eps))));
    viz::Chart chart{
        "The size of a vector after RMSNorm", {"root mean square of x", true, {}, {}}, {"root mean square of y"}, {}};
    viz::Series with{"ε = 1e-6", {}, {}}, none{"no ε", {}, {}, viz::Mark::dashes};
    for (int i = -60; i <= 20; ++i) {
        const double size = std::pow(10.0, i / 10.0);
        with.x.push_back(size);
        with.y.push_back(size_after(size, eps));
        none.x.push_back(size);
        none.y.push_back(size_after(size, 0.0f));
    }
    chart.series = {with, none};
    lesson.figure("epsilon", chart, "What ε does to vectors of different size");
    lesson.check("the size of y is s / √(s² + ε) for all s above", worst, 1e-6, "closed form");
    lesson.check("a vector of zeros stays zeros", size_after(0.0, eps), 0, "closed form");
}

// --- Number formats
// ----------------------------------------------------------------------------------------------------

void step_one_plus_w(Lesson& lesson) {
    lesson.step("Why 1 + w, and where to add the 1");
    lesson.text(
        "w is learned around 0, and w = 0 is no scale at all. bfloat16, in which Gemma is published, has 8 "
        "significant bits: near 0 its numbers lie close together, near 1 they are 0.0078 apart. So w may be "
        "stored in bfloat16, and 1 + w must be computed in float32:");
    viz::Table table{{"w", "w in bfloat16", "1 + w in float32", "1 + w in bfloat16", "error"}, {}};
    for (const float number : {3.141592f, 0.003f, 0.01f, -0.0625f}) {
        const float w = to_bfloat16(number), exact = 1.0f + w, rounded = to_bfloat16(exact);
        table.rows.push_back({viz::number(number, 7), viz::number(w, 7), viz::number(exact, 7), viz::number(rounded, 7),
                              fmt::format("{:.2f} %", 100 * std::fabs(rounded / exact - 1))});
    }
    lesson.table(table);
    lesson.notice("With w = 0.003 the sum in bfloat16 is 1: what was learned is gone.");
    const float w = to_bfloat16(3.141592f);
    lesson.check("3.141592 in bfloat16 is 3.140625", std::fabs(w - 3.140625), 0, "closed form");
    lesson.check("1 + 3.140625: 4.140625, in bfloat16 4.125",
                 std::fabs(1.0f + w - 4.140625) + std::fabs(to_bfloat16(1.0f + w) - 4.125), 0, "closed form");
}

void step_float32_inside(Lesson& lesson) {
    lesson.step("float32 inside, rounded once at the end");
    constexpr std::size_t D = 2048;
    lesson::Random random(70);
    const Matrix x = in_bfloat16(random.normal<2>({1, D}, 1.5));
    Vector w = random.normal<1>({D}, 0.1), w_rounded = w;
    for (float& number : w) number = to_bfloat16(number);
    for (std::size_t i = 0; i < D; ++i) w_rounded(i) = to_bfloat16(1.0f + w(i)) - 1.0f;
    const float coarse = lesson::mean_square_in_bfloat16(x);
    Inside cast_early("norm.normalized", to_bfloat16);
    Inside coarse_sum("norm.mean_square", [coarse](float) { return coarse; });

    lesson.text(
        fmt::format("x and w in bfloat16, {} numbers. However y is computed, it is rounded to bfloat16 at the "
                    "end. The error of each number, against double precision:",
                    D));
    const Matrix gemma = in_bfloat16(rms_norm(x, w, eps));
    const Matrix early = in_bfloat16(rms_norm(x, w, eps, gemma::Trace(cast_early, "norm")));
    const Matrix weight = in_bfloat16(rms_norm(x, w_rounded, eps));
    const Matrix both = in_bfloat16(rms_norm(x, w_rounded, eps, gemma::Trace(cast_early, "norm")));
    const Matrix sum = in_bfloat16(rms_norm(x, w, eps, gemma::Trace(coarse_sum, "norm")));
    viz::Table table{{"what is in bfloat16", "largest error", "average", "numbers that differ from Gemma's"}, {}};
    const auto row = [&](const std::string& name, const Matrix& y) {
        const Precision precision = lesson::precision_of(x, w, eps, y);
        std::size_t differ = 0;
        for (std::size_t i = 0; i < D; ++i) differ += y(0, i) != gemma(0, i);
        table.rows.push_back({name, fmt::format("{:.2f} %", 100 * precision.worst),
                              fmt::format("{:.2f} %", 100 * precision.average),
                              fmt::format("{:.0f} %", 100.0 * static_cast<double>(differ) / D)});
        return precision;
    };
    const Precision late = row("y (Gemma)", gemma);
    const Precision cast = row("y and normalized (cast early)", early);
    row("y and 1 + w", weight);
    row("y, normalized and 1 + w", both);
    row("y and the sum of squares", sum);
    lesson.table(table);
    const double rms = root_mean_square(x.data(), D);
    lesson.text(
        fmt::format("The last line: the mean square comes out as {}, and is {:.3f}. From 512 on the bfloat16 numbers "
                    "are 4 apart, and a square below 2 no longer moves the sum.",
                    viz::number(coarse), rms * rms));
    lesson.text(
        fmt::format("float16 has more bits and less range. Its largest number is 65504; the square of 300 is {}, "
                    "and whatever stands beside such a number is divided down to 0.",
                    std::isinf(to_float16(300.0f * 300.0f)) ? "infinity" : "a number"));
    lesson.notice(
        "Half a step of bfloat16 is at most 1/256 of a number, 0.39 %: Gemma's norm makes that error and no "
        "other. Each rounding on the way adds its own.");
    lesson.check("cast late: within half a step of bfloat16", late.worst, 1.0 / 256 + 1e-6, "double precision");
    lesson.check("cast early: over it", cast.worst > 1.0 / 256 && cast.average > late.average, "double precision");
}

// --- Time ----------------------------------------------------------------------------------------------------------

double seconds_of(const std::function<Matrix()>& function) {
    double best = std::numeric_limits<double>::infinity();
    for (int repetition = 0; repetition < 15; ++repetition) {
        const auto start = std::chrono::steady_clock::now();
        function();
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
        best = std::min(best, elapsed.count());
    }
    return best;
}

void step_time(Lesson& lesson) {
    lesson.step("Time");
    constexpr std::size_t T = 256, D = 2048;
    lesson.text(
        "The paper: RMSNorm \"reduces the running time by 7%∼64% on different models\" (Zhang, Sennrich 2019).");
    viz::Table paper{{"time saved, of LayerNorm's", "that is", "times as fast"}, {}};
    for (const double saved : {0.07, 0.64}) {
        paper.rows.push_back({fmt::format("{:.0f} %", 100 * saved), fmt::format("1 / {:.2f}", 1 - saved),
                              fmt::format("{:.2f}", 1 / (1 - saved))});
    }
    lesson.table(paper);
    lesson.text(fmt::format("Our two functions, {} tokens of {} numbers, the best of 15 runs:", T, D));
    const Matrix x = lesson::Random(71).normal<2>({T, D});
    const Vector zero = constant(D, 0.0f), one = constant(D, 1.0f);
    const double rms = seconds_of([&] { return rms_norm(x, zero, eps); });
    const double layer = seconds_of([&] { return gemma::layer_norm(x, one, zero, eps); });
    viz::Table table{{"", "passes over x", "learned vectors", "measured"}, {}};
    table.rows.push_back(
        {"LayerNorm", "mean, variance, normalize, scale", "gain, bias", fmt::format("{:.3f} ms", 1e3 * layer)});
    table.rows.push_back({"RMSNorm", "mean square, normalize, scale", "w", fmt::format("{:.3f} ms", 1e3 * rms)});
    table.rows.push_back({"time saved", "", "", fmt::format("{:.0f} %", 100 * (1 - rms / layer))});
    lesson.table(table);
    lesson.notice(
        "One pass of four is saved, and one of two learned vectors. The paper's range is that of whole models, "
        "which spend more or less of their time on norms.");
}

// --- In the model --------------------------------------------------------------------------------------------------

// A norm of the model, and the tensor that it normalizes.
struct Place {
    std::string name, input;
    const Vector* weight;
};

std::vector<Place> places(const gemma::Model& model) {
    std::vector<Place> list;
    std::string stream = "model.embed_scaled";
    for (std::size_t i = 0; i < model.config().num_hidden_layers; ++i) {
        const gemma::LayerWeights& weights = model.weights().layers[i];
        const std::string layer = fmt::format("model.layers.{}", i);
        list.push_back({layer + ".input_layernorm", stream, &weights.input_layernorm});
        list.push_back(
            {layer + ".post_attention_layernorm", layer + ".residual_attn", &weights.post_attention_layernorm});
        stream = layer;
    }
    list.push_back({"model.norm", stream, &model.weights().norm});
    return list;
}

void step_model(Lesson& lesson) {
    lesson.step("In the model");
    const std::string prompt = "Anna gave the ball to Tom. Now the ball belongs to";
    const std::vector<int> tokens = lesson.tokenizer().encode_prompt(prompt);
    gemma::KVCache cache(lesson.model().config(), tokens.size());
    lesson.model().read(tokens, cache, lesson.trace());
    lesson.traced(prompt, tokens);

    lesson.text(
        fmt::format("Every norm of the model on \"{}\": the size of what it reads, of the last token; how much "
                    "of its square is the mean, which LayerNorm would take away; the learned scale.",
                    prompt));
    viz::Table table{{"norm", "size of x", "mean² / mean square", "1 + w: least", "mean", "largest"}, {}};
    viz::Series before{"what the norm reads", {}, {}}, after{"what it gives", {}, {}};
    for (const Place& place : places(lesson.model())) {
        const gemma::RecordedTensor x = lesson.recorder().tensor(place.input), y = lesson.recorder().tensor(place.name);
        const std::size_t D = x.shape[1], last = (x.shape[0] - 1) * D;
        const double size = root_mean_square(&x.numbers[last], D), mean = mean_of(&x.numbers[last], D);
        const auto [least, largest] = std::minmax_element(place.weight->begin(), place.weight->end());
        table.rows.push_back(
            {place.name.substr(std::string("model.").size()), fmt::format("{:.3f}", size),
             fmt::format("{:.2f} %", 100 * mean * mean / (size * size)), fmt::format("{:.3f}", 1 + *least),
             fmt::format("{:.3f}", 1 + mean_of(place.weight->data(), D)), fmt::format("{:.3f}", 1 + *largest)});
        for (viz::Series* series : {&before, &after}) series->x.push_back(static_cast<double>(series->x.size()));
        before.y.push_back(size);
        after.y.push_back(root_mean_square(&y.numbers[last], D));
    }
    lesson.table(table);
    lesson.notice(
        "Each part adds to the stream, and its size wanders; what the parts read has one size, but for the "
        "learned scale. Where the mean is close to 0, LayerNorm would compute nearly the same.");
    lesson.figure("norms",
                  {"The size of the last token's vector",
                   {"norm, in the order of the forward pass"},
                   {"root mean square"},
                   {before, after}},
                  "Before and after each norm of the model");
}

// Each norm of the small model on what the official model gave it.
void step_official(Lesson& lesson) {
    const gemma::TraceFile official(fs::path(GEMMA_LESSON).parent_path() / "10_forward_pass/official.safetensors");
    double mean_square = 0, normalized = 0, output = 0;
    for (const Place& place : places(lesson.model())) {
        const gemma::RecordedTensor input = official.tensor(place.input);
        Matrix x = Matrix::from_shape({input.shape[0], input.shape[1]});
        std::copy(input.numbers.begin(), input.numbers.end(), x.begin());
        gemma::Recorder recorder;
        rms_norm(x, *place.weight, lesson.model().config().rms_norm_eps, gemma::Trace(recorder, place.name));
        const auto difference = [&](const std::string& name) {
            const std::vector<float> right = official.tensor(name).numbers, here = recorder.tensor(name).numbers;
            return distance(right.data(), here.data(), right.size());
        };
        mean_square = std::max(mean_square, difference(place.name + ".mean_square"));
        normalized = std::max(normalized, difference(place.name + ".normalized"));
        output = std::max(output, difference(place.name));
    }
    lesson.check("mean_square of every norm of the small model", mean_square, 1e-5, "the official model");
    lesson.check("normalized of every norm", normalized, 1e-5, "the official model");
    lesson.check("output of every norm", output, 1e-5, "the official model");
}

}  // namespace

int main(int argc, char** argv) {
    return lesson::run(
        argc, argv,
        {"07_rms_norm", "RMSNorm", "A vector gets a standard length: why that is enough, and where to round.", true},
        [](Lesson& lesson) {
            step_formula(lesson);
            step_invariance(lesson);
            step_eps(lesson);
            step_one_plus_w(lesson);
            step_float32_inside(lesson);
            step_time(lesson);
            step_model(lesson);
            if (lesson.embedded_model()) step_official(lesson);
            lesson::what_breaks(lesson, "the norm is another one",
                                {"norm-layernorm", "norm-eps-1e-5", "norm-weight-plain", "norm-weight-missing",
                                 "norm-weight-twice", "norm-weight-bfloat16", "norm-cast-early"});
        });
}
