#include "viz/table.hpp"

#include "gemma/error.hpp"
#include "viz/console.hpp"

#include <algorithm>

namespace viz {

namespace {

// Digits make a number, whatever sign, unit or ± stands around them; letters in front do not.
bool is_number(const std::string& cell) {
    const std::size_t digit = cell.find_first_of("0123456789");
    return digit != std::string::npos && cell.find_first_not_of(" +-.~<>≤≥≈×−", 0) >= digit;
}

bool is_numeric(const Table& table, std::size_t column) {
    bool any = false;
    for (const auto& row : table.rows) {
        if (column >= row.size() || row[column].empty()) continue;
        if (!is_number(row[column])) return false;
        any = true;
    }
    return any;
}

std::string aligned(const std::string& text, std::size_t width, bool right) {
    if (!right) return padded(text, width);
    const std::size_t taken = width_of(text);
    return std::string(width > taken ? width - taken : 0, ' ') + text;
}

std::string without_end_spaces(std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
}

}  // namespace

std::string rule(std::size_t width) {
    std::string text;
    for (std::size_t i = 0; i < width; ++i) text += "─";
    return text;
}

std::vector<std::string> lines(const Table& table) {
    const std::size_t columns = table.header.size();
    std::vector<std::size_t> widths(columns);
    std::vector<bool> right(columns);
    for (std::size_t c = 0; c < columns; ++c) {
        widths[c] = width_of(table.header[c]);
        right[c] = is_numeric(table, c);
    }
    for (const auto& row : table.rows) {
        if (row.size() > columns) gemma::fail("a table of {} columns has a row of {} cells", columns, row.size());
        for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], width_of(row[c]));
    }

    const auto line = [&](const std::vector<std::string>& cells) {
        std::string text;
        for (std::size_t c = 0; c < cells.size(); ++c) text += (c ? "  " : "") + aligned(cells[c], widths[c], right[c]);
        return without_end_spaces(text);
    };
    std::string rules;
    for (std::size_t c = 0; c < columns; ++c) rules += (c ? "  " : "") + rule(widths[c]);
    std::vector<std::string> result = {line(table.header), rules};
    for (const auto& row : table.rows) result.push_back(line(row));
    return result;
}

}  // namespace viz
