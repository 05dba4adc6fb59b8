#include "gemma/tensor.hpp"

#include "gemma/error.hpp"

#include <functional>
#include <numeric>

namespace gemma {

std::string to_string(const Shape& shape) {
    std::string axes;
    for (const std::size_t axis : shape) axes += (axes.empty() ? "" : ", ") + std::to_string(axis);
    return "[" + axes + "]";
}

std::size_t element_count(const Shape& shape) {
    return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
}

Shape place_of(std::size_t element, const Shape& shape) {
    Shape place(shape.size());
    for (std::size_t axis = shape.size(); axis-- > 0; element /= shape[axis]) place[axis] = element % shape[axis];
    return place;
}

void require_shape(std::string_view what, const Shape& found, const Shape& expected) {
    if (found != expected) {
        fail("{} has shape {}, expected {}", what, to_string(found), to_string(expected));
    }
}

}  // namespace gemma
