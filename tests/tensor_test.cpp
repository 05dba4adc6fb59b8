// Shapes: as text, counted, and checked.

#include "gemma/tensor.hpp"
#include "gemma/error.hpp"

#include <doctest/doctest.h>

namespace gemma {

TEST_CASE("A shape as text") {
    CHECK(to_string(Shape{5, 2048}) == "[5, 2048]");
    CHECK(to_string(Shape{7}) == "[7]");
    CHECK(to_string(Shape{}) == "[]");
}

TEST_CASE("The number of elements of a shape") {
    CHECK(element_count({256000, 2048}) == 524288000);
    CHECK(element_count({3, 0, 5}) == 0);
    CHECK(element_count({}) == 1);
}

TEST_CASE("The place of an element in a row-major tensor") {
    CHECK(place_of(7, {2, 5}) == Shape{1, 2});
    CHECK(place_of(23, {2, 3, 4}) == Shape{1, 2, 3});
    CHECK(place_of(0, {}) == Shape{});
    const Tensor3 tensor = Tensor3::from_shape({2, 3, 4});
    const Shape place = place_of(17, shape_of(tensor));
    CHECK(&tensor(place[0], place[1], place[2]) == tensor.data() + 17);
}

TEST_CASE("Tensors are row major: the last axis is contiguous") {
    const Matrix matrix = Matrix::from_shape({2, 3});
    CHECK(&matrix(0, 1) == matrix.data() + 1);
    CHECK(&matrix(1, 0) == matrix.data() + 3);
    CHECK(shape_of(matrix) == Shape{2, 3});
    CHECK(shape_of(Tensor3::from_shape({2, 3, 4})) == Shape{2, 3, 4});
    CHECK(shape_of(Vector::from_shape({9})) == Shape{9});
}

TEST_CASE("A shape that does not fit is refused with both shapes") {
    const Matrix matrix = Matrix::from_shape({2, 3});
    CHECK_NOTHROW(require_shape("x", matrix, {2, 3}));
    CHECK_THROWS_WITH_AS(require_shape("x", matrix, {3, 2}), "x has shape [2, 3], expected [3, 2]", Error);
    CHECK_THROWS_WITH_AS(require_shape("x", matrix, {6}), "x has shape [2, 3], expected [6]", Error);
}

}  // namespace gemma
