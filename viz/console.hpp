// Text with emphasis: colour on a terminal, plain in a pipe or a file.
#pragma once

#include <string>
#include <string_view>

namespace viz {

struct Colour;

/// The colours that there are: none; the sixteen that every terminal has; 256; or 24 bits.
enum class Colours { none, basic, palette, full };

/// What standard output is, as far as text cares.
class Console {
public:
    /// Looks at standard output. Colours are there when it is a terminal and NO_COLOR (https://no-color.org) is not
    /// set: as many as COLORTERM and TERM say. Its width is the terminal's, else COLUMNS, else 100.
    Console();

    explicit Console(bool colour, std::size_t columns = 100)
        : Console(colour ? Colours::full : Colours::none, columns) {}
    explicit Console(Colours colours, std::size_t columns = 100) : colours_(colours), columns_(columns) {}

    Colours colours() const { return colours_; }

    /// Whether there are enough colours for heat maps.
    bool many_colours() const { return colours_ >= Colours::palette; }

    /// How many characters fit in a line.
    std::size_t columns() const { return columns_; }

    std::string bold(std::string_view text) const { return styled("1", text); }
    std::string dim(std::string_view text) const { return styled("2", text); }
    std::string red(std::string_view text) const { return styled("31", text); }
    std::string green(std::string_view text) const { return styled("32", text); }
    std::string yellow(std::string_view text) const { return styled("33", text); }
    std::string cyan(std::string_view text) const { return styled("36", text); }

    /// Text in a colour, and on a ground of another one; plain where there are not many colours.
    std::string coloured(std::string_view text, Colour ink) const;
    std::string coloured(std::string_view text, Colour ink, Colour ground) const;

private:
    std::string styled(std::string_view code, std::string_view text) const;
    std::string code(int layer, Colour colour) const;

    Colours colours_;
    std::size_t columns_;
};

/// How many columns a UTF-8 text takes: its code points (none of ours is wide).
std::size_t width_of(std::string_view text);

/// The text with spaces behind it, up to `width` columns: what printf's "%-20s" does for bytes.
std::string padded(std::string_view text, std::size_t width);

/// Text on one line: line ends and other control characters become "\n", "\t", "\x1b".
std::string printable(std::string_view text);

/// A bar of eighth blocks, `share` (0 to 1) of `width` columns long.
std::string bar(double share, std::size_t width);

}  // namespace viz
