// Each kernel that this machine has, against plain loops in double.
//
// The bound of an element: a sum of k products in float32, in any order, differs from the exact one by at most
// (k + 1) ε Σ|x w| with ε = 2^-24, a little more for the terms in ε² (Higham, Accuracy and Stability of Numerical
// Algorithms, 2002, section 3.1). Rounding to bfloat16 adds half a unit in the last place, at most 2^-8 of the number.
// The dot product of bfloat16 pairs may take numbers below 2^-126 for zero: an operand costs at most its product with
// the other one, a sum 2^-126 each time.
#include "gemma/linear/kernels/kernels.hpp"

#include "gemma/linear/few_rows.hpp"
#include "gemma/linear/many_rows.hpp"
#include "gemma/parallel.hpp"
#include "tests/linear/stored.hpp"
#include "tests/support/approx.hpp"
#include "tests/support/random_tensor.hpp"
#include "tests/support/threads.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using gemma::DType;
using gemma::dtypes;
using gemma::Kernels;
using gemma::Matrix;
using gemma::Precision;
using gemma::Stored;
using gemma::WeightMatrix;

namespace {

constexpr Precision precisions[] = {Precision::float32, Precision::bfloat16};

// y = x Wᵀ by the kernels given: dots where the rows are few, tiles where they are many.
Matrix product(const Kernels& kernels, bool dots, const Matrix& x, const WeightMatrix& weight, Precision precision) {
    const std::size_t T = x.shape(0), in = x.shape(1), out = weight.rows;
    Matrix y = Matrix::from_shape({T, out});
    y.fill(NAN);  // what was there before does not matter
    const auto multiply = dots ? gemma::few_rows : gemma::many_rows;
    multiply(kernels, {x.data(), T, in, in}, weight, {y.data(), T, out, out}, precision);
    return y;
}

// How many elements of y are farther from the exact ones than they may be.
std::size_t elements_out_of_bounds(const Matrix& y, const Matrix& x, const Stored& weight, Precision precision) {
    const std::size_t k = x.shape(1);
    std::size_t wrong = 0;
    for (std::size_t t = 0; t < x.shape(0); ++t) {
        for (std::size_t o = 0; o < weight.out; ++o) {
            double exact = 0.0, size = 0.0, lost = 0.0;
            for (std::size_t i = 0; i < k; ++i) {
                const double a = x(t, i), w = weight.at(o, i);
                exact += a * w;
                size += std::fabs(a * w);
                lost += 0x1p-126;
                if (std::fabs(a) < 0x1p-126 || std::fabs(w) < 0x1p-126) lost += std::fabs(a * w);
            }
            double bound = 1.001 * static_cast<double>(k + 1) * 0x1p-24 * size + lost;
            if (precision == Precision::bfloat16) bound += 0x1p-8 * (std::fabs(exact) + bound);
            if (!(std::fabs(y(t, o) - exact) <= bound)) ++wrong;
        }
    }
    return wrong;
}

// Calls check(kernels, dots) for the dots and the tiles of each instruction set.
template <typename Check>
void for_each_kernel(const Check& check) {
    for (const Kernels& kernels : gemma::kernels_of_this_machine()) {
        for (const bool dots : {true, false}) {
            const std::string name = std::string(kernels.instructions) + (dots ? ", dots" : ", tiles");
            CAPTURE(name);
            check(kernels, dots);
        }
    }
}

}  // namespace

TEST_CASE("any machine has kernels, and the plain ones are the last choice") {
    const std::vector<Kernels>& all = gemma::kernels_of_this_machine();
    REQUIRE(!all.empty());
    CHECK(all.back().instructions == gemma::base_kernels().instructions);
    for (const Kernels& kernels : all) {
        CHECK(kernels.tile_float32.block % kernels.tile_float32.lanes == 0);
        CHECK(kernels.dot_rows >= 1);
        CHECK(kernels.dot_rows <= gemma::few);
    }
}

