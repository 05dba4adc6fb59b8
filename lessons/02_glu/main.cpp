// Lesson 02: the gated linear unit: a convolution over tokens, a gate for each number, and a way for the gradient.

#include "gemma/components/glu.hpp"
#include "gemma/components/sigmoid.hpp"
#include "lessons/02_glu/stack.hpp"
#include "lessons/lesson.hpp"
#include "lessons/random.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace {

using gemma::Matrix;
using gemma::Tensor3;
using gemma::Vector;
using lesson::Lesson;
using lesson::Random;
using lesson::Stack;
using lesson::Unit;

// --- The slides' example ---------------------------------------------------------------------------------------------

// The slides show the first and the last column and dots between. The middle column is ours, chosen so that the three
// outputs on the slides come out.
const std::vector<std::string> words = {"Hi", "how", "are", "you", "?"};
const Matrix embeddings = {
    {0.4f, 0.325f, 0.01f}, {1.0f, -0.1f, -1.2f}, {1.1f, -0.54f, 0.7f}, {-0.2f, 1.17f, 0.6f}, {0.8f, 0.41f, 0.0f}};
const Tensor3 kernel = {{{0.8f}, {1.0f}, {1.5f}}, {{2.0f}, {-1.0f}, {-0.2f}}};       // [k = 2, D = 3, F = 1]
const Tensor3 gate_kernel = {{{-0.5f}, {1.0f}, {0.3f}}, {{1.0f}, {0.5f}, {-1.0f}}};  // ours
const Vector no_bias = {0.0f};

std::string number(double value, int digits = 4) { return fmt::format("{:.{}f}", value, digits); }

// --- The steps -------------------------------------------------------------------------------------------------------

void gates(Lesson& lesson) {
    lesson.step("A gate: a number between 0 and 1");
    lesson.text(
        "An LSTM decides with gates what to keep, what to write and what to show: numbers between 0 and 1, computed "
        "by σ from the input and the output before it, that multiply other numbers. A GLU keeps one of them, the one "
        "in front of the output, and drops the memory, so that all tokens can be computed at once.");
    lesson.formula(
        "LSTM  c_t = f ⊗ c_(t-1) + i ⊗ tanh(a),  h_t = o ⊗ tanh(c_t)      f, i, o = σ(…)\n"
        "GLU   y_t = a ⊗ σ(g)\n"
        "      σ(g) = 1 / (1 + exp(-g)),  σ'(g) = σ(g) (1 - σ(g))");
    viz::Table table{{"g", "σ(g)", "what it leaves of 3", "σ'(g)"}, {}};
    for (const float g : {-8.0f, -4.0f, -2.0f, 0.0f, 2.0f, 4.0f, 8.0f}) {
        table.rows.push_back({fmt::format("{:.0f}", g), number(gemma::sigmoid(g)), number(3.0 * gemma::sigmoid(g)),
                              number(gemma::sigmoid_derivative(g))});
    }
    lesson.table(table);
    lesson.notice("At g = 0 a gate is half open. Its slope is at most 1/4, and almost 0 where it is open or shut.");
}

void token_matrix(Lesson& lesson) {
    lesson.step("The words as a matrix, and a kernel");
    lesson.text(
        "Each row is a token, each column one of D = 3 numbers of its embedding. The kernel spans the whole row, and "
        "k = 2 tokens: it meets a token with its second row and the token before with its first.");
    viz::Table table{{"x [T, D]", "d = 0", "d = 1", "d = 2"}, {}};
    for (std::size_t t = 0; t < words.size(); ++t) {
        table.rows.push_back(
            {words[t], number(embeddings(t, 0), 3), number(embeddings(t, 1), 3), number(embeddings(t, 2), 3)});
    }
    lesson.table(table);
    viz::Table weights{{"W [k, D, F = 1]", "d = 0", "d = 1", "d = 2"}, {}};
    for (std::size_t i = 0; i < 2; ++i) {
        weights.rows.push_back({i == 0 ? "meets the token before" : "meets the token itself",
                                number(kernel(i, 0, 0), 1), number(kernel(i, 1, 0), 1), number(kernel(i, 2, 0), 1)});
    }
    lesson.table(weights);
    lesson.notice("The slides show columns 0 and 2 and write dots between; column 1 is this lesson's.");
}

