// Lesson 01: from a hard gate and a coin to GELU, and the three forms it is computed in.

#include "gemma/components/gelu.hpp"
#include "gemma/components/relu.hpp"
#include "lessons/01_gelu/forms.hpp"
#include "lessons/breaks.hpp"
#include "lessons/lesson.hpp"
#include "lessons/random.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace {

using gemma::Gelu;
using lesson::Lesson;
using lesson::Random;
using namespace lesson::in_double;

// --- The coin --------------------------------------------------------------------------------------------------------

// Draws a standard normal number and asks whether it is at most x: true with probability Φ(x), which nobody computes.
bool coin(Random& random, double x) { return random.normal() <= x; }

double mean_of_tosses(Random& random, double x, std::size_t n) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < n; ++i) kept += coin(random, x);
    return x * static_cast<double>(kept) / static_cast<double>(n);
}

// The standard deviation of the mean of n tosses x · Bernoulli(Φ(x)).
double expected_error(double x, double n) { return std::abs(x) * std::sqrt(normal_cdf(x) * (1.0 - normal_cdf(x)) / n); }

// The root mean square of the error of the mean of n tosses, over 64 repetitions.
double measured_error(double x, std::size_t n, std::uint64_t seed) {
    constexpr int repetitions = 64;
    Random random(seed);
    double sum = 0.0;
    for (int i = 0; i < repetitions; ++i) sum += std::pow(mean_of_tosses(random, x, n) - exact(x), 2.0);
    return std::sqrt(sum / repetitions);
}

// --- The steps -------------------------------------------------------------------------------------------------------

void two_gates(Lesson& lesson) {
    lesson.step("Two gates: ReLU's and dropout's");
    lesson.text(
        "Both multiply a number x by 0 or 1. ReLU looks at x: below zero the gate is shut. Dropout tosses a "
        "coin and does not look at x: a number survives with probability p, here 1/2. GELU's gate looks at x like "
        "ReLU's and is a probability like dropout's: Φ(x), the chance that a standard normal number is at most x.");
    lesson.formula(
        "ReLU     x · [x > 0]\n"
        "dropout  x · m,  m = 1 with probability p, else 0\n"
        "GELU     x · Φ(x),  Φ(x) = P(X ≤ x),  X ~ N(0, 1)");
    viz::Table table{{"x", "ReLU's gate", "p", "GELU's gate Φ(x)", "relu(x)", "p x", "gelu(x)"}, {}};
    for (const float x : {-3.0f, -1.0f, -0.5f, -0.1f, 0.0f, 0.1f, 0.5f, 1.0f, 3.0f}) {
        table.rows.push_back({fmt::format("{:.1f}", x), fmt::format("{}", x > 0 ? 1 : 0), "0.5",
                              fmt::format("{:.4f}", gemma::normal_cdf(x)), fmt::format("{:.1f}", gemma::relu(x)),
                              fmt::format("{:.2f}", 0.5 * x), fmt::format("{:.4f}", gemma::gelu(x, Gelu::exact))});
    }
    lesson.table(table);
    lesson.notice("Far from zero GELU is ReLU. Near zero its gate is half open, where ReLU's snaps.");
}

void other_inputs(Lesson& lesson) {
    lesson.step("\"How much greater it is than other inputs\"");
    lesson.text(
        "Take 10000 other inputs, drawn from a standard normal distribution. The share of them that x is greater than "
        "approaches Φ(x): the gate is the rank of x among its likes.");
    Random random(1);
    std::vector<double> others(10000);
    for (double& other : others) other = random.normal();
    viz::Table table{{"x", "others below x", "share", "Φ(x)"}, {}};
    double worst = 0.0;
    for (const double x : {-2.0, -1.0, 0.0, 1.0, 2.0}) {
        const auto below = std::count_if(others.begin(), others.end(), [x](double other) { return other < x; });
        const double share = static_cast<double>(below) / static_cast<double>(others.size());
        worst = std::max(worst, std::abs(share - normal_cdf(x)));
        table.rows.push_back({fmt::format("{:.0f}", x), fmt::format("{}", below), fmt::format("{:.4f}", share),
                              fmt::format("{:.4f}", normal_cdf(x))});
    }
    lesson.table(table);
    // The share's standard deviation is at most 1 / (2 √10000) = 0.005.
    lesson.check("share of other inputs below x is Φ(x)", worst, 0.02, "4 standard errors");
}

