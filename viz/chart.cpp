#include "viz/chart.hpp"

namespace viz {

Series curve(std::string label, double from, double to, const std::function<double(double)>& function,
             std::size_t count) {
    Series series{std::move(label), {}, {}};
    for (std::size_t i = 0; i < count; ++i) {
        series.x.push_back(from + (to - from) * static_cast<double>(i) / static_cast<double>(count - 1));
        series.y.push_back(function(series.x.back()));
    }
    return series;
}

std::string svg(const Chart&) { return ""; }
std::string svg(const BarChart&) { return ""; }
std::string svg(const HeatMap&) { return ""; }

}  // namespace viz
