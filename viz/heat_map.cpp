#include "viz/heat_map.hpp"

#include "gemma/error.hpp"
#include "viz/drawing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

namespace viz {

namespace {

constexpr double bar_width = 144;
constexpr double small = 12;             // the letters of labels
constexpr std::size_t few_cells = 1024;  // they say their number when pointed at

struct Grid {
    std::size_t rows, columns;
    double left, top, cell_width, cell_height;
    // Whole tenths, as they are written: so no gap is left between neighbours.
    double x(std::size_t column) const {
        return std::round(10 * (left + cell_width * static_cast<double>(column))) / 10;
    }
    double y(std::size_t row) const { return std::round(10 * (top + cell_height * static_cast<double>(row))) / 10; }
    double right() const { return x(columns); }
    double bottom() const { return y(rows); }
};

// A colour is blue or orange, more or less opaque: hundredths are enough for the eye. Numbers that are not finite are
// grey.
constexpr int not_finite = 1000;

int percent_of(double value, const ColourScale& scale) {
    return std::isfinite(value) ? static_cast<int>(std::lround(100 * scale.strength(value))) : not_finite;
}

std::string colour_attributes(int percent) {
    if (percent == not_finite) return "class=\"none\"";
    return fmt::format("class=\"{}\" fill-opacity=\"{}\"", percent < 0 ? "below" : "above",
                       number(std::abs(percent) / 100.0));
}

std::string cell_title(const HeatMap& map, std::size_t row, std::size_t column) {
    const std::string place =
        fmt::format("{}, {}: {}", row_label(map, row), column_label(map, column), spoken(map.rows[row][column]));
    return "<title>" + escaped(place) + "</title>";
}

std::string cells_with_titles(const HeatMap& map, const ColourScale& scale, const Grid& grid) {
    std::string elements;
    for (std::size_t row = 0; row < grid.rows; ++row) {
        for (std::size_t column = 0; column < grid.columns; ++column) {
            elements += fmt::format("<rect {} x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\">{}</rect>\n",
                                    colour_attributes(percent_of(map.rows[row][column], scale)), at(grid.x(column)),
                                    at(grid.y(row)), at(grid.x(column + 1) - grid.x(column)),
                                    at(grid.y(row + 1) - grid.y(row)), cell_title(map, row, column));
        }
    }
    return elements;
}

// All cells of a colour are one path, and neighbours of the same colour one rectangle in it.
std::string cells_by_colour(const HeatMap& map, const ColourScale& scale, const Grid& grid) {
    std::map<int, std::string> paths;
    for (std::size_t row = 0; row < grid.rows; ++row) {
        const std::vector<double>& numbers = map.rows[row];
        for (std::size_t column = 0, next; column < grid.columns; column = next) {
            const int percent = percent_of(numbers[column], scale);
            for (next = column + 1; next < grid.columns && percent_of(numbers[next], scale) == percent;) ++next;
            paths[percent] += fmt::format("M{} {}H{}V{}H{}z", at(grid.x(column)), at(grid.y(row)), at(grid.x(next)),
                                          at(grid.y(row + 1)), at(grid.x(column)));
        }
    }
    std::string elements;
    for (const auto& [percent, path] : paths) {
        if (percent != 0) elements += fmt::format("<path {} d=\"{}\"/>\n", colour_attributes(percent), path);
    }
    return elements;
}

std::string cells(const HeatMap& map, const ColourScale& scale, const Grid& grid) {
    const bool few = grid.rows * grid.columns <= few_cells;
    return "<g class=\"cells\">\n" + (few ? cells_with_titles(map, scale, grid) : cells_by_colour(map, scale, grid)) +
           "</g>\n";
}

// In a map of few cells the numbers themselves, where all fit.
std::string numbers_in_cells(const HeatMap& map, const ColourScale& scale, const Grid& grid) {
    std::string elements;
    for (std::size_t row = 0; row < grid.rows; ++row) {
        for (std::size_t column = 0; column < grid.columns; ++column) {
            const double value = map.rows[row][column];
            if (!std::isfinite(value)) continue;
            const std::string text = number(value, 2);
            if (text_width(text, small) > grid.cell_width - 4) return "";
            const bool strong = std::abs(scale.strength(value)) > 0.8;
            elements += text_element(grid.x(column) + grid.cell_width / 2, grid.y(row) + grid.cell_height / 2 + 4, text,
                                     Anchor::middle, strong ? "font-size=\"12\" class=\"strong\"" : "font-size=\"12\"");
        }
    }
    return elements;
}

// Which labels there is room for: every one, every second, fifth, tenth …
std::size_t label_step(double label_size, double cell_size) {
    std::size_t step = 1;
    for (const std::size_t factor : {2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000}) {
        if (static_cast<double>(step) * cell_size < label_size) step = factor;
    }
    return step;
}

std::string row_labels(const HeatMap& map, const Grid& grid) {
    const std::size_t every = label_step(13, grid.cell_height);
    std::string elements;
    for (std::size_t row = 0; row < grid.rows; row += every) {
        elements += text_element(grid.left - 6, grid.y(row) + grid.cell_height / 2 + 4, row_label(map, row),
                                 Anchor::end, "font-size=\"12\" class=\"quiet\"");
    }
    return elements;
}

double widest_column_label(const HeatMap& map, std::size_t columns) {
    double width = 0;
    for (std::size_t column = 0; column < columns; ++column)
        width = std::max(width, text_width(column_label(map, column), small));
    return width;
}

// Labels that are wider than their column lean, to the left and down; numbers leave some out.
bool labels_lean(const HeatMap& map, const Grid& grid) {
    return !map.column_labels.empty() && widest_column_label(map, grid.columns) + 6 > grid.cell_width;
}

constexpr double lean_across = 0.65, lean_down = 0.77;  // of a label's length: an angle of 50 degrees

// How far leaning labels reach beyond the left edge of the picture.
double overhang(const HeatMap& map, const Grid& grid) {
    double most = 0;
    for (std::size_t column = 0; column < grid.columns && labels_lean(map, grid); ++column) {
        const double end =
            grid.x(column) + grid.cell_width / 2 - lean_across * text_width(column_label(map, column), small);
        most = std::max(most, 4 - end);
    }
    return most;
}

// Moves `y` below the labels.
std::string column_labels(const HeatMap& map, const Grid& grid, double& y) {
    const double width = widest_column_label(map, grid.columns) + 6;
    const bool lean = labels_lean(map, grid);
    const std::size_t every = label_step(lean ? 14 : width, grid.cell_width);
    std::string elements;
    for (std::size_t column = 0; column < grid.columns; column += every) {
        const double x = grid.x(column) + grid.cell_width / 2;
        const std::string label = column_label(map, column);
        if (lean) {
            elements += text_element(
                x + 4, y + 12, label, Anchor::end,
                fmt::format("font-size=\"12\" class=\"quiet\" transform=\"rotate(-50 {} {})\"", at(x + 4), at(y + 12)));
        } else {
            elements += text_element(x, y + 15, label, Anchor::middle, "font-size=\"12\" class=\"quiet\"");
        }
    }
    y += lean ? 14 + lean_down * width : 20;
    return elements;
}

// The colours and their numbers, from strongest blue to strongest orange.
std::string colour_bar(const ColourScale& scale, double left, double y) {
    constexpr std::size_t steps = 48;
    constexpr double width = bar_width, height = 10;
    std::string elements = "<g class=\"cells\">\n";
    for (std::size_t i = 0; i < steps; ++i) {
        const double value = scale.from() + (scale.to() - scale.from()) * (static_cast<double>(i) + 0.5) / steps;
        elements += fmt::format(
            "<rect {} x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>\n", colour_attributes(percent_of(value, scale)),
            at(left + width * static_cast<double>(i) / steps), at(y), at(width / steps), at(height));
    }
    elements += "</g>\n";
    elements += fmt::format("<rect class=\"frame\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>\n", at(left), at(y),
                            at(width), at(height));
    const auto value = [&](double x, double number_there, Anchor anchor) {
        elements += text_element(x, y + 24, number(number_there, 3), anchor, "font-size=\"12\" class=\"quiet\"");
    };
    value(left, scale.from(), Anchor::start);
    if (scale.diverging()) value(left + width / 2, 0, Anchor::middle);
    value(left + width, scale.to(), Anchor::end);
    return elements;
}

std::string description(const HeatMap& map) {
    Range range;
    std::size_t missing = 0;
    for (const auto& row : map.rows) {
        for (const double value : row) {
            range.add(value);
            missing += !std::isfinite(value);
        }
    }
    std::string text = fmt::format("Heat map of {} rows{} and {} columns{}: least {}, largest {}.", map.rows.size(),
                                   map.row_axis.empty() ? "" : " (" + map.row_axis + ")", map.rows[0].size(),
                                   map.column_axis.empty() ? "" : " (" + map.column_axis + ")", spoken(range.least),
                                   spoken(range.largest));
    if (missing > 0) text += fmt::format(" {} without a finite number.", missing);
    return text;
}

}  // namespace

ColourScale colours_of(const HeatMap& map) {
    const auto complain = [&map](const std::string& what) { gemma::fail("heat map \"{}\": {}", map.title, what); };
    Range range;
    for (const auto& row : map.rows) {
        if (row.size() != map.rows[0].size())
            complain(fmt::format("rows of {} and of {} numbers", map.rows[0].size(), row.size()));
        for (const double value : row) range.add(value);
    }
    if (!range.any) complain("there is no number to show");
    if (!map.row_labels.empty() && map.row_labels.size() != map.rows.size()) {
        complain(fmt::format("{} rows, but {} row labels", map.rows.size(), map.row_labels.size()));
    }
    if (!map.column_labels.empty() && map.column_labels.size() != map.rows[0].size()) {
        complain(fmt::format("{} columns, but {} column labels", map.rows[0].size(), map.column_labels.size()));
    }
    return ColourScale(range);
}

std::string row_label(const HeatMap& map, std::size_t row) {
    return map.row_labels.empty() ? std::to_string(row) : map.row_labels[row];
}

std::string column_label(const HeatMap& map, std::size_t column) {
    return map.column_labels.empty() ? std::to_string(column) : map.column_labels[column];
}

std::string svg(const HeatMap& map) {
    const ColourScale scale = colours_of(map);
    double top = 0;
    std::string elements = title_element(map.title, top);
    top += top == 0 ? margin : 0;
    const double above = top;  // the map: what the rows are, and the colours
    top += 34;

    Grid grid{map.rows.size(), map.rows[0].size(), margin + 6, top, 0, 0};
    double label_width = 0;
    for (std::size_t row = 0; row < grid.rows; ++row) {
        label_width = std::max(label_width, text_width(row_label(map, row), small));
    }
    grid.left += label_width;
    const auto fit_width = [&grid] {
        grid.cell_width = std::min((picture_width - margin - grid.left) / static_cast<double>(grid.columns), 64.0);
    };
    fit_width();
    grid.left += overhang(map, grid);
    fit_width();
    grid.cell_height = std::min({std::max(grid.cell_width, 15.0), 30.0, 640.0 / static_cast<double>(grid.rows)});

    const std::string rows_are = map.row_axis.empty() ? "" : map.row_axis + " ↓";
    if (!rows_are.empty()) elements += text_element(margin, above + 24, rows_are);
    elements += cells(map, scale, grid);
    const double bar_left = std::max(grid.right() - bar_width, margin + text_width(rows_are) + 40);
    elements += colour_bar(scale, bar_left, above);
    elements += fmt::format("<rect class=\"frame\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>\n", at(grid.left),
                            at(grid.top), at(grid.right() - grid.left), at(grid.bottom() - grid.top));
    elements += numbers_in_cells(map, scale, grid);
    elements += row_labels(map, grid);
    double bottom = grid.bottom();
    elements += column_labels(map, grid, bottom);
    if (!map.column_axis.empty()) {
        bottom += 16;
        elements += text_element((grid.left + grid.right()) / 2, bottom, map.column_axis + " →", Anchor::middle);
    }
    // A map of few cells is a narrow picture.
    const double right = std::max({grid.right(), bar_left + bar_width, title_width(map.title)}) + 2 * margin;
    return picture(std::min(right, picture_width), bottom + margin, map.title, description(map), elements);
}

}  // namespace viz