// One window after the other: six products, one sum.
void one_number_at_a_time(Lesson& lesson) {
    lesson.step("The convolution, one number at a time");
    lesson.formula("y_t = Σ_i Σ_d x_(t-1+i, d) W_(i, d)        i = 0, 1;  d = 0, 1, 2");
    const std::vector<double> on_the_slides = {3.0, 1.5, -0.3};
    const Matrix y = gemma::causal_convolution(embeddings, kernel, no_bias);
    viz::Table table{{"window", "x_before · first row", "x_itself · second row", "sum", "slides"}, {}};
    double worst = 0.0;
    for (std::size_t t = 1; t < words.size(); ++t) {
        std::vector<std::string> row = {words[t - 1] + " " + words[t]};
        double sum = 0.0;
        for (std::size_t i = 0; i < 2; ++i) {
            std::string products;
            for (std::size_t d = 0; d < 3; ++d) {
                const double product = static_cast<double>(embeddings(t - 1 + i, d)) * kernel(i, d, 0);
                products += fmt::format("{}{:7.3f}", d == 0 ? "" : " + ", product + 0.0);  // + 0: no "-0"
                sum += product;
            }
            row.push_back(products);
        }
        row.push_back(number(sum, 3));
        row.push_back(t <= on_the_slides.size() ? fmt::format("{}", on_the_slides[t - 1]) : "");
        table.rows.push_back(row);
        if (t <= on_the_slides.size()) worst = std::max(worst, std::abs(sum - on_the_slides[t - 1]));
        worst = std::max(worst, std::abs(sum - y(t, 0)));
    }
    lesson.table(table);
    lesson.notice(
        "Five tokens have four windows of two: four numbers. The slides stop after three. One kernel gives one number "
        "a window; F kernels side by side give F, and W is [k, D, F].");
    lesson.check("the slides' outputs, product by product", worst, 1e-6, "the slides");
}

// How y changes at each token when x changes at one.
Matrix change(const Matrix& y, std::size_t changed) {
    Matrix other = embeddings;
    for (std::size_t d = 0; d < 3; ++d) other(changed, d) += 1.0f;
    return gemma::causal_convolution(other, kernel, no_bias) - y;
}

void causal(Lesson& lesson) {
    lesson.step("Valid and causal");
    lesson.text(
        "Four outputs for five tokens is the \"valid\" convolution: it has no window for the first token. The causal "
        "one puts k - 1 rows of zeros before the text. Now each token has an output, and it belongs to the last token "
        "of its window.");
    const Matrix y = gemma::causal_convolution(embeddings, kernel, no_bias);
    viz::Table table{{"token", "sees", "y"}, {}};
    for (std::size_t t = 0; t < words.size(); ++t) {
        table.rows.push_back({words[t], (t == 0 ? "zeros" : words[t - 1]) + ", " + words[t], number(y(t, 0), 3)});
    }
    lesson.table(table);
    lesson.text("Add 1 to each number of one token, and look where y changes:");
    viz::Table changes{{"changed token", "y(Hi)", "y(how)", "y(are)", "y(you)", "y(?)"}, {}};
    double leaked = 0.0, own = std::numeric_limits<double>::max();
    for (std::size_t j = 0; j < words.size(); ++j) {
        const Matrix by = change(y, j);
        changes.rows.push_back({words[j]});
        for (std::size_t t = 0; t < words.size(); ++t) {
            changes.rows.back().push_back(by(t, 0) == 0.0f ? "." : number(by(t, 0), 3));
            if (t < j) leaked = std::max(leaked, std::abs(static_cast<double>(by(t, 0))));
        }
        own = std::min(own, std::abs(static_cast<double>(by(j, 0))));
    }
    lesson.table(changes);
    lesson.notice(
        "Nothing left of the diagonal: no token sees a later one. A window centred as in images would put the sum of "
        "\"how are\" at \"how\": a model trained to guess the next word could read it.");
    lesson.check("a changed token changes no earlier output", leaked, 0.0, "causality");
    lesson.check("... and does change its own", own > 0.5, "causality");
}

