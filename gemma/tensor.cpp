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

void require_shape(std::string_view what, const Shape& found, const Shape& expected) {
    if (found != expected) {
        fail("{} has shape {}, expected {}", what, to_string(found), to_string(expected));
    }
}

}  // namespace gemma
