// GELU's forms in double precision: what the library's float32 is held against, and where extremes are sought.
#pragma once

#include "gemma/components/gelu.hpp"

#include <cmath>
#include <string>
#include <vector>

namespace lesson::in_double {

constexpr double pi = 3.141592653589793;
inline const double root_2 = std::sqrt(2.0);

inline double normal_cdf(double x) { return 0.5 * std::erfc(-x / root_2); }
inline double exact(double x) { return x * normal_cdf(x); }
inline double tanh_form(double x, double cubic = 0.044715) {
    return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / pi) * (x + cubic * x * x * x)));
}
inline double sigmoid_form(double x) { return x / (1.0 + std::exp(-1.702 * x)); }

struct Form {
    std::string name, formula;
    gemma::Gelu form;
    double (*in_double)(double);
};
inline const std::vector<Form> forms = {
    {"exact", "x Φ(x)", gemma::Gelu::exact, exact},
    {"tanh", "x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))", gemma::Gelu::tanh, [](double x) { return tanh_form(x); }},
    {"sigmoid", "x · σ(1.702 x)", gemma::Gelu::sigmoid, sigmoid_form}};

// Where a function is smallest between two places, by golden sections: it falls, then rises.
template <typename Function>
double place_of_minimum(Function f, double from, double to) {
    const double ratio = (std::sqrt(5.0) - 1.0) / 2.0;
    while (to - from > 1e-7) {
        const double left = to - ratio * (to - from), right = from + ratio * (to - from);
        f(left) < f(right) ? to = right : from = left;
    }
    return (from + to) / 2.0;
}

// The largest |f| between 0 and 6 and its place: a coarse search, then a fine one.
struct Peak {
    double size, place;
};
template <typename Function>
Peak largest(Function f) {
    double best = 0.0;
    for (double x = 0.0; x <= 6.0; x += 0.01) {
        if (std::abs(f(x)) > std::abs(f(best))) best = x;
    }
    const double place = place_of_minimum([&](double x) { return -std::abs(f(x)); }, best - 0.02, best + 0.02);
    return {std::abs(f(place)), place};
}

inline double central_difference(double (*f)(double), double x) { return (f(x + 1e-5) - f(x - 1e-5)) / 2e-5; }

}  // namespace lesson::in_double