void gated(Lesson& lesson) {
    lesson.step("GLU on the five words");
    lesson.formula("GLU(X) = (X∗W + b) ⊗ σ(X∗V + c)");
    Matrix x = embeddings;
    const gemma::Trace trace = lesson.trace("glu");
    trace("x", x);
    const Matrix y = gemma::glu(x, kernel, no_bias, gate_kernel, no_bias, trace);
    viz::Table table{{"token", "linear X∗W + b", "gate_logits X∗V + c", "gate σ(X∗V + c)", "output"}, {}};
    const std::vector<std::string> points = {"glu.linear", "glu.gate_logits", "glu.gate", "glu"};
    for (std::size_t t = 0; t < words.size(); ++t) {
        table.rows.push_back({words[t]});
        for (const std::string& point : points)
            table.rows.back().push_back(number(lesson.recorder().tensor(point).numbers[t]));
    }
    lesson.table(table);
    lesson.notice(
        "The gate is computed from the same tokens by another kernel. It decides how much of each number passes.");

    double worst = 0.0;  // of a written-out GLU in double precision
    for (std::size_t t = 0; t < words.size(); ++t) {
        double a = 0.0, g = 0.0;
        for (std::size_t i = t == 0 ? 1 : 0; i < 2; ++i) {
            for (std::size_t d = 0; d < 3; ++d) {
                a += static_cast<double>(embeddings(t + i - 1, d)) * kernel(i, d, 0);
                g += static_cast<double>(embeddings(t + i - 1, d)) * gate_kernel(i, d, 0);
            }
        }
        worst = std::max(worst, std::abs(a / (1.0 + std::exp(-g)) - y(t, 0)));
    }
    lesson.check("GLU of the five words", worst, 1e-6, "double precision");
}

// How many tokens of the input the last output depends on, through L layers with k tokens in their kernels.
std::size_t reach(std::size_t L, std::size_t k) {
    constexpr std::size_t T = 24, D = 8;
    Random random(k);
    std::vector<Matrix> x = {random.normal<2>({T, D})};
    const Tensor3 W = random.normal<3>({k, D, D}, 0.5), V = random.normal<3>({k, D, D}, 0.5);
    const Vector b = random.normal<1>({D});
    for (std::size_t i = 0; i < L; ++i) x.push_back(gemma::glu(x.back(), W, b, V, b));
    Matrix gradient = xt::zeros<float>({T, D});
    for (std::size_t d = 0; d < D; ++d) gradient(T - 1, d) = 1.0f;
    for (std::size_t i = L; i-- > 0;) gradient = gemma::glu_input_gradient(gradient, x[i], W, b, V, b);
    std::size_t tokens = 0;
    for (std::size_t t = 0; t < T; ++t) {
        bool reached = false;
        for (std::size_t d = 0; d < D; ++d) reached |= gradient(t, d) != 0.0f;
        tokens += reached;
    }
    return tokens;
}

