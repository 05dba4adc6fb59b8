#include "viz/sparkline.hpp"

#include "viz/numbers.hpp"

#include <cmath>

namespace viz {

std::string sparkline(const std::vector<double>& numbers, std::size_t width) {
    static constexpr const char* blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    const std::vector<double> shown = condensed(numbers, width);
    Range range;
    for (const double value : shown) range.add(value);
    std::string line;
    for (const double value : shown) {
        const double share = range.largest > range.least ? (value - range.least) / (range.largest - range.least) : 0.5;
        line += std::isfinite(value) ? blocks[std::lround(7 * share)] : " ";
    }
    return line;
}

}  // namespace viz