void weighted_coin(Lesson& lesson) {
    lesson.step("The expectation of a coin");
    lesson.text(
        "Weight dropout's coin by the input: keep x with probability Φ(x), else put 0 in its place. One toss is "
        "noise. The mean of many is the expectation, and that is GELU.");
    lesson.formula("E[x · Bernoulli(Φ(x))] = x · Φ(x) + 0 · (1 - Φ(x)) = x Φ(x)");

    constexpr double x = 1.0;
    Random random(2016);
    std::string tosses;
    for (int i = 0; i < 20; ++i) tosses += coin(random, x) ? " 1" : " 0";
    lesson.line(fmt::format("Twenty tosses for x = 1: {}", tosses));
    lesson.line("");

    viz::Table table{{"n", "mean of n tosses", "1 · Φ(1)", "error", "expected error"}, {}};
    double mean = 0.0;
    for (std::size_t n = 10; n <= 1000000; n *= 10) {
        mean = mean_of_tosses(random, x, n);
        table.rows.push_back({fmt::format("{}", n), fmt::format("{:.6f}", mean), fmt::format("{:.6f}", exact(x)),
                              fmt::format("{:.6f}", std::abs(mean - exact(x))),
                              fmt::format("{:.6f}", expected_error(x, static_cast<double>(n)))});
    }
    lesson.table(table);
    lesson.notice("A hundred times the tosses, a tenth of the error, on average: it falls like 1/√n.");
    lesson.check("mean of 1000000 tosses is gelu(1)", std::abs(mean - exact(x)), 4.0 * expected_error(x, 1e6),
                 "4 standard errors");
}

void convergence(Lesson& lesson) {
    lesson.step("How fast the coin becomes GELU");
    lesson.text("One run may be lucky. So repeat each mean 64 times and take the root mean square of its errors.");
    lesson.formula("expected: |x| √(Φ(x) (1 - Φ(x)) / n)");
    const std::vector<double> inputs = {-0.5, 1.0, 2.0};
    viz::Chart chart{"The mean of n tosses approaches GELU", {"n, the tosses in a mean", true}, {"error", true}, {}};
    viz::Table table{{"n", "x = -0.5", "expected", "x = 1", "expected", "x = 2", "expected"}, {}};
    for (const double x : inputs) {
        chart.series.push_back({fmt::format("x = {}: measured", x), {}, {}, viz::Mark::points});
        chart.series.push_back({fmt::format("x = {}: expected", x), {}, {}, viz::Mark::dashes});
    }
    for (std::size_t n = 10; n <= 10000; n *= 10) {
        table.rows.push_back({fmt::format("{}", n)});
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            const double size = static_cast<double>(n);
            const double errors[] = {measured_error(inputs[i], n, 100 * n + i), expected_error(inputs[i], size)};
            for (std::size_t kind = 0; kind < 2; ++kind) {
                table.rows.back().push_back(fmt::format("{:.5f}", errors[kind]));
                chart.series[2 * i + kind].x.push_back(size);
                chart.series[2 * i + kind].y.push_back(errors[kind]);
            }
        }
    }
    lesson.table(table);
    double worst = 0.0, slopes = 0.0;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const std::vector<double>&measured = chart.series[2 * i].y, &expected = chart.series[2 * i + 1].y;
        for (std::size_t k = 0; k < measured.size(); ++k)
            worst = std::max(worst, std::abs(measured[k] / expected[k] - 1.0));
        slopes += std::log10(measured.back() / measured.front()) / 3.0;  // over three decades of n
    }
    const double exponent = slopes / static_cast<double>(inputs.size());
    lesson.notice(fmt::format("From 10 to 10000 tosses the error falls like n to the power {:.2f}.", exponent));
    lesson.figure("convergence", chart, "The coin's mean approaches x Φ(x); both axes are logarithmic.");
    lesson.check("the error falls like n to the power -1/2", std::abs(exponent + 0.5), 0.05, "closed form");
    lesson.check("the error is |x| √(Φ(1-Φ)/n), relative", worst, 0.35, "4 standard errors");
}