void receptive_field(Lesson& lesson) {
    lesson.step("How far a stack of convolutions sees");
    lesson.text(
        "One layer sees k tokens. The next sees k outputs that each saw k. Measured: on how many tokens does the last "
        "output have a gradient that is not zero?");
    lesson.formula("1 + L (k - 1) tokens");
    viz::Table table{{"L", "k = 2: formula", "measured", "k = 4: formula", "measured"}, {}};
    bool equal = true;
    for (const std::size_t L : {1, 2, 3, 4, 6}) {
        table.rows.push_back({fmt::format("{}", L)});
        for (const std::size_t k : {2, 4}) {
            const std::size_t formula = 1 + L * (k - 1), measured = reach(L, k);
            table.rows.back().push_back(fmt::format("{}", formula));
            table.rows.back().push_back(fmt::format("{}", measured));
            equal &= measured == formula;
        }
    }
    lesson.table(table);
    lesson.notice(
        "Gemma's MLP has k = 1 and sees one token, through any number of layers. Attention brings the others.");
    lesson.check("L layers see 1 + L (k - 1) tokens", equal, "closed form");
}

// (f(a + h, g) - f(a - h, g)) / 2h and so on, of a σ(g) and tanh(a) σ(g) in double precision.
double product(bool bounded, double a, double g) { return (bounded ? std::tanh(a) : a) / (1.0 + std::exp(-g)); }
double slope_error(bool bounded, const gemma::GluSlopes& slopes, double a, double g) {
    const double h = 1e-5;
    const double by_a = (product(bounded, a + h, g) - product(bounded, a - h, g)) / (2.0 * h);
    const double by_g = (product(bounded, a, g + h) - product(bounded, a, g - h)) / (2.0 * h);
    return std::max(std::abs(by_a - slopes.linear), std::abs(by_g - slopes.gate));
}

void slopes(Lesson& lesson) {
    lesson.step("The slides' derivative: two terms");
    lesson.formula(
        "GLU  ∇[X ⊗ σ(X)]       = ∇X ⊗ σ(X) + X ⊗ σ'(X)∇X\n"
        "GTU  ∇[tanh(X) ⊗ σ(X)] = tanh'(X)∇X ⊗ σ(X) + tanh(X) ⊗ σ'(X)∇X      like an LSTM's output");
    lesson.text("The two factors of ∇X, with the linear path a and the gate's logit g as numbers of their own:");
    viz::Table table{{"a", "g", "GLU by a: σ(g)", "by g: a σ'(g)", "GTU by a: tanh'(a) σ(g)", "by g: tanh(a) σ'(g)"},
                     {}};
    for (const float a : {0.5f, 2.0f, 4.0f}) {
        for (const float g : {-4.0f, 0.0f, 4.0f}) {
            const gemma::GluSlopes glu = gemma::glu_derivative(a, g), gtu = gemma::gtu_derivative(a, g);
            table.rows.push_back({fmt::format("{}", a), fmt::format("{}", g), number(glu.linear), number(glu.gate),
                                  number(gtu.linear), number(gtu.gate)});
        }
    }
    lesson.table(table);
    lesson.notice(
        "With an open gate (g = 4) GLU's first term is 0.9820 whatever a is; GTU's falls to 0.0013 at a = 4. But the "
        "first term is σ(g) itself: a half open gate halves the gradient, a shut one stops it.");

    double worst = 0.0;
    bool smaller = true;
    for (float a = -4.0f; a <= 4.0f; a += 0.25f) {
        for (float g = -4.0f; g <= 4.0f; g += 0.25f) {
            const gemma::GluSlopes glu = gemma::glu_derivative(a, g), gtu = gemma::gtu_derivative(a, g);
            worst = std::max({worst, slope_error(false, glu, a, g), slope_error(true, gtu, a, g)});
            smaller &= gtu.linear <= glu.linear && std::abs(gtu.gate) <= std::abs(glu.gate);
        }
    }
    lesson.check("slopes of GLU and GTU", worst, 1e-6, "central differences");
    lesson.check("both slopes of GTU are at most GLU's", smaller, "closed form");
}

// --- The gradient through depth --------------------------------------------------------------------------------------