TEST_CASE("each kernel computes x Wᵀ within the bound of its sums") {
    struct Sizes {
        std::size_t out, in;
    };
    for_each_kernel([](const Kernels& kernels, bool dots) {
        const std::vector<std::size_t> few = {1, 2, 3, 4}, many = {1, 3, 5, 16, 17, 33, 63, 64, 65, 130};
        for (const Sizes& sizes : {Sizes{1, 1}, {2, 2}, {3, 5}, {6, 63}, {7, 64}, {50, 129}, {13, 1023}, {5, 2051}}) {
            const std::size_t out = sizes.out, in = sizes.in;
            for (const DType dtype : dtypes) {
                const Stored weight(dtype, out, in);
                for (const Precision precision : precisions) {
                    for (const std::size_t T : dots ? few : many) {
                        const Matrix x = gemma::rounded(precision, gemma::random_matrix(T, in, 1));
                        CAPTURE(gemma::to_string(dtype));
                        CAPTURE(gemma::to_string(precision));
                        CAPTURE(T);
                        CAPTURE(in);
                        const Matrix y = product(kernels, dots, x, weight.view(), precision);
                        CHECK(elements_out_of_bounds(y, x, weight, precision) == 0);
                        CHECK_CLOSE(gemma::rounded(precision, y), y, 0.0);
                    }
                }
            }
        }
    });
}

TEST_CASE("more tokens than are packed at once") {
    for (const Kernels& kernels : gemma::kernels_of_this_machine()) {
        const Stored weight(DType::bfloat16, 5, 10);
        const Matrix x = gemma::rounded(Precision::bfloat16, gemma::random_matrix(1030, 10, 1));
        for (const Precision precision : precisions) {
            const Matrix y = product(kernels, false, x, weight.view(), precision);
            CHECK(elements_out_of_bounds(y, x, weight, precision) == 0);
        }
    }
}

TEST_CASE("weights may start at any number of a file") {
    for_each_kernel([](const Kernels& kernels, bool dots) {
        for (const DType dtype : dtypes) {
            const std::size_t in = 131, out = 9;
            const Stored whole(dtype, out + 1, in);
            for (const std::size_t skipped : {1, 3}) {  // numbers before the first row
                const WeightMatrix view = {dtype, whole.bytes.data() + skipped * size_of(dtype), out, in};
                Matrix values = Matrix::from_shape({out, in});
                gemma::to_float32(view.data, dtype, out * in, values.data());
                const Stored weight(dtype, values);
                const Matrix x = gemma::rounded(Precision::bfloat16, gemma::random_matrix(4, in, 1));
                for (const Precision precision : precisions) {
                    const Matrix y = product(kernels, dots, x, view, precision);
                    CHECK(elements_out_of_bounds(y, x, weight, precision) == 0);
                }
            }
        }
    });
}

TEST_CASE("pieces of larger tensors: nothing is read or written beside them") {
    for_each_kernel([](const Kernels& kernels, bool dots) {
        const std::size_t T = 4, in = 37, out = 11;
        const Stored weight(DType::bfloat16, out, in);
        const Matrix x = gemma::rounded(Precision::bfloat16, gemma::random_matrix(T, in, 1));
        Matrix wide = Matrix::from_shape({T, in + 3});
        wide.fill(NAN);  // x is columns 2 … in + 1
        for (std::size_t t = 0; t < T; ++t) std::copy_n(&x(t, 0), in, &wide(t, 2));
        for (const Precision precision : precisions) {
            Matrix target = Matrix::from_shape({T, out + 4});  // y is columns 1 … out
            target.fill(-99.0f);
            const auto multiply = dots ? gemma::few_rows : gemma::many_rows;
            multiply(kernels, {&wide(0, 2), T, in, in + 3}, weight.view(), {&target(0, 1), T, out, out + 4}, precision);
            Matrix expected = Matrix::from_shape({T, out + 4});
            expected.fill(-99.0f);
            const Matrix y = product(kernels, dots, x, weight.view(), precision);
            for (std::size_t t = 0; t < T; ++t) std::copy_n(&y(t, 0), out, &expected(t, 1));
            CHECK_CLOSE(target, expected, 0.0);
        }
    });
}