// The library's three forms, at the places of the table and between.
void check_forms(Lesson& lesson) {
    double worst = 0.0;
    for (const Form& form : forms) {
        for (double x = -6.0; x <= 6.0; x += 1.0 / 64.0) {  // exact in float32
            worst = std::max(worst, std::abs(gemma::gelu(static_cast<float>(x), form.form) - form.in_double(x)));
        }
    }
    lesson.check("gelu in float32, three forms", worst, 1e-6, "double precision");
}

// A curve of each form beside one of ReLU; all but the exact form dashed.
template <typename Function>
void add_forms(viz::Chart& chart, Function function) {
    for (const Form& form : forms) {
        chart.series.push_back(viz::curve("GELU, " + form.name, -4, 3,
                                          [&](double x) { return function(static_cast<float>(x), form.form); }));
        if (form.form != Gelu::exact) chart.series.back().mark = viz::Mark::dashes;
    }
}

void draw_forms(Lesson& lesson) {
    viz::Chart chart{"GELU opens smoothly", {"x"}, {"y"}, {}};
    chart.series.push_back(viz::curve("ReLU", -4, 3, [](double x) { return gemma::relu(static_cast<float>(x)); }));
    add_forms(chart, [](float x, Gelu form) { return gemma::gelu(x, form); });
    lesson.figure("forms", chart, "ReLU's hard gate and the three forms of GELU: exact and tanh lie on each other.");
}

void draw_slopes(Lesson& lesson) {
    viz::Chart chart{"Slopes: a jump and a turn", {"x"}, {"slope"}, {}};
    chart.series.push_back({"ReLU", {-4, 0, 0, 3}, {0, 0, 1, 1}});  // two flat parts, joined at 0
    add_forms(chart, [](float x, Gelu form) { return gemma::gelu_derivative(x, form); });
    lesson.figure("slopes", chart, "ReLU's slope jumps at 0. GELU's passes through 1/2.");
}

void three_forms(Lesson& lesson) {
    lesson.step("Three forms");
    lesson.formula(
        fmt::format("exact    {}\ntanh     {}\nsigmoid  {}", forms[0].formula, forms[1].formula, forms[2].formula));
    viz::Table table{{"x", "exact", "tanh", "sigmoid", "tanh - exact", "sigmoid - exact"}, {}};
    for (const double x : {-4.0, -3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0, 4.0}) {
        table.rows.push_back({fmt::format("{:.1f}", x), fmt::format("{:.10f}", exact(x)),
                              fmt::format("{:.10f}", tanh_form(x)), fmt::format("{:.10f}", sigmoid_form(x)),
                              fmt::format("{:.2e}", tanh_form(x) - exact(x)),
                              fmt::format("{:.2e}", sigmoid_form(x) - exact(x))});
    }
    lesson.table(table);
    lesson.notice("The differences are the same at x and -x: x times a difference of two odd functions is even.");
    draw_forms(lesson);
    check_forms(lesson);
    lesson.check("gelu(1) = Φ(1) = 0.8413447461", std::abs(exact(1.0) - 0.8413447461), 1e-10, "normal table");
    lesson.check("gelu(3), tanh form = 2.9963626079", std::abs(tanh_form(3.0) - 2.9963626079), 1e-10, "PyTorch");
}