const std::vector<Stack> stacks = {{"linear", Unit::linear, 0.0},
                                   {"ReLU", Unit::relu, 0.0},
                                   {"ReLU, weights · √2", Unit::relu, 0.0, 1.41421356f},
                                   {"tanh", Unit::tanh, 0.0},
                                   {"GTU, gates half open", Unit::gtu, 0.0},
                                   {"GTU, gates open", Unit::gtu, 4.0},
                                   {"GLU, gates half open", Unit::glu, 0.0},
                                   {"GLU, gates open", Unit::glu, 4.0}};

void through_depth(Lesson& lesson) {
    lesson.step("The gradient through 32 layers");
    lesson.text(
        "Stacks of layers without anything between them: D = 64, k = 1, the same random weights in all, of a size that "
        "keeps the length of a vector on average (variance 1/D), and random biases on the linear path. A gradient of "
        "length 1 starts at the top. Half open gates have c = 0, open ones c = 4. How long is it below?");
    const std::vector<std::size_t> places = {1, 2, 4, 8, 16, 32};
    viz::Table table{{"layers passed", "1", "2", "4", "8", "16", "32", "per layer ·"}, {}};
    viz::Chart chart{"The gradient's way down", {"layers passed"}, {"length of the gradient", true, 1e-15, 10}, {}};
    std::vector<std::vector<double>> all;
    double worst = 0.0;
    for (const Stack& stack : stacks) {
        all.push_back(lengths(stack));
        const std::vector<double>& sizes = all.back();
        table.rows.push_back({stack.name});
        for (const std::size_t place : places)
            table.rows.back().push_back(sizes[place] >= 0.001 ? number(sizes[place])
                                                              : fmt::format("{:.0e}", sizes[place]));
        table.rows.back().push_back(number(std::pow(sizes.back(), 1.0 / lesson::depth), 3));
        worst = std::max(worst, gradient_error(stack));
        if (sizes.back() > 0.5) continue;  // as good as level: not in the picture
        chart.series.push_back({stack.name, {}, sizes});
        for (std::size_t i = 0; i <= lesson::depth; ++i) chart.series.back().x.push_back(static_cast<double>(i));
    }
    lesson.table(table);
    lesson.notice(
        "Gate for gate, GLU passes more than GTU. With open gates it passes nearly what the linear stack does. With "
        "half open gates it passes less than tanh: the way is as wide as the gates are open.");
    lesson.notice(
        "ReLU is a gate, too, with a plain linear path: open or shut. Half are shut, which costs √(1/2) = 0.707 a "
        "layer, and weights larger by √2 make up for it (He et al. 2015).");
    lesson.figure("depth", chart, "Length of the gradient after so many layers; the axis is logarithmic.");

    const auto a_layer = [&](std::size_t i) { return std::pow(all[i].back(), 1.0 / lesson::depth); };
    bool longer = true;
    for (std::size_t i = 1; i <= lesson::depth; ++i) longer &= all[6][i] > all[4][i] && all[7][i] > all[5][i];
    lesson.check("gradients of 4 layers, all units, relative", worst, 1e-2, "central differences");
    lesson.check("ReLU: √(1/2) a layer", std::abs(a_layer(1) - std::sqrt(0.5)), 0.03, "closed form");
    lesson.check("ReLU, weights · √2: 1 a layer", std::abs(a_layer(2) - 1.0), 0.03, "He et al. 2015");
    lesson.check("GLU's gradient is longer than GTU's at every depth", longer, "Dauphin et al. 2016");
}

}  // namespace

int main(int argc, char** argv) {
    return lesson::run(argc, argv,
                       {"02_glu", "GLU, the gated linear unit",
                        "How a gate decides number by number what passes, and why its linear path is good for "
                        "gradients."},
                       [](Lesson& lesson) {
                           gates(lesson);
                           token_matrix(lesson);
                           one_number_at_a_time(lesson);
                           causal(lesson);
                           gated(lesson);
                           receptive_field(lesson);
                           slopes(lesson);
                           through_depth(lesson);
                       });
}
