#include "gemma/linear/linear.hpp"

#include "gemma/error.hpp"
#include "gemma/linear/few_rows.hpp"
#include "gemma/linear/many_rows.hpp"

namespace gemma {

namespace {

const Kernels& best_kernels() { return kernels_of_this_machine().front(); }

void require_fit(ConstMatrixView x, const WeightMatrix& weight, MatrixView y) {
    require_shape("the input of a linear map", Shape{x.rows, x.columns}, {x.rows, weight.columns});
    require_shape("the output of a linear map", Shape{y.rows, y.columns}, {x.rows, weight.rows});
    if (weight.dtype == DType::int64) fail("the weight of a linear map is int64, expected a floating point type");
}

// All of a matrix [T, columns].
ConstMatrixView view(const Matrix& x) { return {x.data(), x.shape(0), x.shape(1), x.shape(1)}; }
MatrixView view(Matrix& y) { return {y.data(), y.shape(0), y.shape(1), y.shape(1)}; }

}  // namespace

void linear(ConstMatrixView x, const WeightMatrix& weight, MatrixView y, Precision precision) {
    require_fit(x, weight, y);
    if (x.rows <= few) {
        few_rows(best_kernels(), x, weight, y, precision);
    } else {
        many_rows(best_kernels(), x, weight, y, precision);
    }
}

Matrix linear(const Matrix& x, const WeightMatrix& weight, Precision precision) {
    Matrix y = Matrix::from_shape({x.shape(0), weight.rows});
    linear(view(x), weight, view(y), precision);
    return y;
}

Matrix linear_pair(const Matrix& x, const WeightMatrix& a, const WeightMatrix& b, const Combine& combine,
                   Precision precision) {
    require_shape("the second weight of a pair", Shape{b.rows, b.columns}, {a.rows, a.columns});
    Matrix y = Matrix::from_shape({x.shape(0), a.rows});
    require_fit(view(x), a, view(y));
    require_fit(view(x), b, view(y));
    if (x.shape(0) <= few) {
        few_rows_pair(best_kernels(), view(x), a, b, combine, view(y), precision);
    } else {
        many_rows_pair(best_kernels(), view(x), a, b, combine, view(y), precision);
    }
    return y;
}

}  // namespace gemma
