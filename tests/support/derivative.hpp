// The slope of a function, found without knowing its formula's derivative.
#pragma once

namespace gemma {

/// Central difference in double: (f(x + h) - f(x - h)) / 2h, off by about h² f'''(x) / 6.
template <typename Function>
double numerical_derivative(Function f, double x, double h = 1e-5) {
    return (f(x + h) - f(x - h)) / (2.0 * h);
}

}  // namespace gemma