TEST_CASE("an element does not depend on the other rows, nor on the number of threads") {
    for_each_kernel([](const Kernels& kernels, bool dots) {
        // Rows of weights are read side by side where x has one row; the longer ones in chunks.
        for (const std::size_t in : dots ? std::vector<std::size_t>{1203, 20001} : std::vector<std::size_t>{1203}) {
            for (const DType dtype : dtypes) {
                const std::size_t out = 301, T = dots ? 4 : 70;
                const Stored weight(dtype, out, in);
                const Matrix x = gemma::rounded(Precision::bfloat16, gemma::random_matrix(T, in, 1));
                for (const Precision precision : precisions) {
                    const gemma::Threads one(1);
                    const Matrix all = product(kernels, dots, x, weight.view(), precision);
                    const gemma::Threads three(3);
                    CHECK_CLOSE(product(kernels, dots, x, weight.view(), precision), all, 0.0);
                    for (const std::size_t t : {std::size_t{0}, T - 1}) {
                        Matrix row = Matrix::from_shape({1, in}), expected = Matrix::from_shape({1, out});
                        std::copy_n(&x(t, 0), in, row.data());
                        std::copy_n(&all(t, 0), out, expected.data());
                        CHECK_CLOSE(product(kernels, dots, row, weight.view(), precision), expected, 0.0);
                    }
                }
            }
        }
    });
}

TEST_CASE("very small numbers, where float32 loses digits") {
    for_each_kernel([](const Kernels& kernels, bool dots) {
        const std::size_t in = 200, out = 8;
        Matrix values = gemma::random_matrix(out, in, 3), x = gemma::random_matrix(3, in, 4);
        for (std::size_t i = 0; i < values.size(); ++i) values.data()[i] *= i % 3 == 0 ? 0x1p-130f : 1.0f;
        for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] *= i % 5 == 0 ? 0x1p-128f : 0x1p-100f;
        x = gemma::rounded(Precision::bfloat16, x);
        for (const DType dtype : dtypes) {
            const Stored weight(dtype, values);
            for (const Precision precision : precisions) {
                const Matrix y = product(kernels, dots, x, weight.view(), precision);
                CHECK(elements_out_of_bounds(y, x, weight, precision) == 0);
            }
        }
    });
}

TEST_CASE("float16 has its own small numbers: below 2^-14 they have no leading one") {
    for_each_kernel([](const Kernels& kernels, bool dots) {
        Matrix values = gemma::random_matrix(5, 77, 3);
        for (float& value : values) value *= 0x1p-16f;
        const Stored weight(DType::float16, values);
        const Matrix x = gemma::random_matrix(3, 77, 4);
        const Matrix y = product(kernels, dots, x, weight.view(), Precision::float32);
        CHECK(elements_out_of_bounds(y, x, weight, Precision::float32) == 0);
    });
}

TEST_CASE("infinity and NaN pass through, and reach no other element") {
    static constexpr float infinity = std::numeric_limits<float>::infinity();
    for_each_kernel([](const Kernels& kernels, bool dots) {
        for (const DType dtype : dtypes) {
            const std::size_t T = 3, in = 150, out = 13;
            Matrix values = gemma::random_matrix(out, in, 3), x = gemma::random_matrix(T, in, 4);
            for (float& value : x) value = std::fabs(value) + 0.5f;
            x = gemma::rounded(Precision::bfloat16, x);
            values(4, 140) = infinity;
            values(7, 3) = infinity;
            values(7, 149) = -infinity;
            values(12, 149) = NAN;
            x(1, 70) = NAN;
            const Stored weight(dtype, values);
            for (const Precision precision : precisions) {
                const Matrix y = product(kernels, dots, x, weight.view(), precision);
                for (std::size_t t = 0; t < T; ++t) {
                    for (std::size_t o = 0; o < out; ++o) {
                        if (t == 1 || o == 7 || o == 12) {
                            CHECK(std::isnan(y(t, o)));
                        } else if (o == 4) {
                            CHECK(y(t, o) == infinity);
                        } else {
                            CHECK(std::isfinite(y(t, o)));
                        }
                    }
                }
            }
        }
    });
}
