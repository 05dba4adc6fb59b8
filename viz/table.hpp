// A table on a terminal: columns as wide as what is in them, numbers to the right.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace viz {

struct Table {
    std::vector<std::string> header;
    std::vector<std::vector<std::string>> rows;
};

/// The rule under a header of this many columns.
std::string rule(std::size_t width);

/// The lines of a table, without colour: the header, a rule, the rows. A column whose cells all are numbers (or empty)
/// stands to the right. Throws an Error for a row that has more cells than the header.
std::vector<std::string> lines(const Table& table);

}  // namespace viz