void extremes(Lesson& lesson) {
    lesson.step("Where the forms differ most, and how low they go");
    const Peak tanh_peak = largest([](double x) { return tanh_form(x) - exact(x); });
    const Peak sigmoid_peak = largest([](double x) { return sigmoid_form(x) - exact(x); });
    viz::Table table{{"form", "largest difference", "at |x|", "smallest value", "at x"}, {}};
    const std::vector<Peak> peaks = {{0.0, 0.0}, tanh_peak, sigmoid_peak};
    std::vector<Peak> minima;
    for (std::size_t i = 0; i < forms.size(); ++i) {
        const double place = place_of_minimum(forms[i].in_double, -2.0, 0.0);
        minima.push_back({forms[i].in_double(place), place});
        table.rows.push_back({forms[i].name, i == 0 ? "" : fmt::format("{:.2e} = {:.4f}", peaks[i].size, peaks[i].size),
                              i == 0 ? "" : fmt::format("{:.3f}", peaks[i].place),
                              fmt::format("{:.6f}", minima[i].size), fmt::format("{:.5f}", minima[i].place)});
    }
    lesson.table(table);

    const double taylor = 2.0 / (3.0 * pi) - 1.0 / 6.0;
    const Peak taylor_peak = largest([taylor](double x) { return tanh_form(x, taylor) - exact(x); });
    lesson.text(
        fmt::format("Where does 0.044715 come from? Equal series at x = 0 would ask for 2/(3π) - 1/6 = {:.5f}; with it "
                    "the largest difference is {:.2e}. The paper's constant trades a little near zero for less "
                    "elsewhere.",
                    taylor, taylor_peak.size));

    viz::Chart chart{"How far the cheaper forms are from x Φ(x)", {"x"}, {"|difference|", true, 1e-6, 0.1}, {}};
    chart.series = {viz::curve("tanh form", 0.05, 5, [](double x) { return std::abs(tanh_form(x) - exact(x)); }),
                    viz::curve("sigmoid form", 0.05, 5, [](double x) { return std::abs(sigmoid_form(x) - exact(x)); })};
    lesson.figure("differences", chart, "Each dip is a place where a form crosses the exact one.");

    lesson.check("tanh differs most by 4.73e-4", std::abs(tanh_peak.size - 4.73e-4), 5e-7, "known value");
    lesson.check("... at |x| = 2.699", std::abs(tanh_peak.place - 2.699), 5e-4, "known value");
    lesson.check("sigmoid differs most by 0.0203", std::abs(sigmoid_peak.size - 0.0203), 5e-5, "known value");
    lesson.check("the exact form's minimum is -0.169971", std::abs(minima[0].size + 0.169971), 5e-7, "known value");
    lesson.check("the tanh form's minimum is at -0.75246", std::abs(minima[1].place + 0.75246), 5e-6, "known value");
}

void slopes(Lesson& lesson) {
    lesson.step("Slopes: where ReLU jumps, GELU turns");
    lesson.formula(
        "relu'(x)  = 0 below zero, 1 above it, nothing at it\n"
        "gelu'(x)  = Φ(x) + x φ(x),           φ(x) = exp(-x²/2) / √(2π), the normal density\n"
        "gelu''(x) = φ(x) (2 - x²)            zero at x = ±√2: there the slope is largest and smallest");
    viz::Table table{{"x", "relu'", "gelu'", "(f(x+h) - f(x-h)) / 2h", "tanh form'", "sigmoid form'"}, {}};
    for (const double x : {-3.0, -root_2, -1.0, -0.1, -0.001, 0.001, 0.1, 1.0, root_2, 3.0}) {
        const float at = static_cast<float>(x);
        table.rows.push_back({fmt::format("{:.3f}", x), fmt::format("{:.0f}", gemma::relu_derivative(at)),
                              fmt::format("{:.6f}", gemma::gelu_derivative(at, Gelu::exact)),
                              fmt::format("{:.6f}", central_difference(exact, x)),
                              fmt::format("{:.6f}", gemma::gelu_derivative(at, Gelu::tanh)),
                              fmt::format("{:.6f}", gemma::gelu_derivative(at, Gelu::sigmoid))});
    }
    lesson.table(table);
    lesson.notice(
        "From -0.001 to 0.001 ReLU's slope goes from 0 to 1; GELU's from 0.499 to 0.501. A neuron just below zero "
        "still learns. And GELU's slope passes 1 and falls below 0: it is not monotonic.");

    draw_slopes(lesson);
    double worst = 0.0;
    for (const Form& form : forms) {
        for (double x = -6.0; x <= 6.0; x += 1.0 / 64.0) {
            const double slope = gemma::gelu_derivative(static_cast<float>(x), form.form);
            worst = std::max(worst, std::abs(slope - central_difference(form.in_double, x)));
        }
    }
    const double steepest = place_of_minimum([](double x) { return -central_difference(exact, x); }, 0.5, 3.0);
    lesson.check("derivatives of the three forms", worst, 2e-6, "central differences");
    lesson.check("the slope is largest at √2", std::abs(steepest - root_2), 1e-4, "closed form");
    lesson.check("gelu'(0) = 1/2", std::abs(gemma::gelu_derivative(0.0f, Gelu::exact) - 0.5), 1e-7, "closed form");
}

