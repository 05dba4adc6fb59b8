// A bar chart in one expression. (Of a braced one with bars in it GCC 12 says that it "may be used uninitialized".)
#pragma once

#include "viz/chart.hpp"

#include <string>
#include <utility>
#include <vector>

namespace viz {

inline BarChart bar_chart(std::string title, std::string axis, std::vector<Bar> bars) {
    BarChart chart;
    chart.title = std::move(title);
    chart.value.label = std::move(axis);
    chart.bars = std::move(bars);
    return chart;
}

}  // namespace viz
