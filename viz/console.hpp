// Text with emphasis: colour on a terminal, plain in a pipe or a file.
#pragma once

#include <string>
#include <string_view>

namespace viz {

/// What standard output is, as far as text cares.
class Console {
public:
    /// Looks at standard output: colour when it is a terminal and NO_COLOR (https://no-color.org) is not set.
    Console();

    explicit Console(bool colour) : colour_(colour) {}

    std::string bold(std::string_view text) const { return styled("1", text); }
    std::string dim(std::string_view text) const { return styled("2", text); }
    std::string red(std::string_view text) const { return styled("31", text); }
    std::string green(std::string_view text) const { return styled("32", text); }
    std::string yellow(std::string_view text) const { return styled("33", text); }
    std::string cyan(std::string_view text) const { return styled("36", text); }

private:
    std::string styled(std::string_view code, std::string_view text) const;

    bool colour_;
};

/// How many columns a UTF-8 text takes: its code points (none of ours is wide).
std::size_t width_of(std::string_view text);

/// The text with spaces behind it, up to `width` columns: what printf's "%-20s" does for bytes.
std::string padded(std::string_view text, std::size_t width);

/// A bar of eighth blocks, `share` (0 to 1) of `width` columns long.
std::string bar(double share, std::size_t width);

}  // namespace viz
