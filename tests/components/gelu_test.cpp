#include "gemma/components/gelu.hpp"

#include "tests/support/approx.hpp"
#include "tests/support/derivative.hpp"
#include "tests/support/random_tensor.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <utility>

using doctest::Approx;
using gemma::Gelu;

namespace {

constexpr double pi = 3.14159265358979323846;

// The three forms in double, erfc for erf so that nothing cancels.
double exact64(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }
double tanh64(double x) { return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / pi) * (x + 0.044715 * x * x * x))); }
double gelu_sigmoid64(double x) { return x / (1.0 + std::exp(-1.702 * x)); }

double gelu64(double x, Gelu form) {
    return form == Gelu::exact ? exact64(x) : form == Gelu::tanh ? tanh64(x) : gelu_sigmoid64(x);
}

// The area under the normal density from -12 to x, by Simpson's rule: Φ(x) without erf.
double normal_area(double x) {
    const int steps = 4000;
    const double from = -12.0, h = (x - from) / steps;
    double sum = 0.0;
    for (int i = 0; i <= steps; ++i) {
        const double z = from + i * h;
        const double weight = i == 0 || i == steps ? 1.0 : i % 2 == 1 ? 4.0 : 2.0;
        sum += weight * std::exp(-0.5 * z * z) / std::sqrt(2.0 * pi);
    }
    return sum * h / 3.0;
}

constexpr Gelu forms[] = {Gelu::exact, Gelu::tanh, Gelu::sigmoid};

// Where the largest value of f on a grid from 0 to 8 is, and how large it is.
template <typename Function>
std::pair<double, double> largest_on_grid(Function f) {
    double where = 0.0, largest = 0.0;
    for (int i = 0; i <= 80000; ++i) {
        const double x = i * 1e-4, value = f(x);
        if (value > largest) {
            where = x;
            largest = value;
        }
    }
    return {where, largest};
}

}  // namespace

TEST_CASE("normal_cdf is the area under the normal density") {
    for (const float x : {-4.0f, -1.96f, -1.0f, -0.1f, 0.0f, 0.5f, 1.0f, 1.6448536f, 3.0f, 6.0f}) {
        CAPTURE(x);
        CHECK(std::fabs(gemma::normal_cdf(x) - normal_area(x)) <= 1e-7);
    }
}

TEST_CASE("gelu has the published values") {
    CHECK(gemma::gelu(1.0f, Gelu::tanh) == Approx(0.8411919906).epsilon(1e-7));
    CHECK(gemma::gelu(1.0f, Gelu::exact) == Approx(0.8413447461).epsilon(1e-7));
    CHECK(gemma::gelu(3.0f, Gelu::tanh) == Approx(2.9963626079).epsilon(1e-7));
    CHECK(gemma::gelu(3.0f, Gelu::exact) == Approx(2.9959503059).epsilon(1e-7));
}

TEST_CASE("gelu is the tanh form unless asked otherwise: Gemma's") {
    CHECK(gemma::gelu(2.7f) == gemma::gelu(2.7f, Gelu::tanh));
    CHECK(gemma::gelu(2.7f) != gemma::gelu(2.7f, Gelu::exact));
    CHECK(gemma::gelu_derivative(2.7f) == gemma::gelu_derivative(2.7f, Gelu::tanh));
}

TEST_CASE("gelu's forms agree with double precision") {
    for (const Gelu form : forms) {
        for (float x = -10.0f; x <= 10.0f; x += 0.125f) {
            CAPTURE(static_cast<int>(form));
            CAPTURE(x);
            const double tolerance = 3e-7 * std::fmax(1.0, std::fabs(x));
            CHECK(std::fabs(gemma::gelu(x, form) - gelu64(x, form)) <= tolerance);
        }
    }
}

TEST_CASE("gelu(x) - gelu(-x) = x, since Φ(x) + Φ(-x) = 1") {
    for (const Gelu form : forms) {
        for (const float x : {0.25f, 1.0f, 2.5f, 7.0f}) {
            CHECK(gemma::gelu(x, form) - gemma::gelu(-x, form) == Approx(x).epsilon(1e-6));
        }
    }
}

TEST_CASE("gelu opens and closes entirely far from zero") {
    for (const Gelu form : forms) {
        CHECK(gemma::gelu(100.0f, form) == 100.0f);
        CHECK(gemma::gelu(-100.0f, form) == 0.0f);
        CHECK(gemma::gelu(0.0f, form) == 0.0f);
        CHECK(gemma::gelu(1e15f, form) == 1e15f);
        CHECK(gemma::gelu(-1e15f, form) == 0.0f);
        CHECK(gemma::gelu_derivative(1e4f, form) == 1.0f);
        CHECK(gemma::gelu_derivative(-1e4f, form) == 0.0f);
    }
}

TEST_CASE("the tanh form differs from the exact one by at most 4.73e-4, at 2.699") {
    const auto difference = [](double x) {
        return std::fabs(gemma::gelu(static_cast<float>(x), Gelu::tanh) -
                         gemma::gelu(static_cast<float>(x), Gelu::exact));
    };
    const auto [where, largest] = largest_on_grid(difference);
    CHECK(largest == Approx(4.73e-4).epsilon(2e-3));
    CHECK(where == Approx(2.699).epsilon(2e-3));
}

TEST_CASE("the sigmoid form differs from the exact one by at most 0.0203") {
    const auto difference = [](double x) {
        return std::fabs(gemma::gelu(static_cast<float>(x), Gelu::sigmoid) -
                         gemma::gelu(static_cast<float>(x), Gelu::exact));
    };
    CHECK(largest_on_grid(difference).second == Approx(0.0203).epsilon(3e-3));
}

TEST_CASE("gelu's minima are where they are published") {
    const auto depth = [](Gelu form) {
        return [form](double x) { return -gemma::gelu(static_cast<float>(-x), form); };
    };
    const auto [exact_where, exact_depth] = largest_on_grid(depth(Gelu::exact));
    CHECK(-exact_depth == Approx(-0.169971).epsilon(5e-6));
    CHECK(-exact_where == Approx(-0.75179).epsilon(2e-3));
    const auto [tanh_where, tanh_depth] = largest_on_grid(depth(Gelu::tanh));
    CHECK(-tanh_depth == Approx(-0.170041).epsilon(5e-6));
    CHECK(-tanh_where == Approx(-0.75246).epsilon(2e-3));
    // At a minimum the slope is zero: the place, found more sharply.
    CHECK(std::fabs(gemma::gelu_derivative(-0.75179f, Gelu::exact)) <= 1e-5f);
    CHECK(std::fabs(gemma::gelu_derivative(-0.75246f, Gelu::tanh)) <= 1e-5f);
}

TEST_CASE("gelu's slope agrees with finite differences, in all forms") {
    for (const Gelu form : forms) {
        for (float x = -6.0f; x <= 6.0f; x += 0.125f) {
            CAPTURE(static_cast<int>(form));
            CAPTURE(x);
            const double slope = gemma::numerical_derivative([form](double z) { return gelu64(z, form); }, x);
            CHECK(std::fabs(gemma::gelu_derivative(x, form) - slope) <= 1e-6);
        }
    }
}

TEST_CASE("gelu of a matrix is gelu of each number") {
    const gemma::Matrix x = gemma::random_matrix(3, 5, 1);
    for (const Gelu form : forms) {
        gemma::Matrix expected = x;
        for (float& value : expected) value = gemma::gelu(value, form);
        CHECK_CLOSE(gemma::gelu(x, form), expected, 0.0);
    }
}