// A neuron's inputs to its activation, Σ w_i x_i, brought to mean 0 and deviation 1, as batch normalization does.
std::vector<double> neuron_inputs(std::size_t D, std::size_t count) {
    Random random(D);
    std::vector<double> w(D), z(count, 0.0);
    for (double& weight : w) weight = random.normal();
    for (double& value : z) {
        for (const double weight : w) value += weight * -std::log(1.0 - random.uniform());  // skewed: exponential
    }
    double sum = 0.0, squares = 0.0;
    for (const double value : z) sum += value, squares += value * value;
    const double mean = sum / static_cast<double>(count);
    const double deviation = std::sqrt(squares / static_cast<double>(count) - mean * mean);
    for (double& value : z) value = (value - mean) / deviation;
    return z;
}

// The largest distance between the share of numbers below x and Φ(x) (Kolmogorov's).
double distance_from_normal(std::vector<double> z) {
    std::sort(z.begin(), z.end());
    double worst = 0.0;
    for (std::size_t i = 0; i < z.size(); ++i) {
        worst = std::max(worst,
                         std::abs((static_cast<double>(i) + 0.5) / static_cast<double>(z.size()) - normal_cdf(z[i])));
    }
    return worst;
}

void neuron_inputs_are_normal(Lesson& lesson) {
    lesson.step("\"Neuron inputs tend to follow a normal distribution\"");
    lesson.text(
        "A neuron's input is a sum of D products w x. Draw 10000 inputs x from a distribution that is far from "
        "normal (exponential: never negative, with a long tail), normalize the sums as batch normalization does, and "
        "measure the largest distance between their distribution and Φ.");
    viz::Table table{{"D", "distance from normal", "below zero, where relu' = 0"}, {}};
    std::vector<double> distances;
    for (const std::size_t D : {1, 4, 16, 64, 128}) {
        const std::vector<double> z = neuron_inputs(D, 10000);
        distances.push_back(distance_from_normal(z));
        const auto below = std::count_if(z.begin(), z.end(), [](double value) { return value < 0.0; });
        table.rows.push_back({fmt::format("{}", D), fmt::format("{:.4f}", distances.back()),
                              fmt::format("{:.1f} %", 0.01 * static_cast<double>(below))});
    }
    lesson.table(table);
    lesson.notice(
        "The more summands, the closer to normal: the central limit theorem. And about half of all inputs are below "
        "zero, where ReLU passes no gradient at all.");
    lesson.check("distance from normal, D = 128 to D = 1", distances.back() / distances.front(), 0.25,
                 "central limit theorem");
}

void in_gemma(Lesson& lesson) {
    lesson.step("What Gemma does");
    lesson.text(
        "The tanh form, on the gate of each MLP (lesson 03), also where a config.json says \"gelu\". The library works "
        "on a matrix [T, F]: T tokens, F numbers each.");
    gemma::Matrix x = {{-2.0f, -1.0f, 0.0f, 1.0f, 2.0f}, {-4.0f, -0.5f, 0.1f, 0.5f, 4.0f}};
    gemma::Matrix y = gemma::gelu(x, Gelu::tanh);
    const gemma::Trace trace = lesson.trace("gelu");
    trace("x", x);
    trace(y);
    viz::Table table{{"token", "tensor", "f = 0", "f = 1", "f = 2", "f = 3", "f = 4"}, {}};
    for (std::size_t t = 0; t < x.shape(0); ++t) {
        for (const auto& [name, tensor] : {std::pair("x", x), std::pair("gelu(x)", y)}) {
            table.rows.push_back({fmt::format("{}", t), name});
            for (std::size_t f = 0; f < x.shape(1); ++f)
                table.rows.back().push_back(fmt::format("{:.4f}", tensor(t, f)));
        }
    }
    lesson.table(table);
}

}  // namespace

int main(int argc, char** argv) {
    return lesson::run(argc, argv,
                       {"01_gelu", "GELU, the Gaussian Error Linear Unit",
                        "Why Gemma's activation is x times a probability, and which of its three forms it computes."},
                       [](Lesson& lesson) {
                           two_gates(lesson);
                           other_inputs(lesson);
                           weighted_coin(lesson);
                           convergence(lesson);
                           three_forms(lesson);
                           extremes(lesson);
                           slopes(lesson);
                           neuron_inputs_are_normal(lesson);
                           in_gemma(lesson);
                           lesson::what_breaks(lesson, "GELU takes another form",
                                               {"gelu-erf", "gelu-sigmoid", "gate-relu", "gate-linear"});
                       });
}
