#include "viz/numbers.hpp"

#include "viz/console.hpp"
#include "viz/heat_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace viz {

namespace {

constexpr std::size_t nothing = static_cast<std::size_t>(-1);  // in the place of an index: "…"

// Which of `count` rows or columns are shown when only `most` fit: the first and the last ones.
std::vector<std::size_t> shown(std::size_t count, std::size_t most) {
    std::vector<std::size_t> indices;
    const std::size_t kept = count <= most ? count : std::max<std::size_t>(most, 2) - 1;  // and a place for "…"
    const std::size_t first = count <= most ? count : (kept + 1) / 2;
    for (std::size_t i = 0; i < first; ++i) indices.push_back(i);
    if (first < count) indices.push_back(nothing);
    for (std::size_t i = count - (kept - first); i < count; ++i) indices.push_back(i);
    return indices;
}

// All numbers of a map in one form: four significant digits of the largest, or powers of ten where it is very large or
// small.
class Form {
public:
    explicit Form(const HeatMap& map) {
        double largest = 0;
        for (const auto& row : map.rows) {
            for (const double value : row) {
                if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
            }
        }
        const int exponent = largest > 0 ? static_cast<int>(std::floor(std::log10(largest))) : 0;
        powers_ = exponent > 6 || exponent < -4;
        decimals_ = powers_ ? 2 : std::max(0, 3 - exponent);
    }

    std::string operator()(double value) const {
        return powers_ ? fmt::format("{:.{}e}", value, decimals_) : fmt::format("{:.{}f}", value, decimals_);
    }

private:
    bool powers_;
    int decimals_;
};

std::string to_the_right(const std::string& text, std::size_t width) {
    const std::size_t taken = width_of(text);
    return std::string(width > taken ? width - taken : 0, ' ') + text;
}

}  // namespace

std::string number(double value, int digits) {
    if (value == 0) return "0";  // also -0
    return fmt::format("{:.{}g}", value, digits);
}

std::string grouped(std::string number) {
    const std::size_t point = std::min(number.find('.'), number.size());
    const std::size_t first = number[0] == '-' ? 1 : 0;
    for (std::size_t i = point; i > first + 3; i -= 3) number.insert(i - 3, ",");
    return number;
}

std::string grouped(std::size_t number) { return grouped(std::to_string(number)); }

void Range::add(double value) {
    if (!std::isfinite(value)) return;
    least = any ? std::min(least, value) : value;
    largest = any ? std::max(largest, value) : value;
    any = true;
}

Summary summary_of(const std::vector<float>& numbers) {
    Summary summary;
    for (const float value : numbers) summary.range.add(value);
    if (!numbers.empty()) {
        summary.mean = std::accumulate(numbers.begin(), numbers.end(), 0.0) / static_cast<double>(numbers.size());
    }
    return summary;
}

std::size_t group_size(std::size_t size, std::size_t count) { return (size + count - 1) / count; }

std::vector<double> condensed(const std::vector<double>& numbers, std::size_t count) {
    const std::size_t group = group_size(numbers.size(), count);
    const auto nearer_to_zero = [](double a, double b) {
        return std::isfinite(b) && (!std::isfinite(a) || std::abs(a) < std::abs(b));
    };
    std::vector<double> result;
    for (std::size_t i = 0; i < numbers.size(); i += group) {
        const auto begin = numbers.begin() + static_cast<std::ptrdiff_t>(i);
        const auto end = numbers.begin() + static_cast<std::ptrdiff_t>(std::min(i + group, numbers.size()));
        result.push_back(*std::max_element(begin, end, nearer_to_zero));
    }
    return result;
}

std::vector<std::vector<double>> condensed(const std::vector<std::vector<double>>& rows, std::size_t row_count,
                                           std::size_t column_count) {
    std::vector<std::vector<double>> result;
    for (std::size_t column = 0; column < rows[0].size(); ++column) {
        std::vector<double> numbers;
        for (const auto& row : rows) numbers.push_back(row[column]);
        const std::vector<double> fewer = condensed(numbers, row_count);
        result.resize(fewer.size());
        for (std::size_t row = 0; row < fewer.size(); ++row) result[row].push_back(fewer[row]);
    }
    for (std::vector<double>& row : result) row = condensed(row, column_count);
    return result;
}

std::vector<std::string> number_lines(const HeatMap& map, std::size_t columns, std::size_t rows) {
    colours_of(map);  // throws an Error for what is no map
    const Form form(map);
    std::size_t label_width = 0, width = 1;
    for (std::size_t row = 0; row < map.rows.size(); ++row) {
        label_width = std::max(label_width, width_of(row_label(map, row)));
        for (const double value : map.rows[row]) width = std::max(width, form(value).size());
    }
    for (const std::string& label : map.column_labels)
        width = std::max(width, std::min<std::size_t>(width_of(label), 12));
    const std::size_t room = columns > label_width ? (columns - label_width) / (width + 2) : 0;
    const std::vector<std::size_t> shown_columns = shown(map.rows[0].size(), std::max<std::size_t>(room, 3));

    std::vector<std::string> lines(1, std::string(label_width, ' '));
    for (const std::size_t column : shown_columns) {
        lines[0] += "  " + (column == nothing ? "…" : to_the_right(column_label(map, column), width));
    }
    for (const std::size_t row : shown(map.rows.size(), rows > 4 ? rows - 1 : 3)) {
        if (row == nothing) {
            lines.push_back("…");
            continue;
        }
        lines.push_back(padded(row_label(map, row), label_width));
        for (const std::size_t column : shown_columns) {
            lines.back() += "  " + (column == nothing ? "…" : to_the_right(form(map.rows[row][column]), width));
        }
    }
    return lines;
}

}  // namespace viz
