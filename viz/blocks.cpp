#include "viz/blocks.hpp"

#include "viz/heat_map.hpp"
#include "viz/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace viz {

namespace {

constexpr Colour grey{110, 110, 110};  // what is not finite

Colour colour_of(double value, const ColourScale& scale, const Console& console) {
    if (!std::isfinite(value)) return grey;
    const double strength = scale.strength(value);
    return console.colours() == Colours::full ? on_dark(strength) : on_dark_in_steps(strength);
}

// Five shades, the first of them empty.
std::string shade(double value, const ColourScale& scale) {
    static constexpr const char* above[] = {" ", "░", "▒", "▓", "█"};
    static constexpr const char* below[] = {" ", "⠂", "⠒", "⠶", "⠿"};
    if (!std::isfinite(value)) return "·";
    const double strength = scale.strength(value);
    const auto step = static_cast<std::size_t>(std::lround(4 * std::abs(strength)));
    return strength < 0 ? below[step] : above[step];
}

std::string repeated(const std::string& text, std::size_t times) {
    std::string result;
    for (std::size_t i = 0; i < times; ++i) result += text;
    return result;
}

std::string cell(double value, const ColourScale& scale, std::size_t width, const Console& console) {
    if (!console.many_colours()) return repeated(shade(value, scale), width);
    return console.coloured(repeated("█", width), colour_of(value, scale, console));
}

// The labels of the columns where they begin, those that have room. A cell stands for `group` columns.
std::string column_line(const HeatMap& map, std::size_t cells, std::size_t group, std::size_t cell_width) {
    std::string line;
    std::size_t taken = 0;
    // Numbers stand every so many columns, labels at each.
    const std::size_t every = map.column_labels.empty() ? std::max<std::size_t>(10 / cell_width, 1) : 1;
    for (std::size_t i = 0; i < cells; i += every) {
        const std::string label = column_label(map, i * group);
        const std::size_t place = i * cell_width;
        if (place < taken || place + width_of(label) > cells * cell_width + 1) continue;
        line += std::string(place - width_of(line), ' ') + label;
        taken = width_of(line) + 1;
    }
    return line;
}

std::string legend(const ColourScale& scale, const Console& console) {
    std::string blocks;
    constexpr int steps = 8;
    for (int i = scale.diverging() ? -steps : 0; i <= steps; ++i) {
        const double value =
            scale.diverging() ? scale.to() * i / steps : scale.from() + (scale.to() - scale.from()) * i / steps;
        blocks += cell(value, scale, 1, console);
    }
    return number(scale.from(), 3) + " " + blocks + " " + number(scale.to(), 3);
}

}  // namespace

std::vector<std::string> text(const HeatMap& map, std::size_t columns, std::size_t rows, const Console& console) {
    const ColourScale scale = colours_of(map);
    std::size_t label_width = 0;
    for (std::size_t row = 0; row < map.rows.size(); ++row) {
        label_width = std::max(label_width, width_of(row_label(map, row)));
    }
    const std::size_t room = columns > label_width + 9 ? columns - label_width - 1 : 8;
    const std::size_t height = std::max<std::size_t>(rows > 4 ? rows - 4 : 1, 1);  // beside labels, legend, axes

    const std::size_t row_count = map.rows.size(), column_count = map.rows[0].size();
    const bool halves = console.many_colours() && (map.row_labels.empty() || row_count > height);
    const std::size_t most_rows = halves ? 2 * height : height;
    const std::size_t row_group = group_size(row_count, most_rows), column_group = group_size(column_count, room);
    const std::vector<std::vector<double>> shown = condensed(map.rows, most_rows, room);
    const std::size_t cells = shown[0].size();

    // Cells as wide as the labels of the columns where there is room, else about square.
    std::size_t wanted = halves ? 1 : 2;
    for (const std::string& label : map.column_labels) {
        wanted = std::max(wanted, std::min<std::size_t>(width_of(label) + 1, 8));
    }
    const std::size_t cell_width = std::clamp<std::size_t>(room / cells, 1, wanted);
    const std::string margin(label_width + 1, ' ');

    std::vector<std::string> lines = {margin + column_line(map, cells, column_group, cell_width)};
    for (std::size_t row = 0; row < shown.size(); row += halves ? 2 : 1) {
        lines.push_back(padded(row_label(map, row * row_group), label_width) + " ");
        for (std::size_t column = 0; column < cells; ++column) {
            const double value = shown[row][column];
            if (!halves) {
                lines.back() += cell(value, scale, cell_width, console);
            } else if (row + 1 < shown.size()) {
                lines.back() += console.coloured(repeated("▀", cell_width), colour_of(value, scale, console),
                                                 colour_of(shown[row + 1][column], scale, console));
            } else {
                lines.back() += console.coloured(repeated("▀", cell_width), colour_of(value, scale, console));
            }
        }
    }
    lines.push_back(margin + legend(scale, console));
    std::string axes = map.row_axis.empty() ? "" : "↓ " + map.row_axis;
    if (!map.column_axis.empty()) axes += (axes.empty() ? "" : "   ") + ("→ " + map.column_axis);
    if (!axes.empty()) lines.push_back(margin + axes);
    if (row_group * column_group > 1) {
        lines.push_back(margin +
                        fmt::format("a block: of {} x {} numbers the one furthest from zero", row_group, column_group));
    }
    for (std::string& line : lines) line.erase(line.find_last_not_of(' ') + 1);
    return lines;
}

}  // namespace viz
